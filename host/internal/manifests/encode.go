package manifests

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// A file of the cache is a line and a JSON document. The line is
//
//	gatehouse manifest SHAPE PROGRAM DOCUMENT
//
// with three hashes: of what a manifest looks like in this version of Gatehouse, of the program, and of the
// document. A host that knows more of manifests than the one that wrote it must ask the plugin again.
const magic = "gatehouse manifest "

func head(sum string, document []byte) string {
	return fmt.Sprintf("%s%s %s %x\n", magic, shape(), sum, sha256.Sum256(document))
}

func encode(sum string, m tool.Manifest) ([]byte, error) {
	if err := m.Validate(); err != nil {
		return nil, err
	}
	document, err := json.Marshal(m, exact)
	if err != nil {
		return nil, fmt.Errorf("put it into JSON: %w", err)
	}
	raw := append([]byte(head(sum, document)), document...)
	if len(raw) > MaxFile {
		return nil, fmt.Errorf("it has %d bytes; allowed are %d: shorten its schemas", len(raw), MaxFile)
	}
	return raw, nil
}

func decode(sum string, raw []byte) (m tool.Manifest, err error) {
	line, document, ok := bytes.Cut(raw, []byte("\n"))
	if !ok || string(line)+"\n" != head(sum, document) {
		return m, errors.New("the file is not whole, or about something else")
	}
	if err := json.Unmarshal(document, &m, exact); err != nil {
		return m, err
	}
	return m, m.Validate()
}

// exact keeps what plain JSON changes: the white space within a raw message, and whether a slice is nil.
var exact = json.JoinOptions(
	json.Deterministic(true), json.FormatNilSliceAsNull(true), json.FormatNilMapAsNull(true),
	json.RejectUnknownMembers(true),
	json.WithMarshalers(json.JoinMarshalers(json.MarshalFunc(putRaw), json.MarshalFunc(putDuration),
		json.MarshalFunc(putContent))),
	json.WithUnmarshalers(json.JoinUnmarshalers(json.UnmarshalFunc(getRaw), json.UnmarshalFunc(getDuration),
		json.UnmarshalFunc(getContent))),
)

// plainContent is a block of a prompt field by field: its own JSON is for clients, and cleans what it shows.
type plainContent tool.Content

var plain = json.JoinOptions(json.FormatNilSliceAsNull(true), json.RejectUnknownMembers(true))

func putContent(c tool.Content) ([]byte, error) { return json.Marshal(plainContent(c), plain) }

func getContent(text []byte, c *tool.Content) error {
	*c = tool.Content{}
	return json.Unmarshal(text, (*plainContent)(c), plain)
}

func putRaw(raw stdjson.RawMessage) ([]byte, error) {
	if raw == nil {
		return []byte("null"), nil
	}
	text := base64.StdEncoding.AppendEncode([]byte{'"'}, raw)
	return append(text, '"'), nil
}

func getRaw(text []byte, raw *stdjson.RawMessage) (err error) {
	if string(text) == "null" {
		*raw = nil
		return nil
	}
	*raw, err = base64.StdEncoding.AppendDecode(stdjson.RawMessage{}, bytes.Trim(text, `"`))
	return err
}

func putDuration(d time.Duration) ([]byte, error) { return strconv.AppendInt(nil, int64(d), 10), nil }

func getDuration(text []byte, d *time.Duration) error {
	n, err := strconv.ParseInt(string(text), 10, 64)
	*d = time.Duration(n)
	return err
}

// shape is the hash of the fields of a manifest and their types.
var shape = sync.OnceValue(func() string {
	var text strings.Builder
	describe(&text, reflect.TypeFor[tool.Manifest]())
	return fmt.Sprintf("%x", sha256.Sum256([]byte(text.String())))
})

// describe writes what a type is made of. No type of a manifest contains itself.
func describe(text *strings.Builder, t reflect.Type) {
	text.WriteString(t.String())
	switch t.Kind() {
	case reflect.Struct:
		for f := range t.Fields() {
			fmt.Fprintf(text, "{%s %s ", f.Name, f.Tag)
			describe(text, f.Type)
			text.WriteByte('}')
		}
	case reflect.Slice, reflect.Array, reflect.Pointer:
		describe(text, t.Elem())
	case reflect.Map:
		describe(text, t.Key())
		describe(text, t.Elem())
	}
}
