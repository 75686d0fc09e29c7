package httpdoor

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Plugins is what the door tells of the plugins, and how an operator acts on them. List and its parts are
// read only, and it answers at once.
type Plugins interface {
	List() PluginList
	// Do restarts, stops or starts a plugin by its name, as [Find] finds it, and returns it as it is then.
	// Errors are *tool.Error: KindToolNotFound when there is none, KindValidation when several have the name.
	Do(ctx context.Context, name string, what PluginAction, reason string) (PluginView, error)
	// Pin writes down which bytes may run: those that are there now. Errors are *tool.Error.
	Pin(ctx context.Context, reason string) (PinReport, error)
	// Verify compares what is there with what was written down. What differs is no error but a finding.
	Verify(ctx context.Context) (VerifyReport, error)
}

// PluginAction is what an operator does to a plugin.
type PluginAction string

// The actions.
const (
	PluginRestart PluginAction = "restart"
	PluginStop    PluginAction = "stop"
	PluginStart   PluginAction = "start"
)

// How much a problem weighs.
const (
	SeverityError   = "error"   // something does not serve
	SeverityWarning = "warning" // it serves, and somebody should look
)

// What comes of verifying one file.
const (
	FindingOK         = "ok"
	FindingChanged    = "changed"    // it has other bytes than those that are pinned
	FindingNotPinned  = "not_pinned" // no plugins.lock names it
	FindingMissing    = "missing"    // it is pinned, and not there
	FindingUnreadable = "unreadable" // nobody knows which bytes it has
)

// stateReady is the state that is counted.
const stateReady = "ready"

// PluginList is what GET /plugins answers. The door counts; whoever lists need not.
type PluginList struct {
	Plugins  []PluginView    `json:"plugins" jsonschema:"by path"`
	Problems []PluginProblem `json:"problems" jsonschema:"what is about no single plugin of the list"`
	Total    int             `json:"total" jsonschema:"how many there are"`
	Ready    int             `json:"ready" jsonschema:"how many of them are in the state ready"`
}

// PluginView is a plugin as it is at this moment. A text is empty when there is nothing to say.
type PluginView struct {
	Name    string `json:"name" jsonschema:"its own; before it told one, that of its file"`
	Version string `json:"version" jsonschema:"its own; empty: it has told none"`
	Path    string `json:"path" jsonschema:"of its file"`
	SHA256  string `json:"sha256" jsonschema:"of the bytes that run; empty: none ran yet"`

	State string `json:"state" jsonschema:"starting, ready, unhealthy, backoff, quarantined, stopped or idle"`

	Reason             string    `json:"reason" jsonschema:"why it is in that state; empty: nothing to say"`
	Error              string    `json:"error" jsonschema:"what went wrong last; empty: nothing"`
	RecoverySuggestion string    `json:"recovery_suggestion" jsonschema:"what a person does about it"`
	Since              time.Time `json:"since" jsonschema:"when it came into that state, UTC"`
	Pid                int       `json:"pid" jsonschema:"of its process; 0: there is none"`
	Restarts           int       `json:"restarts" jsonschema:"times that it was started again"`
	RetryAt            time.Time `json:"retry_at,omitzero" jsonschema:"when it is tried again"`
	Launch             string    `json:"launch" jsonschema:"eager or lazy: when it is started"`
	Pinned             bool      `json:"pinned" jsonschema:"whether a plugins.lock has its bytes"`

	Tools    []string        `json:"tools" jsonschema:"names of those that it serves"`
	Filtered []string        `json:"filtered" jsonschema:"names of those that are hidden or not wanted"`
	Clashes  []PluginProblem `json:"clashes" jsonschema:"its tools whose names another plugin has already"`

	ResidentMemoryBytes int64        `json:"resident_memory_bytes" jsonschema:"of its process; 0: there is none"`
	Draining            int          `json:"draining" jsonschema:"its old processes that still finish calls"`
	SuccessorError      string       `json:"successor_error" jsonschema:"why a newer file, or a restart, does not serve"`
	SuccessorFix        string       `json:"successor_fix" jsonschema:"what a person does about that"`
	Layers              []tool.Layer `json:"layers" jsonschema:"what confines its own process"`
	Sandbox             []tool.Layer `json:"sandbox" jsonschema:"what confines the programs that it runs"`
}

