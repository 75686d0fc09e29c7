package config

import (
	"slices"
	"strings"
	"testing"
)

const keyIntrusive = "security.allow_intrusive"

func TestASwitchHasMorePositionsThanTwo(t *testing.T) {
	for _, row := range []struct {
		file, variable string
		want           Intrusive
	}{
		{file: "", want: IntrusiveNo},
		{file: "security: {allow_intrusive: }", want: IntrusiveNo},
		{file: "security: {allow_intrusive: false}", want: IntrusiveNo},
		{file: "security: {allow_intrusive: true}", want: IntrusiveYes},
		{file: "security: {allow_intrusive: True}", want: IntrusiveYes},
		{file: "security: {allow_intrusive: ask}", want: IntrusiveAsk},
		{file: "security: {allow_intrusive: 'ask'}", want: IntrusiveAsk},
		{file: `{"security": {"allow_intrusive": true}}`, want: IntrusiveYes},
		{file: `{"security": {"allow_intrusive": "ask"}}`, want: IntrusiveAsk},
		{variable: "false", want: IntrusiveNo},
		{variable: "true", want: IntrusiveYes},
		{variable: "TRUE", want: IntrusiveYes},
		{variable: "1", want: IntrusiveYes},
		{variable: "ask", want: IntrusiveAsk},
		{file: "security: {allow_intrusive: true}", variable: "F", want: IntrusiveNo},
		{file: "security: {allow_intrusive: true}", variable: "", want: IntrusiveYes},
	} {
		cfg := load(t, Source{
			File: write(t, "c.yaml", row.file), Environ: []string{"MCP_SECURITY_ALLOW_INTRUSIVE=" + row.variable},
		})
		if got := cfg.Security.AllowIntrusive; got != row.want {
			t.Errorf("file %q, variable %q: allow_intrusive = %q, want %q", row.file, row.variable, got, row.want)
		}
	}
}

func TestAFlagHasBooleansAndWords(t *testing.T) {
	for v, want := range map[any]Intrusive{false: IntrusiveNo, true: IntrusiveYes, "ask": IntrusiveAsk} {
		cfg := load(t, Source{Flags: map[string]any{keyIntrusive: v}})
		if got := cfg.Security.AllowIntrusive; got != want {
			t.Errorf("flag %v: allow_intrusive = %q, want %q", v, got, want)
		}
	}
}

func TestNoTextIsTakenForABoolean(t *testing.T) {
	for value, want := range map[string]string{
		`"false"`: `is the text "false"; allowed: false, true, ask; write it without quotes`,
		`"true"`:  `is the text "true"; allowed: false, true, ask; write it without quotes`,
		`"True"`:  `"True" is unknown; allowed: false, true, ask; did you mean true?`,
		`flase`:   `"flase" is unknown; allowed: false, true, ask; did you mean false?`,
		`asc`:     `"asc" is unknown; allowed: false, true, ask; did you mean "ask"?`,
		`yes`:     `"yes" is unknown; allowed: false, true, ask`,
		`""`:      `"" is unknown; allowed: false, true, ask`,
		`1`:       `is the number 1; allowed: false, true, ask`,
		`[ask]`:   `is a list; allowed: false, true, ask`,
		`{a: b}`:  `is a section; allowed: false, true, ask`,
	} {
		text := problemsOf(t, write(t, "c.yaml", "security: {allow_intrusive: "+value+"}\n")).Error()
		if !strings.HasSuffix(text, ":1:29: "+keyIntrusive+": "+want) {
			t.Errorf("Read(%s) = %s, want %s", value, text, want)
		}
	}
}

func TestASwitchIsShownAsItIsWritten(t *testing.T) {
	for word, want := range map[string]any{"false": false, "true": true, "ask": "ask"} {
		l := read(t, Source{Environ: []string{"MCP_SECURITY_ALLOW_INTRUSIVE=" + word}})
		section, _ := l.Config.Redacted()["security"].(map[string]any)
		if got := section["allow_intrusive"]; got != want {
			t.Errorf("Redacted = allow_intrusive %#v, want %#v", got, want)
		}
		if text := printOf(t, l); !strings.Contains(text, "\n  allow_intrusive: "+word+" ") {
			t.Errorf("Print = %s\nwant %s in it, without quotes", text, word)
		}
		roundTrip(t, l)
	}
	i := slices.IndexFunc(Keys(), func(k Key) bool { return k.Name == keyIntrusive })
	if k := Keys()[i]; k.Default != "false" || k.Allowed != "false, true, ask" || !k.Reload {
		t.Errorf("Keys = %+v, want the default false, of false, true, ask, in force at once", k)
	}
}

func TestAPluginIsToldYesOnlyWhereItIsSaid(t *testing.T) {
	for word, want := range map[Intrusive]bool{
		"": false, IntrusiveNo: false, IntrusiveAsk: false, IntrusiveYes: true,
	} {
		c := Default()
		c.Security.AllowIntrusive = word
		if got := c.PluginPolicy("p").AllowIntrusive; got != want {
			t.Errorf("PluginPolicy with %q = AllowIntrusive %t, want %t", word, got, want)
		}
	}
}
