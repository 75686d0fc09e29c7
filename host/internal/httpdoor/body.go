package httpdoor

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of a request's body.
const (
	maxRESTBody = 64 << 10
	maxMCPBody  = 1 << 20
	bodyTimeout = 15 * time.Second
)

// readObject reads a body that must be one JSON object, strictly: the media type is application/json,
// nothing is compressed, no member name stands twice, the text is valid UTF-8, nothing follows. It returns
// the status of a refusal.
func readObject(w http.ResponseWriter, r *http.Request) (json.RawMessage, int, *tool.Error) {
	if status, err := checkMedia(r); err != nil {
		return nil, status, err
	}
	if r.ContentLength > maxRESTBody {
		return nil, http.StatusRequestEntityTooLarge, tooLarge(maxRESTBody)
	}
	raw, status, err := readBody(w, r)
	if err != nil {
		return nil, status, err
	}
	value := jsontext.Value(raw)
	if !value.IsValid() || value.Kind() != '{' {
		return nil, http.StatusBadRequest, notObject(value)
	}
	return json.RawMessage(raw), 0, nil
}

func checkMedia(r *http.Request) (int, *tool.Error) {
	media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" || !utf8Charset(params) {
		return http.StatusUnsupportedMediaType, tool.Errorf(
			tool.KindValidation, "the body must be application/json").Suggest("send Content-Type: application/json")
	}
	if r.Header.Get("Content-Encoding") != "" {
		return http.StatusUnsupportedMediaType, tool.Errorf(
			tool.KindValidation, "compressed bodies are not taken").Suggest("send the body as it is")
	}
	return 0, nil
}

func utf8Charset(params map[string]string) bool {
	charset, said := params["charset"]
	return !said || strings.EqualFold(charset, "utf-8")
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, int, *tool.Error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRESTBody))
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return nil, http.StatusRequestEntityTooLarge, tooLarge(maxRESTBody)
	case err != nil:
		return nil, http.StatusBadRequest, tool.Errorf(tool.KindValidation, "the body cannot be read: %w", err)
	}
	return raw, 0, nil
}

func tooLarge(limit int) *tool.Error {
	return tool.Errorf(tool.KindValidation, "the body is larger than %d bytes", limit).
		With("max_bytes", limit).Suggest("send less")
}

// strictly makes Compact as strict as IsValid is.
var strictly = []jsontext.Options{jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false)}

// notObject says what keeps a body from being one JSON object.
func notObject(value jsontext.Value) *tool.Error {
	why := "it is another JSON value"
	var syntactic *jsontext.SyntacticError
	switch err := value.Compact(strictly...); {
	case errors.As(err, &syntactic):
		why = syntactic.Error()
	case err != nil:
		why = err.Error()
	}
	return tool.Errorf(tool.KindValidation, "the body must be one JSON object: %s", why).
		Suggest(`send one, such as {"target": "10.0.3.7"}, with each member once`)
}

// timely gives every body a deadline, also those that a handler reads itself or that nobody reads.
func timely(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			rc := http.NewResponseController(w)
			_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // no deadlines without a network
			r.Body = &timedBody{ReadCloser: r.Body, rc: rc}
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody is a body with a deadline that ends with it: later it would pass for the client's going away, and
// cancel the call.
type timedBody struct {
	io.ReadCloser
	rc *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

// limitBody caps the body of a handler that reads it itself.
func (d *Door) limitBody(h http.Handler, limit int64) http.Handler {
	capped := http.MaxBytesHandler(h, limit)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > limit {
			d.refuse(w, r, http.StatusRequestEntityTooLarge, tooLarge(int(limit)))
			return
		}
		capped.ServeHTTP(w, r)
	})
}
