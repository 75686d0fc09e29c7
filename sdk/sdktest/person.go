package sdktest

import (
	"context"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// maxRounds is how often a person answers in one call.
const maxRounds = 8

// consent asks the person of the options about a call that is intrusive, as a host does: what would be run if it
// were allowed is what may be run.
func (b *Bench) consent(r *sdk.Request) error {
	b.t.Helper()
	if b.options.Consent == nil {
		return nil
	}
	if plan := b.planned(*r); plan.Verdict != sdk.Gated {
		return nil
	}
	asked := *r
	asked.Grant = &sdk.Grant{}
	plan := b.planned(asked)
	if plan.Verdict != sdk.Accept {
		b.t.Errorf("Plan(%s, %.200s), if it were allowed = %s (%s), want %s", r.Tool, r.Arguments, plan.Verdict, plan.Rule,
			sdk.Accept)
	}
	if !b.options.Consent(plan) {
		return sdk.Errorf(sdk.KindIntrusiveDenied, "the person who was asked did not allow it")
	}
	r.Grant = &sdk.Grant{Program: plan.Program, Argv: plan.Argv}
	return nil
}

func (b *Bench) planned(r sdk.Request) sdk.Plan {
	b.t.Helper()
	p, err := b.handler.Plan(b.Context(context.Background()), r)
	if err != nil {
		b.t.Fatalf("Plan(%s, %.200s) = %v", r.Tool, r.Arguments, err)
	}
	return p
}

// answers has the person of the options answer. An answer that a client would not let through fails the test.
func (b *Bench) answers(questions []sdk.Question) map[string]tool.Answer {
	b.t.Helper()
	all := make(map[string]tool.Answer, len(questions))
	for _, q := range questions {
		a := b.options.Answer(q)
		if a.Action == sdk.AnswerAccept {
			if err := validate(q.Schema, a.Content); err != nil {
				b.t.Errorf("the answer to %s: %v", q.ID, err)
			}
		}
		all[q.ID] = tool.Answer{Action: a.Action, Content: a.Content}
	}
	return all
}

// Prompt returns the messages of a prompt, filled in. values are the arguments: name -> value.
func (b *Bench) Prompt(name string, values map[string]string) ([]sdk.PromptMessage, error) {
	b.t.Helper()
	i := slices.IndexFunc(b.manifest.Prompts, func(p sdk.Prompt) bool { return p.Name == name })
	if i < 0 {
		b.t.Fatalf("there is no prompt %q", name)
	}
	return b.manifest.Prompts[i].Render(values)
}
