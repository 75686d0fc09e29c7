package nmap

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// details are the facts of the policy that people and models may want to know beyond flags and templates.
type details struct {
	Program    string         `json:"program,omitempty"` // path of nmap
	RawSockets bool           `json:"raw_sockets"`
	Limits     map[string]any `json:"limits"`
	Defaults   []string       `json:"defaults"`
	Scripts    *scriptDetails `json:"scripts,omitempty"` // nothing without nmap
}

type scriptDetails struct {
	Database string `json:"database"`
	SHA256   string `json:"sha256"`
	Total    int    `json:"total"`
	// Open, Gated: category -> how many of its scripts a request for it runs. Refused: categories.
	Open    map[string]int `json:"open_categories"`
	Gated   map[string]int `json:"gated_categories"`
	Refused []string       `json:"refused_categories"`
	// ByName counts the scripts that may be named: "open", "gated", "refused".
	ByName map[string]int `json:"by_name"`
	// RefusedNames are scripts that are refused although nmap calls them safe.
	RefusedNames []string `json:"refused_scripts"`
}

// details says how the tool is set up, as it was when the plugin started.
func (t *tool) details() json.RawMessage {
	d := details{
		RawSockets: t.privileges.Raw,
		Limits: map[string]any{
			"probes": workBudget, "port_ranges": maxPortItems, "discovery_ports": maxPingItems,
			"scripts": maxScripts, "exclude": maxExclude,
		},
		Defaults: []string{
			"-T4", "--max-parallelism 10", "-Pn (no discovery flag, no -sn or -sL)",
			"--top-ports 1000 (no port flag, no -sn, -sL or -sO)", "-sT (no scan type, and no raw sockets)",
		},
	}
	d.Program, _ = t.library.locate()
	if db, err := t.library.current(); err == nil {
		d.Scripts = db.details()
	}
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err) // texts and numbers always marshal
	}
	return raw
}

func (db *scriptDB) details() *scriptDetails {
	d := &scriptDetails{
		Database: db.path, SHA256: db.sha256, Total: len(db.scripts),
		Open: make(map[string]int), Gated: make(map[string]int), Refused: strangers,
		ByName: make(map[string]int), RefusedNames: beyond,
	}
	for _, c := range openCategories {
		d.Open[c] = db.counts[c]
	}
	for _, c := range gatedCategories {
		d.Gated[c] = db.counts[c]
	}
	for name := range db.scripts {
		switch gated, err := db.judge(name); {
		case err != nil:
			d.ByName["refused"]++
		case gated != "":
			d.ByName["gated"]++
		default:
			d.ByName["open"]++
		}
	}
	return d
}

// probe tells which list of scripts is in force.
func (l *library) probe(context.Context, sdk.Env) (string, error) {
	db, err := l.current()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %d scripts, SHA-256 %s...", db.path, len(db.scripts), db.sha256[:12]), nil
}
