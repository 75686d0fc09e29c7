package rpcmessage

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
)

// Bounds of a message's envelope, in bytes. What is longer is repeated in nobody's answer.
const (
	maxMethod   = 128
	maxName     = 256
	maxID       = 256
	maxVersion  = 64
	maxInReason = 64 // of a foreign name within an error
)

// Members of JSON-RPC, and of the params of MCP that decide what is done. A reader that does not mind the case of
// names, as the one behind is, would take others for them.
//
// Source: https://www.jsonrpc.org/specification, https://modelcontextprotocol.io/specification
var (
	envelopeNames = []string{"jsonrpc", "id", "method", "params", "result", "error"}
	paramNames    = []string{
		"name", "arguments", "_meta", "uri", "cursor", "requestId", "progressToken", "level", "ref", "argument", "context",
		"notifications", "inputResponses", "requestState", "task",
	}
)

// versionName is where a message of the stateless revisions says which it is of.
//
// Source: https://modelcontextprotocol.io/specification/2026-07-28/basic#meta
const versionName = "io.modelcontextprotocol/protocolVersion"

// tokenName is where a request says by which token it wants to hear of its progress.
const tokenName = "progressToken"

// reader walks through the outside of a message that [strictjson.Check] has found well-formed.
type reader struct {
	raw []byte
	dec *jsontext.Decoder
	m   Message
}

func readEnvelope(raw []byte) (Message, error) {
	r := reader{
		raw: raw, dec: jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true)), // Check has looked
		m: Message{Raw: raw},
	}
	r.m.object = r.dec.PeekKind() == jsontext.KindBeginObject
	err := r.members("", envelopeNames, r.envelope)
	return r.m, err
}

func (r *reader) envelope(name string) (err error) {
	if name == "params" {
		begin := r.dec.InputOffset()
		err := r.members("/params", paramNames, r.params)
		r.m.Params = bytes.TrimLeft(r.raw[begin:r.dec.InputOffset()], ": \t\r\n")
		return err
	}
	value, err := r.value()
	if err != nil {
		return err
	}
	switch name {
	case "jsonrpc":
		r.m.jsonrpc, err = text(value, "/jsonrpc", maxVersion)
	case "method":
		r.m.method = true
		r.m.Method, err = text(value, "/method", maxMethod)
	case "id":
		r.m.ID, err = json.RawMessage(value), checkID(value, "/id")
	case "result":
		r.m.Result = json.RawMessage(value)
	case "error":
		r.m.Error = json.RawMessage(value)
	}
	return err
}

func (r *reader) params(name string) error {
	if name == "_meta" {
		return r.members("/params/_meta", nil, r.meta)
	}
	value, err := r.value()
	if err != nil {
		return err
	}
	switch name {
	case "name":
		r.m.Name, err = text(value, "/params/name", maxName)
	case "requestId":
		r.m.Cancels = json.RawMessage(value)
	}
	return err
}

func (r *reader) meta(name string) error {
	value, err := r.value()
	if err != nil {
		return err
	}
	switch {
	case name == versionName:
		r.m.Version, err = text(value, "/params/_meta/io.modelcontextprotocol~1protocolVersion", maxVersion)
	case name == tokenName && value.Kind() != jsontext.KindNull: // as some write what they do not have
		r.m.Progress, r.m.badToken = json.RawMessage(value), checkID(value, "/params/_meta/"+tokenName)
	}
	return err
}

// value reads a value, which is a part of the message.
func (r *reader) value() (jsontext.Value, error) {
	value, err := r.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	end := r.dec.InputOffset()
	return r.raw[end-int64(len(value)) : end : end], nil
}

// members calls read with the name of each member of an object, to read its value; of what is no object, never. Names
// that are known only when case does not count are an error.
func (r *reader) members(at string, known []string, read func(name string) error) error {
	if r.dec.PeekKind() != jsontext.KindBeginObject {
		return r.dec.SkipValue()
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	for r.dec.PeekKind() != jsontext.KindEndObject {
		token, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		if err := spelled(name, at, known, r.dec.InputOffset()); err != nil {
			return err
		}
		if err := read(name); err != nil {
			return err
		}
	}
	_, err := r.dec.ReadToken()
	return err
}

// spelled holds a name to the spelling of those that are known.
func spelled(name, at string, known []string, offset int64) error {
	for _, k := range known {
		if name != k && strings.EqualFold(name, k) {
			if len(name) > maxInReason {
				name = strings.ToValidUTF8(name[:maxInReason], "") + "..."
			}
			return &strictjson.Error{Pointer: at + "/" + name, Reason: "write it " + k, Offset: offset}
		}
	}
	return nil
}

// text is a string of at most so many bytes; what is no string is left to who reads all of it.
func text(value jsontext.Value, at string, most int) (string, error) {
	if value.Kind() != jsontext.KindString {
		return "", nil
	}
	if len(value) > most {
		return "", &strictjson.Error{Pointer: at, Reason: fmt.Sprintf("it is too long; allowed are %d bytes", most)}
	}
	raw, err := jsontext.AppendUnquote(nil, value)
	return string(raw), err
}

// checkID holds an id, or a token that is used like one, to what MCP allows.
func checkID(value jsontext.Value, at string) error {
	switch value.Kind() {
	case jsontext.KindString, jsontext.KindNumber, jsontext.KindNull: // null is of answers to what could not be read
		if len(value) <= maxID {
			return nil
		}
		return &strictjson.Error{Pointer: at, Reason: fmt.Sprintf("it is too long; allowed are %d bytes", maxID)}
	}
	return &strictjson.Error{Pointer: at, Reason: "it must be a string or a number"}
}
