package httpdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestABodyIsOneObject(t *testing.T) {
	for _, row := range []struct {
		says, body string
		status     int
	}{
		{"an object", `{"target": "10.0.0.1"}`, 200},
		{"an empty object", `{}`, 200},
		{"blanks around it", " \t\r\n{} \n", 200},
		{"names that differ in their case alone", `{"a": 1, "A": 2}`, 400},
		{"names that fold to one", `{"args": 1, "arg\u017f": 2}`, 400},
		{"text beyond ASCII", `{"a": "ü\ud83d\ude00"}`, 200},
		{"a duplicate name", `{"a": 1, "a": 2}`, 400},
		{"a duplicate name, escaped", `{"a": 1, "\u0061": 2}`, 400},
		{"a duplicate name further down", `{"a": [{"b": 1, "b": 1}]}`, 400},
		{"a lone surrogate", `{"a": "\ud800"}`, 400},
		{"a lone surrogate in a name", `{"\udc00": 1}`, 400},
		{"invalid UTF-8", "{\"a\": \"\xff\"}", 400},
		{"an overlong NUL", "{\"a\": \"\xc0\x80\"}", 400},
		{"a raw control character", "{\"a\": \"\x00\"}", 400},
		{"a byte order mark", "\xef\xbb\xbf{}", 400},
		{"a second document", `{} {}`, 400},
		{"trailing junk", `{} x`, 400},
		{"a trailing comma", `{"a": 1,}`, 400},
		{"a comment", `{} // all`, 400},
		{"NaN", `{"a": NaN}`, 400},
		{"half an object", `{"a": 1`, 400},
		{"null", `null`, 400},
		{"an array", `[{}]`, 400},
		{"a text", `"{}"`, 400},
		{"a number", `1`, 400},
		{"nothing", ``, 400},
		{"blanks only", `  `, 400},
		{"no end of nesting", strings.Repeat(`{"a":`, 12000), 400},
		{"as deep as may be", `{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`, 200},
		{"one deeper", `{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`, 400},
		{"a number beyond all", `{"a": 1e999}`, 400},
		{"very deep nesting", `{"a":` + strings.Repeat("[", 20000) + strings.Repeat("]", 20000) + `}`, 400},
	} {
		called := false
		d := newDoor(t, calling(func(_ context.Context, r tool.Request) (tool.Result, error) {
			called = true
			if string(r.Arguments) != row.body {
				t.Errorf("%s: Arguments = %q, want the body as it was sent", row.says, r.Arguments)
			}
			return tool.Result{}, nil
		}))
		r := request("POST", "/tools/ATool/execute", row.body)
		r.Header.Set("Content-Type", "application/json")
		w := serve(d, r)
		if w.Code != row.status || called != (row.status == 200) {
			t.Errorf("%s: POST %.60q = %d, called: %t, want %d", row.says, row.body, w.Code, called, row.status)
		}
		if row.status != 200 {
			p := checkProblem(t, w, row.status, tool.KindValidation)
			if p["recovery_suggestion"] == nil {
				t.Errorf("%s: %s suggests nothing", row.says, w.Body)
			}
		}
	}
}

// A person who wrote a name twice must not have to look for it.
func TestWhatIsWrongWithABodyIsSaid(t *testing.T) {
	for body, want := range map[string]string{
		`{"port": 1, "port": 2}`: "port", `{"a": 1,}`: "at byte 7", `{"a": "` + "\xff" + `"}`: "UTF-8",
		`{} x`: "at byte 3",
	} {
		w := serve(newDoor(t), request("POST", "/tools/ATool/execute", body))
		if said, _ := checkProblem(t, w, 400, tool.KindValidation)["detail"].(string); !strings.Contains(said,
			want) {
			t.Errorf("POST %q: detail = %q, want %q in it", body, said, want)
		}
	}
}

