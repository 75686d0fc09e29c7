package rpcmessage

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
)

func TestAMessageIsReadAsItIs(t *testing.T) {
	m, err := Read([]byte(` {"jsonrpc":"2.0","id":9007199254740993,"method":"tools\/call","params":{"name":"A\u0054ool",` +
		`"arguments":{"NAME":1},"requestId":"r","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","Name":2}}} `))
	if err != nil {
		t.Fatal(err)
	}
	if kind, err := m.Kind(); kind != Request || err != nil {
		t.Errorf("Kind = %v, %v, want a request", kind, err)
	}
	if string(m.ID) != "9007199254740993" || m.Method != "tools/call" || m.Name != "ATool" || string(m.Cancels) != `"r"` ||
		m.Version != "2026-07-28" || !json.Valid(m.Params) || !bytes.HasPrefix(m.Params, []byte(`{"name"`)) {
		t.Errorf("Read = %+v", m)
	}
}

func TestTheKindsOfMessages(t *testing.T) {
	for _, row := range []struct {
		body, id string
		kind     Kind
	}{
		{`{"jsonrpc":"2.0","id":"a","method":"ping"}`, `"a"`, Request},
		{`{"jsonrpc":"2.0","id":0,"method":"ping","params":null}`, `0`, Request},
		{`{"jsonrpc":"2.0","method":"notifications/initialized"}`, ``, Notification},
		{`{"jsonrpc":"2.0","id":1,"result":{}}`, `1`, Answer},
		{`{"jsonrpc":"2.0","id":1,"result":null}`, `1`, Answer},
		{`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}`, `1`, Answer},
		{`{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"no"}}`, ``, Answer},
		{`{"jsonrpc":"2.0","id":1}`, `1`, None},
		{`{"jsonrpc":"2.0","result":{}}`, ``, None},
		{`{"jsonrpc":"2.0","id":null,"method":"ping"}`, ``, None},
		{`{"jsonrpc":"2.0","id":1,"method":""}`, `1`, None},
		{`{"jsonrpc":"2.0","id":1,"method":7}`, `1`, None},
		{`{"jsonrpc":"2.1","id":1,"method":"ping"}`, `1`, None},
		{`{"jsonrpc":2.0,"id":1,"method":"ping"}`, `1`, None},
		{`{"id":1,"method":"ping"}`, `1`, None},
		{`{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`, `1`, None},
		{`{"jsonrpc":"2.0","id":1,"result":null,"method":"ping"}`, `1`, None},
		{`{"jsonrpc":"2.0","id":1,"method":"ping","error":{"code":1,"message":"no"}}`, `1`, None},
		{`{"jsonrpc":"2.0","method":"ping","result":{}}`, ``, None},
		{`{"jsonrpc":"2.0","id":1,"method":"","result":{}}`, `1`, None},
		{`{"jsonrpc":"2.0","id":1,"method":7,"result":{}}`, `1`, None},
		{`{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"no"}}`, `1`, None},
		{`{}`, ``, None}, {`[]`, ``, None}, {`null`, ``, None}, {`7`, ``, None}, {`"ping"`, ``, None},
		{`[{"jsonrpc":"2.0","id":1,"method":"ping"}]`, ``, None},
	} {
		m, err := Read([]byte(row.body))
		if err != nil {
			t.Errorf("Read(%s) = %v", row.body, err)
			continue
		}
		kind, err := m.Kind()
		if kind != row.kind || (err != nil) != (kind == None) || string(m.KnownID()) != row.id {
			t.Errorf("%s: %v of %q, %v; want %v of %q", row.body, kind, m.KnownID(), err, row.kind, row.id)
		}
		if err != nil && CodeOf(err) != InvalidRequest {
			t.Errorf("%s: the code is %d, want %d", row.body, CodeOf(err), InvalidRequest)
		}
	}
}

func TestATokenOfProgressIsLikeAnID(t *testing.T) {
	long := `"` + strings.Repeat("x", 254) + `"`
	for _, row := range []struct {
		token, want string
		ok          bool
	}{
		{`7`, `7`, true}, {`9007199254740993`, `9007199254740993`, true}, {`1.50`, `1.50`, true}, {`""`, `""`, true},
		{`"a"`, `"a"`, true}, {long, long, true}, {`null`, ``, true},
		{`"x` + long[1:], "", false}, {strings.Repeat("1", 257), "", false}, {`{}`, "", false}, {`[7]`, "", false}, {`true`, "", false},
	} {
		m, err := Read([]byte(`{"jsonrpc":"2.0","method":"ping","params":{"_meta":{"progressToken":` + row.token + `}},"id":8}`))
		if err != nil {
			t.Errorf("Read with the token %.40s = %v", row.token, err)
			continue
		}
		kind, err := m.Kind()
		var bad *strictjson.Error
		switch {
		case row.ok && (kind != Request || err != nil || string(m.Progress) != row.want):
			t.Errorf("the token %.40s: %v, %v, kept as %.40s; want a request with %.40s", row.token, kind, err, m.Progress, row.want)
		case !row.ok && (kind != None || CodeOf(err) != InvalidParams || !errors.As(err, &bad) ||
			bad.Pointer != "/params/_meta/progressToken" || string(m.KnownID()) != "8"):
			t.Errorf("the token %.40s: %v, %v; want %d of 8", row.token, kind, err, InvalidParams)
		}
	}
}

