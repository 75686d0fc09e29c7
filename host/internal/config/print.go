package config

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Print writes every key with its value in force, and behind it where that comes from, as YAML that can be
// loaded again, but for what [Config.Redacted] hides. Defaults that yield to what a tool says of itself are
// comments: were they loaded again, they would not yield any more.
func (l Loaded) Print(w io.Writer) error {
	p := &printer{origins: l.Origins, said: l.said, replaced: len(l.Config.Security.AllowedTargets) > 0}
	root := tree()
	values := l.Config.Redacted()
	for _, f := range root.fields {
		p.value(f, values[f.name], f.key, f.name+":", 0)
	}
	return p.write(w)
}

// printer collects lines, to align what stands behind them.
type printer struct {
	origins  map[string]Origin
	said     func(key string) bool
	replaced bool // security.allowed_targets stands for two keys of the scope
	lines    []printed
}

type printed struct{ text, origin string }

func (p *printer) line(depth int, text, origin string) {
	p.lines = append(p.lines, printed{strings.Repeat("  ", depth) + text, origin})
}

// value prints what stands behind head, which is a name with its colon.
func (p *printer) value(f *field, v any, key, head string, depth int) {
	m, _ := v.(map[string]any)
	items, _ := v.([]any)
	switch {
	case f.form == section && len(m) > 0:
		p.line(depth, head, "")
		p.keys(f, m, key, depth+1)
	case f.form == named && len(m) > 0:
		p.line(depth, head, "")
		for name, item := range sorted(m) {
			p.value(f.elem, item, join(key, name), bare(name)+":", depth+1)
		}
	case f.form == sections && len(items) > 0:
		p.line(depth, head, "")
		for i, item := range items {
			first := len(p.lines)
			p.keys(f.elem, item.(map[string]any), fmt.Sprintf("%s[%d]", key, i), depth+2)
			text := p.lines[first].text
			p.lines[first].text = text[:2*depth+2] + "- " + text[2*depth+4:]
		}
	case p.replaced && (key == "scope.allowed_networks" || key == "scope.allowed_suffixes"):
		p.line(depth, "# "+head+" not in force, because security.allowed_targets is given", "")
	case slices.Contains(yielding, key) && !p.said(key):
		p.line(depth, "# "+head+" "+flow(v), "default, where a tool says nothing of its own")
	default:
		p.line(depth, head+" "+flow(v), p.origins[key].String())
	}
}

// keys prints the keys of a section that are set.
func (p *printer) keys(f *field, values map[string]any, key string, depth int) {
	for _, child := range f.fields {
		if v, ok := values[child.name]; ok {
			p.value(child, v, join(key, child.name), child.name+":", depth)
		}
	}
}

func (p *printer) write(w io.Writer) error {
	const most = 64 // a longer line does not move the others
	column := 0
	for _, l := range p.lines {
		if n := utf8.RuneCountInString(l.text); n <= most {
			column = max(column, n)
		}
	}
	var text strings.Builder
	for _, l := range p.lines {
		if l.origin == "" {
			text.WriteString(l.text + "\n")
			continue
		}
		fmt.Fprintf(&text, "%-*s  # %s\n", column, l.text, l.origin)
	}
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

// flow writes a value as YAML in one line.
func flow(v any) string {
	if v == nil {
		return "null"
	}
	if s, ok := v.(fmt.Stringer); ok {
		return bare(s.String()) // a Secret hides itself
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.String:
		return bare(r.String())
	case reflect.Float64:
		return plainNumber(r.Float())
	case reflect.Slice:
		parts := make([]string, r.Len())
		for i := range parts {
			parts[i] = flow(r.Index(i).Interface())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		var parts []string
		for _, key := range r.MapKeys() {
			parts = append(parts, bare(key.String())+": "+flow(r.MapIndex(key).Interface()))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// bareRE is of texts that YAML takes for texts without quotes, but for those of notText.
var bareRE = regexp.MustCompile(`^[A-Za-z/][A-Za-z0-9_./-]*$`)

var notText = []string{"true", "false", "yes", "no", "on", "off", "y", "n", "null"}

// bare writes a text without quotes where that is safe. Go's escapes are YAML's too.
func bare(s string) string {
	if bareRE.MatchString(s) && !slices.Contains(notText, strings.ToLower(s)) {
		return s
	}
	return strconv.Quote(s)
}
