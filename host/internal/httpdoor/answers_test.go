package httpdoor

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/internal/openapitest"
)

// documents keeps what was parsed: raw document -> *openapitest.Document. Most doors of the tests are alike.
var documents sync.Map

// checkAnswers holds every answer that a door gives in a test against the door's own OpenAPI document.
func checkAnswers(t testing.TB, d *Door) {
	t.Helper()
	inner := d.handler
	d.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &copier{ResponseWriter: w}
		inner.ServeHTTP(c, r)
		if strings.HasPrefix(r.URL.Path, "/mcp") || preflight(r) { // MCP and CORS describe themselves
			return
		}
		if c.status == 0 {
			c.status = http.StatusOK
		}
		body := c.body.Bytes()
		if strings.HasPrefix(c.Header().Get("Content-Type"), "text/") {
			body = nil
		}
		if err := documentOf(t, d).Check(r.Method, r.URL.Path, c.status, c.Header(), body); err != nil && !c.failed {
			t.Error(err)
		}
	})
}

func documentOf(t testing.TB, d *Door) *openapitest.Document {
	t.Helper()
	raw, err := d.OpenAPI()
	if err != nil {
		t.Fatalf("OpenAPI = %v, want a document", err)
	}
	if known, ok := documents.Load(string(raw)); ok {
		return known.(*openapitest.Document)
	}
	doc, err := openapitest.Parse(raw)
	if err != nil {
		t.Fatalf("Parse = %v, want the door's own document to be one", err)
	}
	documents.Store(string(raw), doc)
	return doc
}

// copier keeps an answer while it is written.
type copier struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	failed bool // the client was gone before all was written
}

// Unwrap lets a ResponseController reach what can flush and has deadlines.
func (c *copier) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func (c *copier) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *copier) Write(p []byte) (int, error) {
	c.body.Write(p)
	n, err := c.ResponseWriter.Write(p)
	c.failed = c.failed || err != nil
	return n, err
}
