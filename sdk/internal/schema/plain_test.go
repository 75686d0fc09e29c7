package schema

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestPlainObjects(t *testing.T) {
	for raw, want := range map[string]bool{
		`{}`: true, ` { } `: true, `{"a":"b"}`: true, "{\n\t\"a\" : \"b c\" ,\r\"d\":12, \"e\": true,\"f\":false }\n": true,
		`{"a":0}`: true, `{"a":999999999999999}`: true, `{"a":"{},:[]'"}`: true, `{"":""}`: true,
		``: false, `[]`: false, `null`: false, `{`: false, `{"a"}`: false, `{"a":}`: false, `{"a":1,}`: false,
		`{,"a":1}`: false, `{"a":1 "b":2}`: false, `{"a":1}}`: false, `{"a":1} x`: false, `{"a":"b`: false,
		`{"a":"\n"}`: false, "{\"a\":\"\n\"}": false, `{"a":"é"}`: false, `{"a":"\u0041"}`: false, `{"a":null}`: false,
		`{"a":1.0}`: false, `{"a":1e1}`: false, `{"a":-1}`: false, `{"a":01}`: false, `{"a":+1}`: false, `{"a":1_0}`: false,
		`{"a":9999999999999999}`: false, `{"a":{}}`: false, `{"a":[]}`: false, `{"a":1,"a":2}`: false, `{'a':1}`: false,
		`{"a":True}`: false, `{"a":truex}`: false, `{"a":"b"x}`: false, `{a:1}`: false,
	} {
		if _, ok := Plain([]byte(raw)); ok != want {
			t.Errorf("Plain(%q) = %t, want %t", raw, ok, want)
		}
	}
}

// FuzzPlain holds that what is read fast is what encoding/json reads.
func FuzzPlain(f *testing.F) {
	for _, raw := range []string{
		`{}`, `{"a":"b","c":1,"d":true}`, "\n{ \"a\" :\t0 } ", `{"a":"b","a":1}`, `{"a":1e9}`, `{"a":007}`, `{"a":"\u00e9"}`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, ok := Plain(raw)
		if !ok {
			return
		}
		var want any
		if err := json.Unmarshal(raw, &want); err != nil || !reflect.DeepEqual(any(got), want) {
			t.Errorf("Plain(%q) = %v; encoding/json reads %v, %v", raw, got, want, err)
		}
	})
}

func TestTwice(t *testing.T) {
	for _, c := range []struct{ raw, want string }{
		{`{"a": 1, "b": 2}`, ""},
		{`{"a": 1, "a": 2}`, "a"},
		{`{"a": "a", "b": ["a", "a", "b"]}`, ""},
		{`{"a": {"a": {"a": 1}}, "b": {"a": 1}}`, ""},
		{`{"a": [{"b": 1}, {"b": 1}, {"c": [], "d": {}, "c": 1}]}`, "c"},
		{`{"a": {}, "b": [], "a": 1}`, "a"},
		{`{"a": null, "\u0061": true}`, "a"},
		{`{"": 1, "A": 1, "a": 1}`, ""},
		{`[]`, ""}, {`"a"`, ""}, {``, ""}, {`{"a"`, ""}, {`}`, ""},
	} {
		if got := Twice([]byte(c.raw)); got != c.want {
			t.Errorf("Twice(%s) = %q, want %q", c.raw, got, c.want)
		}
	}
}
