package sdk

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// byHand answers a person who ran the plugin from a shell.
func byHand(h *Handler, args []string, stdout, stderr io.Writer) int {
	m := h.manifest
	flags := flag.NewFlagSet(m.Name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { usage(m, stderr) }
	version := flags.Bool("version", false, "print the version")
	describe := flags.Bool("describe", false, "print what the tools are, as JSON")
	if err := flags.Parse(args); err != nil {
		return 1
	}
	switch {
	case *version:
		fmt.Fprintln(stdout, m.Name, m.Version)
		return 0
	case *describe:
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(describePlugin(m)); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	}
	usage(m, stderr)
	return 1
}

func usage(m Manifest, w io.Writer) {
	fmt.Fprintf(w, "%s %s is a plugin of Gatehouse. A host starts it; by itself it does nothing.\n\n",
		m.Name, m.Version)
	for _, t := range m.Tools {
		first, _, _ := strings.Cut(t.Description, ". ")
		fmt.Fprintf(w, "  %-20s %s\n", t.Name, strings.TrimSuffix(first, "."))
	}
	fmt.Fprint(w, "\nTo use it, drop the program into the host's plugins directory.\n"+
		"  --version   print name and version\n  --describe  print what the tools are, as JSON\n")
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