func TestWhatCouldBeReadInTwoWaysIsRefused(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("1,", maxValues), ",")
	for _, row := range []struct {
		says, body, pointer string
		code                int
	}{
		{"nothing", ``, "", ParseError},
		{"no end", `{"method":`, "", ParseError},
		{"something behind it", `{"jsonrpc":"2.0"} {}`, "", ParseError},
		{"no UTF-8", "{\"method\":\"\xff\"}", "/method", ParseError},
		{"NaN", `{"params":{"arguments":{"t":NaN}}}`, "/params/arguments/t", ParseError},
		{"a member that stands twice", `{"id":1,"id":2}`, "/id", ParseError},
		{"a member that stands twice below", `{"params":{"arguments":{"a":1,"a":2}}}`, "/params/arguments/a", ParseError},
		{"nesting without end", strings.Repeat("[", 1000), "", ParseError},
		{"many values", `{"a":[` + many + `]}`, "", ParseError},
		{"too many bytes", strings.Repeat(" ", MaxSize+1), "", InvalidRequest},
		{"a method in other letters", `{"METHOD":"ping"}`, "/METHOD", InvalidRequest},
		{"params in other letters", `{"Params":{}}`, "/Params", InvalidRequest},
		{"a name in other letters", `{"params":{"NAME":"x"}}`, "/params/NAME", InvalidRequest},
		{"a state in other letters", `{"params":{"requeststate":"x"}}`, "/params/requeststate", InvalidRequest},
		{"arguments with a long s", `{"params":{"argument\u017f":{}}}`, "/params/argument", InvalidRequest},
		{"an object for an id", `{"id":{}}`, "/id", InvalidRequest},
		{"a boolean for an id", `{"id":true}`, "/id", InvalidRequest},
		{"a long id", `{"id":"` + strings.Repeat("a", 300) + `"}`, "/id", InvalidRequest},
		{"a long method", `{"method":"` + strings.Repeat("a", 300) + `"}`, "/method", InvalidRequest},
		{"a long name", `{"params":{"name":"` + strings.Repeat("a", 300) + `"}}`, "/params/name", InvalidRequest},
		{"a long initialize", `{"method":"initialize","x":"` + strings.Repeat("a", maxOpening) + `"}`, "", InvalidRequest},
		{"an initialize of many values", `{"method":"initialize","x":[` + many[:2*maxOpenValues+1] + `]}`, "/x", InvalidRequest},
	} {
		m, err := Read([]byte(row.body))
		var bad *strictjson.Error
		if CodeOf(err) != row.code || !errors.As(err, &bad) || !strings.HasPrefix(bad.Pointer, row.pointer) || m.Raw != nil {
			t.Errorf("%s: Read(%.60q) = %v of code %d, want %d at %q", row.says, row.body, err, CodeOf(err), row.code, row.pointer)
		}
		if len(err.Error()) > 512 {
			t.Errorf("%s: the error has %d bytes", row.says, len(err.Error()))
		}
	}
}

func TestKeysAreEqualForEqualIDs(t *testing.T) {
	same := [][]string{
		{`8`, `8.0`, `8e0`, `80e-1`}, {`"8"`, `"\u0038"`}, {`-1`, `-1.0`}, {`1.5`, `15e-1`}, {`""`}, {`"-1"`},
		{`9007199254740992`}, {`9007199254740993`}, {`12345678901234567890`}, {`12345678901234567891`}, {`"\"8"`}, {`"a"`}, {`"A"`},
	}
	seen := map[string]string{}
	for _, ids := range same {
		key := Key(json.RawMessage(ids[0]))
		for _, id := range ids {
			if got := Key(json.RawMessage(id)); got != key || got == "" {
				t.Errorf("Key(%s) = %q, want %q as of %s", id, got, key, ids[0])
			}
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%s and %s have the key %q both", ids[0], other, key)
		}
		seen[key] = ids[0]
	}
	for _, none := range []string{``, `null`, `{}`, `[8]`, `true`} {
		if got := Key(json.RawMessage(none)); got != "" {
			t.Errorf("Key(%s) = %q, want none", none, got)
		}
	}
}

func TestAContextCarriesAMessage(t *testing.T) {
	if _, ok := From(t.Context()); ok {
		t.Error("From(a context without one) = true")
	}
	m, err := Read([]byte(`{"jsonrpc":"2.0","method":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := From(With(t.Context(), m)); !ok || got.Method != "x" {
		t.Errorf("From = %+v, %t, want the message", got, ok)
	}
}

// What is read here, and what encoding/json reads behind, is the same message.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"A","arguments":{},"requestId":3}}`,
		`{"jsonrpc":"2.0","id":"a","result":{}}`, `{"jsonrpc":"2.0","method":"x","params":[1]}`, `[]`, `{"Method":1}`,
		`{"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`, `{"id":1e400}`, "{\"id\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := Read(raw)
		if err != nil {
			if code := CodeOf(err); code != ParseError && code != InvalidRequest {
				t.Errorf("the code of %v is %d", err, code)
			}
			return
		}
		kind, err := m.Kind()
		if err != nil {
			return
		}
		var other struct {
			ID     json.RawMessage
			Method string
			Params struct {
				Name      string
				RequestID json.RawMessage
			}
		}
		if err := json.Unmarshal(raw, &other); err != nil {
			return // of a type that it does not take
		}
		if other.Method != m.Method || other.Params.Name != m.Name || !same(other.ID, m.ID) ||
			!same(other.Params.RequestID, m.Cancels) {
			t.Errorf("%s: %+v, encoding/json reads %+v", raw, m, other)
		}
		if kind == Request && Key(m.ID) == "" {
			t.Errorf("%s: the request has no key", raw)
		}
	})
}

func same(a, b json.RawMessage) bool { return bytes.Equal(a, b) }

func BenchmarkRead(b *testing.B) {
	raw := []byte(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"PingTool","arguments":{"target":"127.0.0.1",` +
		`"count":4},"_meta":{"progressToken":7}}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(raw); err != nil {
			b.Fatal(err)
		}
	}
}
