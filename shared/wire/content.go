package wire

import (
	"encoding/json"
	"math"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func contentToPB(c tool.Content) *toolpb.Content {
	return &toolpb.Content{
		Type: text(string(c.Type)), Text: text(c.Text), Data: c.Data, MimeType: text(c.MIMEType),
		Uri: text(c.URI), Name: text(c.Name), Title: text(c.Title), Description: text(c.About),
	}
}

func contentFromPB(pb *toolpb.Content) tool.Content {
	return tool.Content{
		Type: tool.ContentType(pb.GetType()), Text: pb.GetText(), Data: pb.GetData(), MIMEType: pb.GetMimeType(),
		URI: pb.GetUri(), Name: pb.GetName(), Title: pb.GetTitle(), About: pb.GetDescription(),
	}
}

func promptToPB(p tool.Prompt) *toolpb.Prompt {
	pb := &toolpb.Prompt{Name: text(p.Name), Title: text(p.Title), Description: text(p.Description)}
	for _, a := range p.Arguments {
		pb.Arguments = append(pb.Arguments, &toolpb.PromptArgument{
			Name: text(a.Name), Title: text(a.Title), Description: text(a.Description), Required: a.Required,
			DefaultValue: text(a.Default), Complete: text(string(a.Complete)), Values: texts(a.Values),
		})
	}
	for _, m := range p.Messages {
		pb.Messages = append(pb.Messages, &toolpb.PromptMessage{Role: text(m.Role), Content: contentToPB(m.Content)})
	}
	return pb
}

// promptFromPB does not validate; [tool.Manifest.Validate] does. A source of completions that is not known
// completes nothing.
func promptFromPB(pb *toolpb.Prompt) tool.Prompt {
	p := tool.Prompt{Name: pb.GetName(), Title: pb.GetTitle(), Description: pb.GetDescription()}
	for _, a := range pb.GetArguments() {
		by := tool.CompleteBy(a.GetComplete())
		if !by.Known() {
			by = tool.CompleteNothing
		}
		p.Arguments = append(p.Arguments, tool.PromptArgument{
			Name: a.GetName(), Title: a.GetTitle(), Description: a.GetDescription(), Required: a.GetRequired(),
			Default: a.GetDefaultValue(), Complete: by, Values: a.GetValues(),
		})
	}
	for _, m := range pb.GetMessages() {
		p.Messages = append(p.Messages, tool.PromptMessage{Role: m.GetRole(), Content: contentFromPB(m.GetContent())})
	}
	return p
}

func logToPB(l tool.Log) *toolpb.CallResponse {
	return &toolpb.CallResponse{Kind: &toolpb.CallResponse_Log{Log: &toolpb.Log{
		Level: string(l.Level.Valid()), Message: cut(text(l.Message), tool.MaxLogText),
	}}}
}

func logFromPB(pb *toolpb.Log) *tool.Log {
	return &tool.Log{Level: tool.LogLevel(pb.GetLevel()).Valid(), Message: cut(pb.GetMessage(), tool.MaxLogText)}
}

// maxProgressText is the most bytes of a task's name, and of the line for people next to it.
const maxProgressText = 512

func progressToPB(p tool.Progress) *toolpb.CallResponse {
	return &toolpb.CallResponse{Kind: &toolpb.CallResponse_Progress{Progress: &toolpb.Progress{
		Task: cut(text(p.Task), maxProgressText), Percent: p.Percent, Done: p.Done, Total: p.Total,
		Message: cut(text(p.Message), maxProgressText),
	}}}
}

// progressFromPB takes no number that JSON could not carry on.
func progressFromPB(pb *toolpb.Progress) *tool.Progress {
	p := &tool.Progress{
		Task: cut(pb.GetTask(), maxProgressText), Percent: pb.GetPercent(), Done: pb.GetDone(), Total: pb.GetTotal(),
		Message: cut(pb.GetMessage(), maxProgressText),
	}
	if math.IsNaN(p.Percent) || math.IsInf(p.Percent, 0) {
		p.Percent = -1
	}
	return p
}

// answersToPB puts into a request what a person has said.
func answersToPB(r tool.Request, pb *toolpb.CallRequest) {
	pb.State = r.State
	if r.Grant != nil {
		pb.Grant = &toolpb.Grant{Program: text(r.Grant.Program), Argv: texts(r.Grant.Argv)}
	}
	for id, a := range r.Answers {
		if pb.Answers == nil {
			pb.Answers = make(map[string]*toolpb.Answer, len(r.Answers))
		}
		pb.Answers[text(id)] = &toolpb.Answer{Action: text(string(a.Action)), Content: a.Content}
	}
}

func answersFromPB(pb *toolpb.CallRequest, r *tool.Request) {
	r.State = pb.GetState()
	if g := pb.GetGrant(); g != nil {
		r.Grant = &tool.Grant{Program: g.GetProgram(), Argv: g.GetArgv()}
	}
	for id, a := range pb.GetAnswers() {
		if r.Answers == nil {
			r.Answers = make(map[string]tool.Answer, len(pb.GetAnswers()))
		}
		r.Answers[id] = tool.Answer{Action: tool.AnswerAction(a.GetAction()), Content: a.GetContent()}
	}
}

// shownToPB puts into a result what it shows, and what it asks.
func shownToPB(r tool.Result, pb *toolpb.Result) {
	pb.State = r.State
	for _, c := range r.Content {
		pb.Content = append(pb.Content, contentToPB(c))
	}
	for _, q := range r.Questions {
		pb.Questions = append(pb.Questions, &toolpb.Question{
			Id: text(q.ID), Message: text(q.Message), Schema: q.Schema,
		})
	}
}

// shownFromPB reads what a result shows and asks. What breaks the contract is left out, all of it, and the error
// says so: a part of what was meant could mean something else.
func shownFromPB(pb *toolpb.Result, res *tool.Result) error {
	shown := tool.Result{State: pb.GetState()}
	for _, c := range pb.GetContent() {
		shown.Content = append(shown.Content, contentFromPB(c))
	}
	for _, q := range pb.GetQuestions() {
		shown.Questions = append(shown.Questions, tool.Question{
			ID: q.GetId(), Message: q.GetMessage(), Schema: json.RawMessage(q.GetSchema()),
		})
	}
	if err := shown.Validate(); err != nil {
		return tool.Errorf(tool.KindUnknown, "the plugin broke its contract: %w", err).
			Suggest("report this to the plugin's author")
	}
	res.Content, res.Questions, res.State = shown.Content, shown.Questions, shown.State
	return nil
}