// PluginProblem is something that a person should do about plugins.
type PluginProblem struct {
	Path     string `json:"path" jsonschema:"of the file or directory"`
	Tool     string `json:"tool,omitempty" jsonschema:"the tool that it is about"`
	Reason   string `json:"reason" jsonschema:"what is wrong"`
	Fix      string `json:"fix" jsonschema:"what a person does about it"`
	Severity string `json:"severity" jsonschema:"error: something does not serve; warning: it does"`
}

// PinReport is what was written down.
type PinReport struct {
	Pinned   []Pin           `json:"pinned" jsonschema:"by path"`
	Files    []string        `json:"files" jsonschema:"paths of the plugins.lock that were written"`
	Problems []PluginProblem `json:"problems" jsonschema:"what could not be pinned"`
}

// Pin says which bytes of one file may run.
type Pin struct {
	Dir     string   `json:"dir" jsonschema:"of the plugins.lock"`
	File    string   `json:"file" jsonschema:"of the plugin, seen from there"`
	SHA256  string   `json:"sha256" jsonschema:"of the bytes that may run"`
	Name    string   `json:"name" jsonschema:"the plugin's own"`
	Version string   `json:"version" jsonschema:"the plugin's own"`
	Tools   []string `json:"tools" jsonschema:"names of those that it offers"`
}

// VerifyReport is how the files compare with the pins.
type VerifyReport struct {
	OK       bool            `json:"ok" jsonschema:"whether every finding is"`
	Findings []VerifyFinding `json:"findings" jsonschema:"by path"`
}

// VerifyFinding is how one file compares with its pin.
type VerifyFinding struct {
	Path     string `json:"path" jsonschema:"of the file"`
	Status   string `json:"status" jsonschema:"ok, changed, not_pinned, missing or unreadable"`
	Expected string `json:"expected" jsonschema:"the SHA-256 that is pinned; empty: none is"`
	Actual   string `json:"actual" jsonschema:"the SHA-256 that it has; empty: nobody knows"`
	Fix      string `json:"fix" jsonschema:"what a person does about it; empty: nothing"`
}

// Find finds a plugin by its name, else by that of its file. Two directories may each have a plugin of one
// name; then none is taken, because it could be the wrong one.
func Find(list PluginList, name string) (PluginView, error) {
	found := matching(list.Plugins, name, func(p PluginView) string { return p.Name })
	if len(found) == 0 {
		found = matching(list.Plugins, name, func(p PluginView) string { return filepath.Base(p.Path) })
	}
	switch len(found) {
	case 0:
		return PluginView{}, tool.Errorf(tool.KindToolNotFound, "there is no plugin %s", name).
			Suggest("list the plugins to see what there is: GET /plugins, or gatehouse plugins list")
	case 1:
		return found[0], nil
	}
	var paths []string
	for _, p := range found {
		paths = append(paths, fmt.Sprintf("%q", p.Path))
	}
	return PluginView{}, tool.Errorf(tool.KindValidation, "%d plugins have the name %s: %s", len(found), name,
		strings.Join(paths, ", ")).
		Suggest("ask by the name of the file; where that is the same too, take all but one of the files away")
}

// matching are the plugins of which something is the name.
func matching(all []PluginView, name string, of func(PluginView) string) []PluginView {
	return slices.DeleteFunc(slices.Clone(all), func(p PluginView) bool { return of(p) != name })
}

// counted is the list as it is sent.
func (l PluginList) counted() PluginList {
	l.Plugins, l.Problems = slices.Clone(l.Plugins), list(l.Problems)
	l.Total, l.Ready = len(l.Plugins), 0
	for i, p := range l.Plugins {
		l.Plugins[i] = p.whole()
		if p.State == stateReady {
			l.Ready++
		}
	}
	l.Plugins = list(l.Plugins)
	return l
}

// whole is the plugin as it is sent.
func (v PluginView) whole() PluginView {
	v.Tools, v.Filtered, v.Clashes = list(v.Tools), list(v.Filtered), list(v.Clashes)
	v.Layers, v.Sandbox = list(v.Layers), list(v.Sandbox)
	return v
}

func (r PinReport) whole() PinReport {
	r.Pinned, r.Files, r.Problems = list(slices.Clone(r.Pinned)), list(r.Files), list(r.Problems)
	for i := range r.Pinned {
		r.Pinned[i].Tools = list(r.Pinned[i].Tools)
	}
	return r
}

// list is a list that JSON shows as one, also when there is nothing in it.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
