package manifests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestEachFlippedBitIsAMiss(t *testing.T) {
	p := newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
	good, err := encode(p.sum, manifest("one"))
	must(t, err)
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		if m, err := decode(p.sum, bad); err == nil {
			t.Fatalf("decode() with another byte %d = %+v, want an error", i, m)
		}
	}
}

// fill sets every field below v to something, each to another thing.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes(fmt.Appendf(nil, "{\"type\": \"object\", \"n\" :\t%d, \"<&\u2028>\": 1.0}", *n))
			return
		}
		if v.Type() == reflect.TypeFor[[]byte]() {
			v.SetBytes([]byte{0xff, byte(*n)})
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(fmt.Sprint("text", *n))
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(int64(*n)) // what is no integer panics: teach it here, and see to it in exact
	}
}

func TestEveryFieldOfAManifestIsKeptExactly(t *testing.T) {
	var full tool.Manifest
	n := 0
	fill(reflect.ValueOf(&full).Elem(), &n)
	for i := range full.Tools { // as far as Validate asks for
		full.Tools[i].Targets = nil
		full.Tools[i].Facts.Templates[""] = "\x00\u2028<>&\\"
	}
	for _, p := range full.Prompts {
		for i := range p.Messages {
			p.Messages[i].Role = "assistant"
			c := &p.Messages[i].Content
			c.Type, c.URI, c.MIMEType, c.Text = tool.ResourceText, "report:{{"+p.Arguments[0].Name+"}}", "image/png", "\x1b\u202e"
		}
	}
	empty := manifest("empty")
	empty.Layers = []tool.Layer{}
	empty.Tools[0].OutputSchema = json.RawMessage{}
	empty.Tools[0].Facts = tool.Facts{AllowedFlags: []string{}, Templates: map[string]string{}}
	empty.Tools[0].MaxTimeout = 1<<63 - 1
	least := tool.Manifest{Name: "n", Tools: []tool.Spec{
		{Name: "T", Description: "d", InputSchema: json.RawMessage(`{"type":"object"}`)},
	}}
	for name, m := range map[string]tool.Manifest{
		"full": full, "empty": empty, "least": least, "usual": manifest("usual"),
	} {
		c, p := open(t, t.TempDir()), newProgram(t, filepath.Join(t.TempDir(), "a"), "a")
		if err := c.Keep(p.path, p.stamp, p.sum, m); err != nil {
			t.Errorf("Keep() of the %s one = %v", name, err)
			continue
		}
		wantFound(t, c, p, m)
	}
}

func TestTheShapeTellsTypesApart(t *testing.T) {
	type one struct{ A, B string }
	type two struct {
		A string
		B string `json:"b"`
	}
	type three struct{ A, B []one }
	type four struct{ A, B []two }
	seen := make(map[string]reflect.Type)
	for _, typ := range []reflect.Type{
		reflect.TypeFor[one](), reflect.TypeFor[two](), reflect.TypeFor[three](), reflect.TypeFor[four](),
		reflect.TypeFor[struct{ A map[string]one }](), reflect.TypeFor[struct{ A map[string]two }](),
	} {
		var text strings.Builder
		describe(&text, typ)
		if other, ok := seen[text.String()]; ok {
			t.Errorf("%v and %v have one shape", typ, other)
		}
		seen[text.String()] = typ
	}
	var text strings.Builder
	describe(&text, reflect.TypeFor[tool.Manifest]())
	for _, want := range []string{"{Threshold ", "{Recovery ", "time.Duration", "{Active ", "map[string]"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("describe() of a manifest = %s, want %s in it", text.String(), want)
		}
	}
}

// Whatever is in a file of the cache: no panic; what is taken is valid, and the same once it was kept again.
func FuzzDecode(f *testing.F) {
	sum := strings.Repeat("0", 64)
	raw, err := encode(sum, manifest("one"))
	must(f, err)
	f.Add(raw[bytes.IndexByte(raw, '\n')+1:])
	for _, seed := range []string{
		"", "null", "{}",
		`{"Name":"a","Tools":[{"Name":"T","Description":"d","InputSchema":"eyJ0eXBlIjoib2JqZWN0In0="}]}`,
		`{"Tools":[{"InputSchema":null,"MaxTimeout":1e9,"Facts":{"Templates":{"a":"b"}}}]}`,
		`{"Tools":[{"InputSchema":"\u0065","OutputSchema":7}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		m, err := decode(sum, append([]byte(head(sum, document)), document...))
		if err != nil {
			return
		}
		raw, err := encode(sum, m)
		must(t, err)
		if again, err := decode(sum, raw); err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("decode() of what was taken and kept = %+v, %v, want %+v", again, err, m)
		}
	})
}
