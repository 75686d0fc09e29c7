package httpdoor

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/rpcmessage"
	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of a request's body.
const (
	maxRESTBody  = 64 << 10
	maxMCPBody   = rpcmessage.MaxSize
	maxRESTDepth = 32      // arrays and objects in one another; arguments of tools are bounded alike
	maxValues    = 8 << 10 // names and values: in memory each takes far more than its text
	maxLargeMCP  = 8       // messages of more than maxRESTBody that are read at a time
	bodyTimeout  = 15 * time.Second
)

// readObject reads a body that must be one JSON object, strictly: the media type is application/json,
// nothing is compressed, and the document is as [strictjson.Object] wants it. It returns the status of a refusal.
func readObject(w http.ResponseWriter, r *http.Request) (json.RawMessage, int, *tool.Error) {
	raw, status, err := readJSON(w, r, maxRESTBody)
	if err != nil {
		return nil, status, err
	}
	if err := strictjson.Object(raw, strictjson.Limits{Depth: maxRESTDepth, Values: maxValues}); err != nil {
		return nil, http.StatusBadRequest, badBody(err).
			Suggest(`send one object, such as {"target": "10.0.3.7"}, with each member once`)
	}
	return raw, 0, nil
}

// readJSON reads a body that says it is JSON, up to a limit.
func readJSON(w http.ResponseWriter, r *http.Request, limit int) ([]byte, int, *tool.Error) {
	if status, err := checkMedia(r); err != nil {
		return nil, status, err
	}
	return readBody(w, r, limit)
}

// badBody says what is wrong with a body, and where.
func badBody(err error) *tool.Error {
	e := tool.Errorf(tool.KindValidation, "the body: %w", err)
	var bad *strictjson.Error
	if errors.As(err, &bad) {
		return e.With("pointer", bad.Pointer)
	}
	return e
}

func checkMedia(r *http.Request) (int, *tool.Error) {
	types := r.Header.Values("Content-Type")
	media, params, err := mime.ParseMediaType(strings.Join(types, ","))
	if len(types) != 1 || err != nil || media != "application/json" || !utf8Charset(params) {
		return http.StatusUnsupportedMediaType, tool.Errorf(
			tool.KindValidation, "the body must be application/json").Suggest("send Content-Type: application/json")
	}
	if len(r.Header.Values("Content-Encoding")) > 0 {
		return http.StatusUnsupportedMediaType, tool.Errorf(
			tool.KindValidation, "compressed bodies are not taken").Suggest("send the body as it is")
	}
	return 0, nil
}

func utf8Charset(params map[string]string) bool {
	charset, said := params["charset"]
	return !said || strings.EqualFold(charset, "utf-8")
}

func readBody(w http.ResponseWriter, r *http.Request, limit int) ([]byte, int, *tool.Error) {
	if r.ContentLength > int64(limit) {
		return nil, http.StatusRequestEntityTooLarge, tooLarge(limit)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(limit)))
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return nil, http.StatusRequestEntityTooLarge, tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, http.StatusRequestTimeout, tool.Errorf(
			tool.KindValidation, "the body did not come within %v", bodyTimeout).Suggest("send it faster, or send less")
	case err != nil: // its text may name addresses
		return nil, http.StatusBadRequest, tool.Errorf(tool.KindValidation, "the body cannot be read: it ends too early, "+
			"or is not as its headers say").Suggest("send as many bytes as Content-Length says, or whole chunks")
	}
	return raw, 0, nil
}

func tooLarge(limit int) *tool.Error {
	return tool.Errorf(tool.KindValidation, "the body is larger than %d bytes", limit).
		With("max_bytes", limit).Suggest("send less")
}

// timely gives every body a deadline, also those that a handler reads itself or that nobody reads.
func timely(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			rc := http.NewResponseController(w)
			_ = rc.SetReadDeadline(time.Now().Add(bodyTimeout)) // no deadlines without a network
			r.Body = &timedBody{ReadCloser: r.Body, rc: rc}
		}
		if len(r.TransferEncoding) > 0 {
			// There may have been a Content-Length as well, which net/http has dropped and another server on the way
			// may have believed. RFC 9112, 6.1 has such a connection closed, lest its rest be taken for a request.
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// timedBody is a body with a deadline that ends with it: later it would pass for the client's going away, and
// cancel the call.
type timedBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	whole bool // all of it was read
}

// unread is whether there may be more of a body: whoever answers without reading it closes the connection, or net/http
// waits for the rest before it sends the answer.
func unread(r *http.Request) bool {
	b, timed := r.Body.(*timedBody)
	return timed && !b.whole
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.whole = true
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}
