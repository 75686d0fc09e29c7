package mcpdoor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestArgumentsAreCompletedFromWhatTheClientMaySee(t *testing.T) {
	book, config := withBook(t)
	for i, x := range []struct{ client, target string }{
		{"stdio", "10.0.0.7"}, {"stdio", "Web.lab.internal"}, {"stdio", "10.0.0.7"}, {"ci", "10.9.9.9"},
		{"other", "10.6.6.6"},
	} {
		began(t, book, i, x.client, x.target, "")
	}
	b := bedWith(t, func(cfg *Config) {
		config(cfg)
		cfg.Visible = func(_ context.Context, name string) bool { return name != "SecretTool" }
	}, entry("ATool", prompting("one", completing()), templated("quick", "full")), entry("SecretTool",
		templated("secret"),
		func(e *catalog.Entry) { e.Plugin = "one" }), entry("BTool", templated("other")), entry("OffTool",
		disabled))
	for _, c := range talkers(t, b, "{}") {
		own := map[string]struct{ targets, ids string }{
			"stdio": {"10.0.0.7 Web.lab.internal", execID(2) + " " + execID(1) + " " + execID(0)}, "ci": {"10.9.9.9",
				execID(3)},
		}[c.client]
		for _, row := range []struct{ ref, argument, value, want string }{
			{promptRef("p"), "target", "", own.targets},
			{promptRef("p"), "target", "zz", ""},
			{promptRef("p"), "target", "10.6", ""},
			{promptRef("p"), "execution", "", own.ids},
			{promptRef("p"), "execution", "0199C2F0", own.ids},
			{promptRef("p"), "tool", "", "ATool BTool"},
			{promptRef("p"), "tool", "b", "BTool"},
			{promptRef("p"), "tool", "secret", ""},
			{promptRef("p"), "template", "", "full quick"},
			{promptRef("p"), "template", "Q", "quick"},
			{promptRef("p"), "value", "", "Deep deeper quick"},
			{promptRef("p"), "value", "dee", "Deep deeper"},
			{promptRef("p"), "value", "DEEPE", "deeper"},
			{promptRef("p"), "value", "deepest", ""},
			{promptRef("p"), "value", "é", ""},
			{promptRef("p"), "value", strings.Repeat("d", 100_000), ""},
			{promptRef("p"), "both", "", "all ATool BTool"},
			{promptRef("p"), "none", "", ""}, {promptRef("p"), "newer", "", ""}, {promptRef("p"), "nobody", "", ""},
			{promptRef("x"), "target", "", ""},
			{uriRef("execution://{id}/stdout{?offset,limit}"), "id", "", own.ids},
			{uriRef("execution://{id}/data{?offset,limit}"), "id", "0199c2f0-6f3e-7c1a-9d52-0000000000", own.ids},
			{uriRef("execution://{id}/stdout{?offset,limit}"), "offset", "", ""},
			{uriRef("gatehouse://tools/{name}"), "name", "", "ATool BTool"},
			{uriRef("gatehouse://tools/{name}"), "id", "", ""},
			{uriRef("file:///{id}"), "id", "", ""}, {uriRef("gatehouse://policy"), "name", "", ""},
		} {
			got, total, more := values(t, c, row.ref, row.argument, row.value)
			if !sameValues(got, row.want) || total != len(got) || more {
				t.Errorf("%s: %s of %s with %.50q = %q of %d, more: %t; want %s", c.says, row.argument, row.ref,
					row.value, got, total, more,
					row.want)
			}
		}
	}
	for _, c := range talkers(t, newBed(t, entry("ATool", prompting("one", completing()))),
		"{}") { // a host that keeps none
		for _, argument := range []string{"target", "execution"} {
			if got, _, _ := values(t, c, promptRef("p"), argument, ""); len(got) > 0 {
				t.Errorf("%s: %s = %q, want nothing", c.says, argument, got)
			}
		}
	}
}

func TestAPromptThatIsHiddenCompletesNothing(t *testing.T) {
	b := bedWith(t, func(cfg *Config) {
		cfg.Visible = func(context.Context, string) bool { return false }
	}, entry("ATool", prompting("one", completing()), templated("quick")))
	for _, c := range talkers(t, b, "{}") {
		for _, argument := range []string{"value", "template", "tool"} {
			if got, _, _ := values(t, c, promptRef("p"), argument, ""); len(got) > 0 {
				t.Errorf("%s: %s = %q, want nothing", c.says, argument, got)
			}
		}
	}
}

func TestAHundredCompletionsAreEnough(t *testing.T) {
	var all []string
	for i := range 250 {
		all = append(all, fmt.Sprintf("v%03d", i))
	}
	p := tool.Prompt{Name: "p", Description: "d", Messages: []tool.PromptMessage{userText("x")},
		Arguments: []tool.PromptArgument{
			{Name: "a", Values: all},
		}}
	for _, c := range talkers(t, newBed(t, entry("ATool", prompting("one", p))), "{}") {
		for value, want := range map[string]int{"": 250, "V": 250, "v0": 100, "v1": 100, "v2": 50, "v24": 10} {
			got, total, more := values(t, c, promptRef("p"), "a", value)
			if len(got) != min(want, maxCompletions) || total != want || more != (want > maxCompletions) ||
				!slices.IsSorted(got) || !strings.HasPrefix(got[0], strings.ToLower(value)) {
				t.Errorf("%s: with %q there are %d of %d, more: %t; want %d", c.says, value, len(got), total, more, want)
			}
		}
	}
}
