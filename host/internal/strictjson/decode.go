package strictjson

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// decoding is what a document is held to that becomes a struct of ours. A null among the items of an array would
// become a zero that nobody wrote: [null] of ports the port 0.
var decoding = rules{Limits: Limits{Depth: 32, Values: 4096}, items: true}

// strictly has the names of members as they are written in the struct and no others. That no name stands
// twice has been checked before.
var strictly = json.JoinOptions(json.RejectUnknownMembers(true), json.MatchCaseInsensitiveNames(false),
	json.StringifyNumbers(false), jsontext.AllowDuplicateNames(true))

// Decode reads an object, as Object has it, into a struct with `json:"name"` tags. Names that are not there,
// and values of another type, are refused. The value null equals an absent member; in a map it is the zero value,
// and in an array it is refused. At most 32 levels and 4096 names and values are taken. An error is an *Error;
// nothing is returned with it.
func Decode[T any](raw []byte) (T, error) {
	var v, none T
	if err := object(raw, decoding); err != nil {
		return none, err
	}
	if err := json.Unmarshal(raw, &v, strictly); err != nil {
		return none, semantics(err, len(raw))
	}
	return v, nil
}

// semantics says in our form why a good document does not fit the struct.
func semantics(err error, size int) *Error {
	var bad *json.SemanticError
	switch {
	case !errors.As(err, &bad):
		return syntax(err, size)
	case errors.Is(bad.Err, json.ErrUnknownName):
		return refuse(bad.JSONPointer, bad.ByteOffset, "no such member; %s",
			allowed(bad.GoType, bad.JSONPointer.LastToken()))
	case len(bad.JSONValue) > 0 && errors.Is(bad.Err, strconv.ErrRange),
		len(bad.JSONValue) > 0 && errors.Is(bad.Err, strconv.ErrSyntax):
		return refuse(bad.JSONPointer, bad.ByteOffset, "%s does not fit; wanted is %s",
			printable(string(bad.JSONValue), maxName), wanted(bad.GoType))
	case bad.Err != nil:
		return refuse(bad.JSONPointer, bad.ByteOffset, "wanted is %s: %v", wanted(bad.GoType), bad.Err)
	}
	return refuse(bad.JSONPointer, bad.ByteOffset, "it is %s; wanted is %s",
		kindOf(byte(bad.JSONKind)), wanted(bad.GoType))
}

// allowed says what a member may be called instead.
func allowed(of reflect.Type, unknown string) string {
	if of == nil || of.Kind() != reflect.Struct {
		return "leave it out"
	}
	var known []string
	for _, field := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		switch {
		case !field.IsExported() || name == "-":
		case strings.EqualFold(name, unknown):
			return "did you mean " + name + "?"
		default:
			known = append(known, name)
		}
	}
	return "allowed are " + strings.Join(known, ", ")
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// wanted names the kind of value that a type takes.
func wanted(t reflect.Type) string {
	switch {
	case t == nil:
		return "another value"
	case reflect.PointerTo(t).Implements(textUnmarshaler):
		return "a string"
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		return "a string in base64"
	}
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number of %d bits, not below 0", t.Bits())
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	}
	return "another value"
}
