package httpdoor

import (
	"bytes"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
)

// Bounds of a message's envelope, in bytes. What is longer is repeated in nobody's answer.
const (
	maxMethod   = 128
	maxToolName = 256
	maxID       = 256
)

// Members of JSON-RPC, and of the params of MCP that decide what is done. A reader that does not mind the case of names,
// as the endpoint behind is one, would take others for them.
//
// Source: https://www.jsonrpc.org/specification, https://modelcontextprotocol.io/specification
var (
	envelopeNames = []string{"jsonrpc", "id", "method", "params", "result", "error"}
	paramNames    = []string{"name", "arguments", "_meta", "uri", "cursor", "requestId", "progressToken"}
)

// envelope is what a message says of itself.
type envelope struct {
	method string
}

// readEnvelope reads the outside of a message that [strictjson.Check] has found well-formed. What is no object is left
// to the endpoint, which has an answer for it.
func readEnvelope(raw []byte) (e envelope, err error) {
	err = members(raw, "", envelopeNames, func(name string, value jsontext.Value) error {
		switch name {
		case "method":
			e.method, err = text(value, "/method", maxMethod)
			return err
		case "id":
			return checkID(value)
		case "params":
			return members(value, "/params", paramNames, func(name string, value jsontext.Value) error {
				if name == "name" {
					_, err := text(value, "/params/name", maxToolName)
					return err
				}
				return nil
			})
		}
		return nil
	})
	return e, err
}

// members calls yield with each member of an object; of what is no object, never. Names that are known only when case
// does not count are an error.
func members(raw []byte, at string, known []string, yield func(string, jsontext.Value) error) error {
	dec := jsontext.NewDecoder(bytes.NewReader(raw))
	if token, err := dec.ReadToken(); err != nil || token.Kind() != jsontext.KindBeginObject {
		return nil
	}
	for dec.PeekKind() != jsontext.KindEndObject {
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		name := token.String()
		for _, k := range known {
			if name != k && strings.EqualFold(name, k) {
				return &strictjson.Error{Pointer: at + "/" + clip(name), Reason: "write it " + k, Offset: dec.InputOffset()}
			}
		}
		value, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := yield(name, value); err != nil {
			return err
		}
	}
	return nil
}

// text is a string of at most so many bytes; what is no string is left to the endpoint.
func text(value jsontext.Value, at string, most int) (string, error) {
	if value.Kind() != jsontext.KindString {
		return "", nil
	}
	if len(value) > most {
		return "", &strictjson.Error{Pointer: at, Reason: "it is too long"}
	}
	raw, err := jsontext.AppendUnquote(nil, value)
	return string(raw), err
}

// checkID holds an id to what MCP allows.
func checkID(value jsontext.Value) error {
	switch value.Kind() {
	case jsontext.KindString, jsontext.KindNumber, jsontext.KindNull: // null is of answers to what could not be read
		if len(value) <= maxID {
			return nil
		}
		return &strictjson.Error{Pointer: "/id", Reason: "it is too long"}
	}
	return &strictjson.Error{Pointer: "/id", Reason: "it must be a string or a number"}
}
