package openapitest

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

const document = `{
	"openapi": "3.1.0",
	"paths": {
		"/things/{name}": {"get": {"responses": {
			"200": {"content": {
				"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}},
				"text/event-stream": {"schema": {"type": "string"}}
			}},
			"404": {"$ref": "#/components/responses/NotFound"}
		}}},
		"/things/box": {"get": {"responses": {
			"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/box.output"}}}}
		}}}
	},
	"components": {
		"responses": {"NotFound": {"content": {"application/problem+json": {"schema": {
			"$ref": "#/components/schemas/Problem"}}}}},
		"schemas": {
			"Thing": {"type": "object", "required": ["size"], "properties": {
				"size": {"type": "integer"},
				"at": {"type": "string", "format": "date-time"},
				"inside": {"type": "object", "properties": {"a": {"type": "integer"}}},
				"facts": {"type": "object", "additionalProperties": {"type": "integer"}}
			}},
			"box.output": {"type": "object", "properties": {"size": {"minimum": 3}}},
			"Problem": {"type": "object", "required": ["status"], "properties": {"status": {"type": "integer"}}}
		}
	}
}`

func parse(t testing.TB, raw string) *Document {
	t.Helper()
	d, err := Parse([]byte(raw))
	if err != nil {
		t.Fatalf("Parse = %v, want a document", err)
	}
	return d
}

func TestWhatAnAnswerMayBe(t *testing.T) {
	const asJSON, asProblem = "application/json", "application/problem+json"
	d := parse(t, document)
	for _, row := range []struct {
		says, method, path string
		status             int
		media, body        string
		want               string // in the error; empty: none
	}{
		{"as documented", "GET", "/things/a", 200, asJSON, `{"size":1,"inside":{"a":1},"facts":{"x":1}}`, ""},
		{"with a character set", "GET", "/things/a", 200, asJSON + "; charset=utf-8", `{"size":1}`, ""},
		{"a time", "GET", "/things/a", 200, asJSON, `{"size":1,"at":"2026-11-22T20:08:24.067Z"}`, ""},
		{"HEAD is GET without a body", "HEAD", "/things/a", 200, asJSON, ``, ""},
		{"a stream", "GET", "/things/a", 200, "text/event-stream", ``, ""},
		{"a documented problem", "GET", "/things/a", 404, asProblem, `{"status":404}`, ""},
		{"a path that there is not", "GET", "/else", 404, asProblem, `{"status":404}`, ""},
		{"a method that there is not", "PUT", "/things/a", 405, asProblem, `{"status":405}`, ""},
		{"a method in small letters", "get", "/things/a", 405, asProblem, `{"status":405}`, ""},
		{"both paths fit", "GET", "/things/box", 200, asJSON, `{"size":3}`, ""},
		{"only the general path fits", "GET", "/things/box", 200, asJSON, `{"size":2}`, "minimum"},
		{"only the special path fits", "GET", "/things/box", 200, asJSON, `{}`, "size"},
		{"a member is missing", "GET", "/things/a", 200, asJSON, `{}`, "size"},
		{"a member is of another type", "GET", "/things/a", 200, asJSON, `{"size":"1"}`, "integer"},
		{"a member that nobody knows", "GET", "/things/a", 200, asJSON, `{"size":1,"new":1}`, "new"},
		{"one further down", "GET", "/things/a", 200, asJSON, `{"size":1,"inside":{"new":1}}`, "new"},
		{"no time", "GET", "/things/a", 200, asJSON, `{"size":1,"at":"yesterday"}`, "date-time"},
		{"another media type", "GET", "/things/a", 200, "text/plain", `{"size":1}`, "text/plain"},
		{"no media type", "GET", "/things/a", 200, "", ``, "media type"},
		{"another status", "GET", "/things/a", 201, asJSON, `{"size":1}`, "status"},
		{"no JSON", "GET", "/things/a", 200, asJSON, `{"size":1`, "read"},
		{"a problem without its members", "GET", "/things/a", 404, asProblem, `{}`, "status"},
		{"success where nothing is", "GET", "/else", 200, asJSON, `{}`, "documented"},
		{"a plain error where nothing is", "GET", "/else", 404, "text/plain", `no`, "problem"},
		{"a name that is empty", "GET", "/things/", 200, asJSON, `{"size":1}`, "documented"},
		{"a longer path", "GET", "/things/a/b", 200, asJSON, `{"size":1}`, "documented"},
	} {
		err := d.Check(row.method, row.path, row.status, http.Header{"Content-Type": {row.media}}, []byte(row.body))
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Check(%s %s, %d, %q, %s) = %v, want %q in it", row.says, row.method, row.path, row.status,
				row.media, row.body, err, row.want)
		}
	}
}

func TestADocumentThatIsNoneIsRefused(t *testing.T) {
	for _, raw := range []string{
		``, `[]`, `{"openapi":"3.0.3"}`, `{"openapi":"3.1.0","components":{"schemas":{"A":{"type":"thing"}}}}`,
		`{"openapi":"3.1.0","components":{"schemas":{"A":{"$ref":"#/components/schemas/B"}}}}`,
		`{"openapi":"3.1.0","components":{"schemas":{"A":{"$ref":"file:///etc/hostname"}}}}`,
	} {
		if _, err := Parse([]byte(raw)); err == nil {
			t.Errorf("Parse(%s) = nil, want an error", raw)
		}
	}
}

// trip is a transport made of one func.
type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheTransportReportsAndPassesOn(t *testing.T) {
	var reported []error
	tr := &Transport{
		Document: parse(t, document),
		Report:   func(err error) { reported = append(reported, err) },
		Skip:     func(r *http.Request) bool { return r.URL.Path == "/mcp" },
	}
	get := func(path, media, body string) string {
		t.Helper()
		tr.Base = trip(func(*http.Request) (*http.Response, error) {
			return &http.Response{
				StatusCode: 200, Header: http.Header{"Content-Type": {media}}, Body: io.NopCloser(strings.NewReader(body)),
			}, nil
		})
		resp, err := (&http.Client{Transport: tr}).Get("http://127.0.0.1" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		raw, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for _, row := range []struct {
		path, media, body string
		wrong             bool
	}{
		{"/things/a", "application/json", `{"size":1}`, false},
		{"/things/a", "application/json", `{}`, true},
		{"/things/a", "text/event-stream", "data: 1\n\n", false},
		{"/mcp", "text/plain", "anything", false},
	} {
		reported = nil
		if got := get(row.path, row.media, row.body); got != row.body || (len(reported) > 0) != row.wrong {
			t.Errorf("GET %s = %q, reported: %v, want %q and wrong: %t", row.path, got, reported, row.body, row.wrong)
		}
	}
	broken := errors.New("broken")
	tr.Base = trip(func(*http.Request) (*http.Response, error) { return nil, broken })
	if _, err := (&http.Client{Transport: tr}).Get("http://127.0.0.1/"); !errors.Is(err, broken) {
		t.Errorf("GET = %v, want %v", err, broken)
	}
}
