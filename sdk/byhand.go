package sdk

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// helper is a tool that explains itself to a person who reads a terminal.
type helper interface{ Help() string }

// byHand answers a person who ran the plugin from a shell.
func byHand(h *Handler, args []string, stdout, stderr io.Writer) int {
	m := h.manifest
	flags := flag.NewFlagSet(m.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { usage(m, stderr) }
	version := flags.Bool("version", false, "")
	describe := flags.Bool("describe", false, "")
	debugs := flags.Bool("debug", false, "")
	var help bool
	flags.BoolVar(&help, "help", false, "")
	flags.BoolVar(&help, "h", false, "")
	if err := flags.Parse(args); err != nil {
		return 1
	}
	switch {
	case help && flags.NArg() > 0:
		return h.explain(flags.Arg(0), stdout, stderr)
	case help:
		usage(m, stdout)
		return 0
	case *version:
		fmt.Fprintln(stdout, m.Name, m.Version)
		return 0
	case *describe:
		return h.describe(stdout, stderr)
	case *debugs:
		return serveAttached(h, stdout, stderr)
	}
	usage(m, stderr)
	return 1
}

// describe prints what the plugin offers, for programs.
func (h *Handler) describe(stdout, stderr io.Writer) int {
	d := describePlugin(h.manifest)
	for i, t := range d.Tools {
		if t, ok := h.tools[t.Name].(helper); ok {
			d.Tools[i].Help = t.Help()
		}
	}
	enc := json.NewEncoder(stdout)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func usage(m Manifest, w io.Writer) {
	fmt.Fprintf(w, "%s %s is a plugin of Gatehouse. A host starts it; by itself it does nothing.\n\n",
		m.Name, m.Version)
	for _, t := range m.Tools {
		first, _, _ := strings.Cut(t.Description, ". ")
		fmt.Fprintf(w, "  %-20s %s\n", t.Name, strings.TrimSuffix(first, "."))
	}
	fmt.Fprint(w, `
To use it, drop the program into the host's plugins directory, or: gatehouse plugin install PROGRAM
  --help TOOL  say what a tool takes
  --describe   print what the tools are, as JSON
  --debug      wait for a host that is attached by hand: for debuggers
  --version    print name and version
`)
}

// explain tells a person what a tool is, and what it takes.
func (h *Handler) explain(name string, stdout, stderr io.Writer) int {
	t, ok := h.tools[name]
	if !ok {
		fmt.Fprintf(stderr, "there is no tool %q here; there is %s\n", name,
			strings.Join(slices.Sorted(maps.Keys(h.tools)), ", "))
		return 1
	}
	if own, ok := t.(helper); ok {
		fmt.Fprintln(stdout, strings.TrimRight(own.Help(), "\n"))
		return 0
	}
	spec := t.Spec()
	fmt.Fprintf(stdout, "%s: %s\n", spec.Name, spec.Description)
	printArguments(stdout, spec.InputSchema)
	return 0
}

// printArguments prints what a schema has of arguments, by name.
func printArguments(w io.Writer, schema json.RawMessage) {
	var input struct {
		Required   []string `json:"required"`
		Properties map[string]struct {
			Type        any    `json:"type"`
			Description string `json:"description"`
		} `json:"properties"`
	}
	if json.Unmarshal(schema, &input) != nil || len(input.Properties) == 0 {
		return
	}
	fmt.Fprintln(w, "\nArguments:")
	for _, name := range slices.Sorted(maps.Keys(input.Properties)) {
		p := input.Properties[name]
		kind := ""
		if p.Type != nil {
			kind = fmt.Sprint(p.Type)
		}
		if slices.Contains(input.Required, name) {
			kind += ", required"
		}
		fmt.Fprintf(w, "  %-16s %s (%s)\n", name, p.Description, strings.TrimPrefix(kind, ", "))
	}
}

// description is the JSON form of a manifest; durations are in seconds.
type description struct {
	Name    string            `json:"name"`
	Version string            `json:"version"`
	Tools   []toolDescription `json:"tools"`
	Prompts []promptText      `json:"prompts,omitempty"`
	Layers  []Layer           `json:"layers,omitempty"`
}

type promptText struct {
	Name        string   `json:"name"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description"`
	Arguments   []string `json:"arguments,omitempty"`
}

type toolDescription struct {
	Name              string            `json:"name"`
	Title             string            `json:"title,omitempty"`
	Description       string            `json:"description"`
	InputSchema       json.RawMessage   `json:"input_schema"`
	OutputSchema      json.RawMessage   `json:"output_schema,omitempty"`
	Help              string            `json:"help,omitempty"`
	Command           string            `json:"command,omitempty"`
	AllowedFlags      []string          `json:"allowed_flags,omitempty"`
	GatedFlags        []string          `json:"gated_flags,omitempty"`
	Templates         map[string]string `json:"templates,omitempty"`
	Details           json.RawMessage   `json:"details,omitempty"`
	DefaultTimeoutSec float64           `json:"default_timeout_sec,omitempty"`
	MaxTimeoutSec     float64           `json:"max_timeout_sec,omitempty"`
	Intrusive         bool              `json:"intrusive"`
}

func describePlugin(m tool.Manifest) description {
	d := description{Name: m.Name, Version: m.Version, Layers: m.Layers}
	for _, p := range m.Prompts {
		text := promptText{Name: p.Name, Title: p.Title, Description: p.Description}
		for _, a := range p.Arguments {
			text.Arguments = append(text.Arguments, a.Name)
		}
		d.Prompts = append(d.Prompts, text)
	}
	for _, t := range m.Tools {
		d.Tools = append(d.Tools, toolDescription{
			Name: t.Name, Title: t.Title, Description: t.Description,
			InputSchema: t.InputSchema, OutputSchema: t.OutputSchema,
			Command: t.Facts.Command, AllowedFlags: t.Facts.AllowedFlags, GatedFlags: t.Facts.GatedFlags,
			Templates: t.Facts.Templates, Details: t.Facts.Details, Intrusive: t.Intrusive,
			DefaultTimeoutSec: t.DefaultTimeout.Seconds(), MaxTimeoutSec: t.MaxTimeout.Seconds(),
		})
	}
	return d
}
