package config

import (
	"fmt"
	"reflect"
)

// Redacted is the whole configuration as nested maps, for people and programs to see: instead of each
// [Secret] stands [Redacted], and so does it instead of each text within plugins.config, because only the
// plugin knows which of them is a password. What is not set for a tool or
// a client is not there.
func (c Config) Redacted() map[string]any {
	shown, _ := redact(reflect.ValueOf(c), tree()).(map[string]any)
	return shown
}

func redact(v reflect.Value, f *field) any {
	switch f.form {
	case section:
		shown := make(map[string]any)
		for i, child := range f.fields {
			value := v.Field(i)
			if value.Kind() == reflect.Pointer {
				if value.IsNil() {
					continue
				}
				value = value.Elem()
			}
			if child.unset && value.IsZero() {
				continue
			}
			shown[child.name] = redact(value, child)
		}
		return shown
	case named:
		shown := make(map[string]any)
		for _, key := range v.MapKeys() {
			shown[key.String()] = redact(v.MapIndex(key), f.elem)
		}
		return shown
	case sections:
		shown := make([]any, v.Len())
		for i := range shown {
			shown[i] = redact(v.Index(i), f.elem)
		}
		return shown
	case free:
		return redactTexts(v.Interface())
	case choice:
		return chosen(v.String())
	}
	return plain(v)
}

// plain is a value of a leaf without the types of this package.
func plain(v reflect.Value) any {
	if s, ok := v.Interface().(fmt.Stringer); ok {
		return s.String() // a Secret hides itself
	}
	switch v.Kind() {
	case reflect.Float64:
		return v.Float()
	case reflect.Slice:
		return append([]string{}, v.Interface().([]string)...)
	}
	return v.Interface()
}

// chosen is a value of a choice as a file has it: a bool, or a text.
func chosen(word string) any {
	if isTruth(word) {
		return word == "true"
	}
	return word
}

// redactTexts hides every text, and keeps numbers, switches and the names of keys.
func redactTexts(v any) any {
	switch v := v.(type) {
	case map[string]any:
		shown := make(map[string]any, len(v))
		for key, value := range v {
			shown[key] = redactTexts(value)
		}
		return shown
	case []any:
		shown := make([]any, len(v))
		for i := range v {
			shown[i] = redactTexts(v[i])
		}
		return shown
	case string:
		return Redacted
	}
	return v
}
