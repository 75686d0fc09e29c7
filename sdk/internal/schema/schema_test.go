package schema

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// banner has untrusted text in each place where a type can have it.
type banner struct {
	Plain   string                    `json:"plain"`
	Text    tool.Untrusted            `json:"text" jsonschema:"what it said"`
	Pointer *tool.Untrusted           `json:"pointer" jsonschema:"may be null"`
	List    []tool.Untrusted          `json:"list"`
	ByName  map[string]tool.Untrusted `json:"by_name"`
	Inside  []struct {
		Text tool.Untrusted `json:"text,omitempty" jsonschema:"deeper"`
	} `json:"inside"`
}

func TestUntrustedTextIsMarked(t *testing.T) {
	c, err := Of(reflect.TypeFor[banner]())
	if err != nil {
		t.Fatalf("Of() = %v", err)
	}
	var doc any
	if err := json.Unmarshal(c.JSON, &doc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"properties.plain":                        `{"type":"string"}`,
		"properties.text":                         `{"description":"what it said","type":"string","x-untrusted":true}`,
		"properties.pointer":                      `{"description":"may be null","type":["null","string"],"x-untrusted":true}`,
		"properties.list.items":                   `{"type":"string","x-untrusted":true}`,
		"properties.by_name.additionalProperties": `{"type":"string","x-untrusted":true}`,
		"properties.inside.items.properties.text": `{"description":"deeper","type":"string","x-untrusted":true}`,
	} {
		v := doc
		for _, step := range strings.Split(path, ".") {
			v, _ = v.(map[string]any)[step].(map[string]any)
		}
		if got, _ := json.Marshal(v); string(got) != want {
			t.Errorf("schema at %s = %s, want %s", path, got, want)
		}
	}
}

func TestUntrustedTextIsCheckedAndFilled(t *testing.T) {
	c, err := Of(reflect.TypeFor[banner]())
	if err != nil {
		t.Fatalf("Of() = %v", err)
	}
	raw, err := json.Marshal(banner{Text: "\x1b[31m", ByName: map[string]tool.Untrusted{"a": "\u202e"}})
	if err != nil {
		t.Fatal(err)
	}
	filled, err := c.Fill(raw)
	want := `{"by_name":{"a":"\\u{202E}"},"inside":[],"list":[],"plain":"","pointer":null,"text":"\\x1B[31m"}`
	if err != nil || string(filled) != want {
		t.Errorf("Fill(%s) = %s, %v; want %s", raw, filled, err, want)
	}
	if err := c.Check(filled); err != nil {
		t.Errorf("Check(%s) = %v, want nil", filled, err)
	}
	wrong := strings.Replace(string(filled), `"\\x1B[31m"`, "7", 1)
	if err := c.Check(json.RawMessage(wrong)); err == nil || !strings.Contains(err.Error(), "argument text") {
		t.Errorf("Check(%s) = %v, want an error about text", wrong, err)
	}
}

func TestSchemasGivenByHandKeepTheMark(t *testing.T) {
	c, err := Object([]Property{{Name: "x", Schema: json.RawMessage(`{"type":"string","x-untrusted":true}`)}})
	if err != nil || !strings.Contains(string(c.JSON), `"x-untrusted":true`) {
		t.Errorf("Object() = %+v, %v; want a schema with the mark", c, err)
	}
}

func TestUntrustedDataMayBeOfAnyType(t *testing.T) {
	type reading struct {
		Data tool.UntrustedData `json:"data,omitempty" jsonschema:"what it said"`
	}
	c, err := Of(reflect.TypeFor[reading]())
	if err != nil || !strings.Contains(string(c.JSON), `"data":{"description":"what it said","x-untrusted":true}`) {
		t.Fatalf("Of() = %s, %v; want the mark, and no type", c.JSON, err)
	}
	for _, data := range []string{`"a"`, `["a",{"b":[]}]`, `{"a":"b"}`} {
		raw, err := json.Marshal(reading{tool.UntrustedData(data)})
		if err == nil {
			err = c.Check(raw)
		}
		if want := `{"data":` + data + `}`; err != nil || string(raw) != want {
			t.Errorf("Marshal = %s, %v; want %s, which fits", raw, err, want)
		}
	}
	if raw, err := json.Marshal(reading{}); err != nil || string(raw) != "{}" {
		t.Errorf("Marshal without data = %s, %v; want {}", raw, err)
	}
}

func TestAPointerThatMayBeLeftOutIsNeverNull(t *testing.T) {
	type port struct {
		Number *int `json:"number,omitempty"`
	}
	c, err := Of(reflect.TypeFor[port]())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(c.JSON), `"number":{"type":"integer"}`) {
		t.Errorf("schema = %s, want an integer and nothing else", c.JSON)
	}
	for raw, ok := range map[string]bool{`{}`: true, `{"number": 0}`: true, `{"number": null}`: false} {
		if err := c.Check(json.RawMessage(raw)); (err == nil) != ok {
			t.Errorf("Check(%s) = %v, want it to fit: %t", raw, err, ok)
		}
	}
}
