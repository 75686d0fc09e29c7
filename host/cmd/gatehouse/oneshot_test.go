package main

import (
	"encoding/json"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestArgumentsBecomeWhatTheSchemaWants(t *testing.T) {
	entries, err := catalog.Compile(tool.Manifest{Name: "p", Tools: []tool.Spec{{
		Name: "T", Description: "d", InputSchema: json.RawMessage(`{"type":"object","properties":{
			"ports":{"type":"string"},"scripts":{"type":"array"},"timing":{"type":"integer"},"fast":{"type":"boolean"}}}`),
	}}}, nil, func(tool.Spec) catalog.Settings { return catalog.Settings{} })
	if err != nil {
		t.Fatal(err)
	}
	c, _ := catalog.New(entries...)
	for _, row := range []struct{ name, arg, want string }{
		{"digits where a text is wanted", "ports=22", `{"ports":"22"}`},
		{"a text as JSON", `ports="22"`, `{"ports":"22"}`},
		{"a text that only begins like JSON", `ports="22`, `{"ports":"\"22"}`},
		{"a text with an equals sign", "ports=a=b", `{"ports":"a=b"}`},
		{"a list with commas", "scripts=default,ssl-cert", `{"scripts":["default","ssl-cert"]}`},
		{"a list as JSON", `scripts=["default"]`, `{"scripts":["default"]}`},
		{"a number", "timing=4", `{"timing":4}`},
		{"a boolean", "fast=true", `{"fast":true}`},
		{"what is no number stays as it is, for the gate to refuse", "timing=fast", `{"timing":"fast"}`},
		{"an argument that the schema does not know", "other=7", `{"other":7}`},
	} {
		o := oneShot{args: []string{row.arg}}
		r, err := o.request([]string{"T"})
		if err == nil {
			err = o.typed(schemaOf(c, r.Tool), &r)
		}
		if err != nil || string(r.Arguments) != row.want {
			t.Errorf("%s: arguments of --arg %s = %s, %v, want %s", row.name, row.arg, r.Arguments, err, row.want)
		}
	}
	if _, err := (&oneShot{args: []string{"ports"}}).request([]string{"T"}); err == nil {
		t.Error("--arg ports is accepted, want an error: there is no value")
	}
}
