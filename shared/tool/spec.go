package tool

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"time"
)

// Bounds of what a manifest may say.
const (
	MaxNameLength  = 64        // characters of a tool's or a plugin's name
	MaxTools       = 256       // tools of one plugin
	MaxDescription = 16 << 10  // bytes of a description
	MaxSchema      = 256 << 10 // bytes of one JSON Schema
	MaxDetails     = 64 << 10  // bytes of Facts.Details
)

var nameRE = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,64}\z`)

// ValidName reports whether s can name a tool or a plugin: 1 to 64 characters of [A-Za-z0-9_-].
func ValidName(s string) bool { return nameRE.MatchString(s) }

// Manifest is what a plugin says about itself.
type Manifest struct {
	Name    string
	Version string
	Tools   []Spec
	Prompts []Prompt
	Layers  []Layer // what protects this machine from the programs that the plugin runs; none if it runs none
}

// Layer is one of the things that protect a machine from a program, or would.
type Layer struct {
	Name   string `json:"name"`   // such as "landlock"
	Active bool   `json:"active"` // whether it is in force here
	Detail string `json:"detail"` // what it does, or what is missing
}

// Spec is what a plugin says about one of its tools. Zero values of the numbers mean "the host's default".
type Spec struct {
	Name        string // [A-Za-z0-9_-], 1 to 64 characters
	Title       string // for people
	Description string // for people and models: what it does, its limits, what to do next

	InputSchema  json.RawMessage // JSON Schema of the arguments: an object
	OutputSchema json.RawMessage // JSON Schema of Result.Data; empty: no data

	Annotations Annotations
	Targets     []TargetArgument // which arguments name hosts or networks; the host holds each to the scope

	Concurrency    int           // calls at a time, 1..1000
	DefaultTimeout time.Duration // when the caller asks for none
	MaxTimeout     time.Duration // the most that a caller may ask for
	Breaker        Breaker

	Hidden    bool // described, but not offered
	Intrusive bool // some of what it can do needs Policy.AllowIntrusive
	Needs     []Need
	Facts     Facts
}

// Annotations are the hints that MCP clients show to people before a call.
type Annotations struct {
	ReadOnly    bool // changes nothing
	Destructive bool // may destroy something
	Idempotent  bool // a second call with the same arguments changes nothing more
	OpenWorld   bool // talks to things outside of this machine
}

// TargetArgument names an argument whose value is a host or a network.
type TargetArgument struct {
	Argument string
	Network  bool // whether a network (CIDR) may stand there, not only one host
}

// Breaker is the tool's own wish for its circuit breaker.
type Breaker struct {
	Threshold int           // consecutive failures that open it, 1..10
	Recovery  time.Duration // how long it stays open before one call is let through
}

// NeedKind says what sort of thing a tool needs on the machine.
type NeedKind string

// The kinds of need.
const (
	NeedCommand    NeedKind = "command"    // a program on the machine
	NeedCapability NeedKind = "capability" // a right of the kernel's, such as CAP_NET_RAW
)

// Need is something that a tool needs on the machine.
type Need struct {
	Kind       NeedKind
	Name       string // the program's name, or the capability's
	MinVersion string // of a program; empty: any
	Install    string // what a person types to get it
	Optional   bool   // the tool works without it, with less
}

// Facts are what a tool's policy looks like from outside, for people and models.
type Facts struct {
	Command      string            // the program that it runs; empty for a tool in Go
	AllowedFlags []string          // in the order in which help shows them
	GatedFlags   []string          // allowed only with Policy.AllowIntrusive
	Templates    map[string]string // name -> arguments
	Details      json.RawMessage   // more of it, a JSON object in the tool's own words; empty: none
}

// Policy is what the host hands to a plugin with Configure, at start and at each reload. A plugin applies it
// to its own checks; the host has already applied the scope to every target argument.
type Policy struct {
	AllowIntrusive bool
	Networks       []netip.Prefix // what is in scope
	Suffixes       []string       // names below these are in scope once they have been resolved
	MaxNetworkSize int            // addresses of one network
	MaxPortRanges  int            // items of one port list
	MaxArgsLength  int            // bytes of extra_args

	// Hosts are the names that the operator has given addresses: name in lower case -> addresses. They are asked
	// before any resolver.
	Hosts map[string][]netip.Addr

	MaxMemory    uint64 // bytes of address space of a tool process
	MaxOpenFiles uint64 // descriptors of a tool process

	// RunAs is the user that programs run as when the plugin is root's: "" or "auto" for nobody, "none" for root
	// itself, a name, or "uid:gid". A plugin that is not root's runs programs as its own user.
	RunAs string
	// Require names the layers of the sandbox without which no program is run; empty: those that cannot be done
	// without. See Layer.
	Require []string

	Config json.RawMessage // the plugin's own section of the configuration; empty: none
}

// Validate reports the first thing that is wrong with a manifest, in words for the plugin's author. It does
// not compile schemas; the host does that with a validator of its own.
func (m Manifest) Validate() error {
	if !ValidName(m.Name) {
		return fmt.Errorf("plugin name %q: allowed are 1 to %d characters of [A-Za-z0-9_-]", m.Name, MaxNameLength)
	}
	if len(m.Tools) == 0 || len(m.Tools) > MaxTools {
		return fmt.Errorf("%d tools: allowed are 1 to %d", len(m.Tools), MaxTools)
	}
	seen := make(map[string]bool, len(m.Tools))
	for _, s := range m.Tools {
		if err := s.validate(); err != nil {
			return err
		}
		if seen[s.Name] {
			return fmt.Errorf("tool %q is declared twice", s.Name)
		}
		seen[s.Name] = true
	}
	return m.validatePrompts()
}

func (m Manifest) validatePrompts() error {
	if len(m.Prompts) > MaxPrompts {
		return fmt.Errorf("%d prompts: allowed are %d", len(m.Prompts), MaxPrompts)
	}
	seen := make(map[string]bool, len(m.Prompts))
	for _, p := range m.Prompts {
		if err := p.validate(); err != nil {
			return err
		}
		if seen[p.Name] {
			return fmt.Errorf("prompt %q is declared twice", p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}

func (s Spec) validate() error {
	switch {
	case !ValidName(s.Name):
		return fmt.Errorf("tool name %q: allowed are 1 to %d characters of [A-Za-z0-9_-]", s.Name, MaxNameLength)
	case s.Description == "":
		return fmt.Errorf("tool %s: the description is missing", s.Name)
	case len(s.Description) > MaxDescription:
		return fmt.Errorf("tool %s: the description has %d bytes; allowed are %d",
			s.Name, len(s.Description), MaxDescription)
	case s.Concurrency < 0 || s.Concurrency > 1000:
		return fmt.Errorf("tool %s: concurrency %d: allowed are 0 (default) to 1000", s.Name, s.Concurrency)
	case s.DefaultTimeout < 0 || s.MaxTimeout < 0:
		return fmt.Errorf("tool %s: a timeout is negative", s.Name)
	case s.Breaker.Threshold < 0 || s.Breaker.Recovery < 0:
		return fmt.Errorf("tool %s: a breaker setting is negative", s.Name)
	}
	if d := s.Facts.Details; len(d) > MaxDetails || len(d) > 0 && !isObject(d) {
		return fmt.Errorf("tool %s: the details must be a JSON object of at most %d bytes", s.Name, MaxDetails)
	}
	if err := objectSchema(s.InputSchema); err != nil {
		return fmt.Errorf("tool %s: input schema: %w", s.Name, err)
	}
	if len(s.OutputSchema) > 0 {
		if err := objectSchema(s.OutputSchema); err != nil {
			return fmt.Errorf("tool %s: output schema: %w", s.Name, err)
		}
	}
	return s.validateTargets()
}

// validateTargets holds that each target argument is a property of the schema: the scope gate reads it by
// that name.
func (s Spec) validateTargets() error {
	var schema struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(s.InputSchema, &schema); err != nil {
		return fmt.Errorf("tool %s: input schema: %w", s.Name, err)
	}
	for _, t := range s.Targets {
		if _, ok := schema.Properties[t.Argument]; !ok {
			return fmt.Errorf("tool %s: target argument %q is not a property of the input schema", s.Name, t.Argument)
		}
	}
	return nil
}

func isObject(raw json.RawMessage) bool {
	trimmed := bytes.TrimSpace(raw)
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed)
}

// objectSchema holds what MCP asks of a tool's schema: a JSON object with "type": "object".
func objectSchema(raw json.RawMessage) error {
	if len(raw) > MaxSchema {
		return fmt.Errorf("%d bytes; allowed are %d", len(raw), MaxSchema)
	}
	var head struct {
		Type any `json:"type"`
	}
	if trimmed := bytes.TrimSpace(raw); len(trimmed) == 0 || trimmed[0] != '{' {
		return fmt.Errorf("not a JSON object")
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return fmt.Errorf("not valid JSON: %w", err)
	}
	if head.Type != "object" {
		return fmt.Errorf(`"type" must be "object", is %v`, head.Type)
	}
	return nil
}
