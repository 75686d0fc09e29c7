package openapitest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Transport holds every answer that comes through it against a document. The body of a stream is not looked
// at.
type Transport struct {
	Document *Document
	Report   func(error)                // gets what is wrong; required
	Base     http.RoundTripper          // nil: http.DefaultTransport
	Skip     func(r *http.Request) bool // says what the document is not about; nil: nothing
}

var _ http.RoundTripper = (*Transport)(nil)

// RoundTrip sends a request and checks the answer.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(r)
	if err != nil || t.Skip != nil && t.Skip(r) {
		return resp, err
	}
	var body []byte
	if !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		body, err = io.ReadAll(resp.Body)
		_ = resp.Body.Close() // it is read, or err says why not
		if err != nil {
			return nil, fmt.Errorf("read the answer: %w", err)
		}
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	if err := t.Document.Check(r.Method, r.URL.Path, resp.StatusCode, resp.Header, body); err != nil {
		t.Report(err)
	}
	return resp, nil
}