func TestABodyIsJSONAndNothingElse(t *testing.T) {
	for _, row := range []struct {
		says   string
		header []string
		status int
	}{
		{"plain", []string{"Content-Type", "application/json"}, 200},
		{"with its character set", []string{"Content-Type", "application/json; charset=utf-8"}, 200},
		{"in capitals", []string{"Content-Type", "Application/JSON; charset=UTF-8"}, 200},
		{"with another parameter", []string{"Content-Type", "application/json; v=1"}, 200},
		{"of another character set", []string{"Content-Type", "application/json; charset=utf-16"}, 415},
		{"nothing said", nil, 415},
		{"text", []string{"Content-Type", "text/plain"}, 415},
		{"a form", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		{"a form of parts", []string{"Content-Type", "multipart/form-data; boundary=x"}, 415},
		{"a relative of JSON", []string{"Content-Type", "application/json-patch+json"}, 415},
		{"a list of types", []string{"Content-Type", "application/json, text/plain"}, 415},
		{"what cannot be read", []string{"Content-Type", "application/json; charset"}, 415},
		{"compressed", []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}, 415},
		{"compressed with nothing", []string{"Content-Type", "application/json", "Content-Encoding", "identity"},
			415},
	} {
		r := request("POST", "/tools/ATool/execute", "{}", row.header...)
		r.Header.Del("Content-Type")
		for i := 0; i+1 < len(row.header); i += 2 {
			r.Header.Set(row.header[i], row.header[i+1])
		}
		if row.status != 200 {
			r.Body = io.NopCloser(never{t})
		}
		w := serve(newDoor(t), r)
		if w.Code != row.status {
			t.Errorf("%s: POST %q = %d, want %d", row.says, row.header, w.Code, row.status)
		}
		if row.status != 200 {
			checkProblem(t, w, row.status, tool.KindValidation)
		}
	}
}

// padded is an object of that many bytes.
func padded(size int) string {
	const frame = `{"a":""}`
	return `{"a":"` + strings.Repeat("x", size-len(frame)) + `"}`
}

func TestABodyHasAnEnd(t *testing.T) {
	mcp := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	})
	for _, row := range []struct {
		path   string
		size   int
		status int
	}{
		{"/tools/ATool/execute", maxRESTBody, 200},
		{"/tools/ATool/execute", maxRESTBody + 1, 413},
		{"/tools/ATool/plan", maxRESTBody + 1, 413},
		{"/mcp", maxRESTBody + 1, 200},
		{"/mcp", maxMCPBody, 200},
		{"/mcp", maxMCPBody + 1, 413},
	} {
		d := newDoor(t, func(c *Config) { c.MCP = mcp })
		declared := request("POST", row.path, padded(row.size))
		if row.status == 413 {
			declared.Body = io.NopCloser(never{t}) // what says that it is too large need not be read
		}
		if w := serve(d, declared); w.Code != row.status {
			t.Errorf("POST %s with %d bytes declared = %d, want %d", row.path, row.size, w.Code, row.status)
		} else if row.status == 413 {
			checkProblem(t, w, 413, tool.KindValidation)
		}
		chunked := request("POST", row.path, padded(row.size))
		chunked.ContentLength = -1
		if w := serve(d, chunked); w.Code != row.status {
			t.Errorf("POST %s with %d bytes in chunks = %d, want %d", row.path, row.size, w.Code, row.status)
		}
	}
}

// What the door lets through is one JSON object to every reader, and what it lets through it does not change.
func FuzzReadObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`, "{\"\xff\":1}", `[]`, `{} {}`,
		` {"a":[1e9]} `, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		called := false
		d := newDoor(t, calling(func(_ context.Context, r tool.Request) (tool.Result, error) {
			called = true
			if !bytes.Equal(r.Arguments, body) {
				t.Errorf("Arguments = %q, want %q", r.Arguments, body)
			}
			var object map[string]any
			if err := json.Unmarshal(r.Arguments, &object); err != nil || object == nil {
				t.Errorf("Unmarshal(%q) = %v, %v, want an object", r.Arguments, object, err)
			}
			return tool.Result{}, nil
		}))
		r := request("POST", "/tools/ATool/execute", string(body))
		r.Header.Set("Content-Type", "application/json")
		if w := serve(d, r); called != (w.Code == 200) || !json.Valid(w.Body.Bytes()) {
			t.Errorf("POST %q = %d %s, called: %t", body, w.Code, w.Body, called)
		}
	})
}
