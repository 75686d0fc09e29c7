package mcpdoor

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"unicode/utf8"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/gatehouse-mcp/gatehouse/host/internal/consent"
	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

var (
	null = []byte("null")
	// errArguments is a break of the protocol, not of a tool's schema.
	errArguments = errors.New("params.arguments must be a JSON object")
)

// call runs a tool of the catalog.
func (d *Door) call(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	return d.serve(ctx, req, d.result, d.cfg.Caller.Call)
}

// serve runs a call, as often as it takes to have its questions answered.
//
//	serve
//	└─ resume      what is known of a call that comes with answers
//	   └─ do       one run, told while it goes
//	      ├─ later   its questions go back to a client that comes again (2026-07-28)
//	      ├─ now     or to one that is asked in between
//	      └─ show    or it is done
func (d *Door) serve(
	ctx context.Context, req mcp.CallToolRequest, show shown, do run,
) (*mcp.CallToolResult, error) {
	args := bytes.TrimSpace(req.Params.RawArguments)
	if len(args) > 0 && args[0] != '{' && !bytes.Equal(args, null) {
		return nil, protocolError(ctx, mcp.INVALID_PARAMS, errArguments.Error(), nil)
	}
	ctx, r := request(ctx, req)
	k, err := d.resume(req, &r)
	if err != nil {
		return nil, protocolError(ctx, mcp.INVALID_PARAMS, err.Error(), nil)
	}
	if req.Params.RequestState != "" { // one of ours, and used up
		ctx = consent.Again(ctx)
	}
	t := tell(ctx, r.Tool)
	defer t.end()
	return d.converse(ctx, r, k, t, show, do)
}

// run is one run of a call.
type run func(ctx context.Context, r tool.Request, emit func(tool.Event)) (tool.Result, error)

// shown is what a client sees of the end of a call.
type shown func(res tool.Result, err error) *mcp.CallToolResult

// converse runs a call, and has its questions answered.
func (d *Door) converse(
	ctx context.Context, r tool.Request, k *talk, t *teller, show shown, do run,
) (*mcp.CallToolResult, error) {
	for {
		var pending consent.Question
		k.running = nil
		asked := consent.WithUse(consent.With(ctx, k.asker(ctx, &pending)), k.use)
		res, err := do(asked, r, t.event)
		p, err := pauseOf(r, res, err, pending)
		switch {
		case len(p.questions) == 0:
			return show(res, err), nil
		case !canElicit(ctx) && server.IsModernRequest(ctx):
			return nil, missingCapability(ctx, "elicitation")
		case !canElicit(ctx):
			return show(res, unanswered(r.Tool, p.questions, consent.ErrCannotAsk)), nil
		case k.rounds == maxRounds:
			return show(tool.Result{}, tool.Errorf(tool.KindUnknown, "%s asked more than %d times", r.Tool, maxRounds).
				About(r.Tool, "")), nil
		case server.IsModernRequest(ctx):
			return d.later(k, p), nil
		}
		ctx = consent.Again(ctx)
		if err := d.now(ctx, k, p, &r); ctx.Err() != nil {
			return show(res, ctx.Err()), nil
		} else if err != nil {
			return show(res, unanswered(r.Tool, p.questions, err)), nil
		}
	}
}

// result is a report as a model gets it: the JSON of it, and what the tool shows besides, both together in the
// bounds of its context window. Images and sounds are not counted among those, nor are the links to what was
// left out.
func (d *Door) result(res tool.Result, err error) *mcp.CallToolResult {
	shaped := excerpt.Report(tool.NewReport(res, err), excerpt.Options{MaxChars: max(d.cfg.MaxText(), 0)})
	content := beside(shaped.JSON, shaped.Content)
	for _, l := range shaped.LeftOut {
		if l.Resource != "" {
			about := "the whole " + l.Part + " of this execution"
			content = append(content, mcp.NewResourceLink(l.Resource, l.Part, about, "text/plain"))
		}
	}
	return &mcp.CallToolResult{Content: content, StructuredContent: shaped.JSON, IsError: err != nil}
}

// beside is a text for the model, and the blocks that are shown beside it.
func beside(text json.RawMessage, blocks []tool.Content) []mcp.Content {
	all := make([]mcp.Content, 1, 1+len(blocks))
	all[0] = mcp.NewTextContent(string(text))
	for _, c := range blocks {
		all = append(all, contentOf(c))
	}
	return all
}

// block is a block of content, clean, with at most so much text that is left of the room.
func block(c tool.Content, room *int) mcp.Content {
	c.Name, c.Title, c.About = excerpt.Clean(c.Name), excerpt.Clean(c.Title), excerpt.Clean(c.About)
	c.Text, _ = excerpt.Text(c.Text, *room)
	*room -= utf8.RuneCountInString(c.Text)
	return contentOf(c)
}

// contentOf is a block of clean content.
func contentOf(c tool.Content) mcp.Content {
	switch c.Type {
	case tool.ImageContent:
		return mcp.NewImageContent(base64.StdEncoding.EncodeToString(c.Data), c.MIMEType)
	case tool.AudioContent:
		return mcp.NewAudioContent(base64.StdEncoding.EncodeToString(c.Data), c.MIMEType)
	case tool.LinkContent:
		l := mcp.NewResourceLink(c.URI, c.Name, c.About, c.MIMEType)
		l.Title = c.Title
		return l
	case tool.ResourceText:
		if len(c.Data) > 0 {
			return mcp.NewEmbeddedResource(mcp.BlobResourceContents{
				URI: c.URI, MIMEType: c.MIMEType, Blob: base64.StdEncoding.EncodeToString(c.Data),
			})
		}
		return mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: c.URI, MIMEType: c.MIMEType, Text: c.Text})
	default:
		return mcp.NewTextContent(c.Text)
	}
}

// request is what the router is asked, with where it comes from. Who started the process is the client of
// stdio.
func request(ctx context.Context, req mcp.CallToolRequest) (context.Context, tool.Request) {
	from := origin.From(ctx)
	if from.Door = origin.MCP; from.Client == "" {
		from.Client, from.Door = "stdio", origin.Stdio
	}
	if from.Trace == (origin.Trace{}) && req.Params.Meta != nil {
		header, _ := req.Params.Meta.AdditionalFields["traceparent"].(string)
		from.Trace = origin.ParseTraceparent(header)
	}
	args := req.Params.RawArguments
	if len(args) == 0 || bytes.Equal(bytes.TrimSpace(args), null) {
		args = json.RawMessage("{}")
	}
	return origin.With(ctx, from), tool.Request{Tool: req.Params.Name, Client: from.Client, Arguments: args}
}
