package strictjson

import (
	stdjson "encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/go-json-experiment/json"
)

// Whatever Check takes is read by everybody, and by everybody alike; whatever it refuses has a good error.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"target":"10.0.0.1","target":"8.8.8.8"}`, `{"target":"10.0.0.1","extra_argſ":"-sn"}`, `{"TARGET":1}`,
		`{"correlation_id":"\ud800"}`, "{\"a\":\"\xff\xfe\"}", `{"a":1} {"b":2}`, `null`, `"x"`, ``,
		`[[[[[[[[[]]]]]]]]]`,
		`{"a":1e999,"b":-0,"c":1e308,"d":1e-999}`, "\uFEFF{}", `{"k":1,"\u212a":2,"a/b":{"c~d":[1,{"":0}]}}`,
		`{` + many + `"z":1}`, `{"a":"\ud83d\ude00\u0000\"\\"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := string(raw)
		err := Check(raw, Limits{Depth: 8})
		if string(raw) != before {
			t.Errorf("Check(%q) has changed it to %q", before, raw)
		}
		if err != nil {
			var bad *Error
			if !errors.As(err, &bad) {
				t.Fatalf("Check(%q) = %v, want an *Error", raw, err)
			}
			checkError(t, before, bad)
			return
		}
		var one, two any
		if err := stdjson.Unmarshal(raw, &one); err != nil {
			t.Fatalf("Check(%q) = nil, but encoding/json has %v", raw, err)
		}
		if err := json.Unmarshal(raw, &two); err != nil {
			t.Fatalf("Check(%q) = nil, but json v2 has %v", raw, err)
		}
		if !reflect.DeepEqual(one, two) {
			t.Errorf("Check(%q) = nil, but it is %v to one and %v to another", raw, one, two)
		}
		n := count(one)
		if err := Check(raw, Limits{Depth: 8, Values: n}); err != nil {
			t.Errorf("Check(%q) = %v, want its %d names and values taken", raw, err, n)
		}
		if n > 1 && Check(raw, Limits{Depth: 8, Values: n - 1}) == nil {
			t.Errorf("Check(%q) = nil, want %d names and values refused where %d are allowed", raw, n, n-1)
		}
	})
}

// count is of the names and values of what a document has become.
func count(v any) int {
	n := 1
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			n += count(item)
		}
	case map[string]any:
		for _, value := range v {
			n += 1 + count(value)
		}
	}
	return n
}

// What Decode takes, encoding/json reads alike, although it does not mind case, duplicates and other names.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"target":"10.0.0.1","timeout_sec":null}`, `{"TARGET":"10.0.0.1"}`, `{"timeout_sec":1e400}`,
		`{"retries":300}`,
		`{"ports":[80,null]}`, `{"from":"::1%eth0"}`, `{"key":"AQ"}`, `{"scope":{"hosts":{"a":"b","A":"c"}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := Decode[call](raw)
		var bad *Error
		switch {
		case errors.As(err, &bad):
			checkError(t, string(raw), bad)
			return
		case err != nil:
			t.Fatalf("Decode(%q) = %v, want an *Error", raw, err)
		}
		var other call
		if err := stdjson.Unmarshal(raw, &other); err != nil {
			t.Fatalf("Decode(%q) = %+v, but encoding/json has %v", raw, got, err)
		}
		if len(got.Ports)+len(other.Ports) == 0 {
			got.Ports, other.Ports = nil, nil // empty or absent
		}
		if len(got.Key)+len(other.Key) == 0 {
			got.Key, other.Key = nil, nil
		}
		if !reflect.DeepEqual(got, other) {
			t.Errorf("Decode(%q) = %+v, but it is %+v to encoding/json", raw, got, other)
		}
	})
}
