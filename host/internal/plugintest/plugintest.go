// Package plugintest holds a plugin, in whatever language, to the contract: it starts the program as a host
// does, and as no host would, and looks at what comes of it. A [Check] is one thing that is looked at, a
// [Finding] what was found, and a [Report] all of it.
//
//	report, err := plugintest.Run(ctx, plugintest.Config{Path: "/opt/plugins/port", Samples: samples})
//	if err != nil {
//		return err // of what was asked for: the plugin has not been judged
//	}
//	err = report.Print(os.Stdout)
//
// Calls are made from samples ([Sample]), whose targets are on loopback, or they are refused; an example of a
// schema stands for a sample only where it names a declared target. No plugin hangs the tester, which waits
// for everything with a limit, and nothing that a plugin started lives on when Run returns.
package plugintest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Config says what is tested, and how. Path is required.
type Config struct {
	Path    string   // absolute path of the program
	Samples []Sample // calls to be made; none: those of the schemas' examples
	Only    []string // names of checks; none: all of them

	// Policy is what the host hands to the plugin of a name. Its scope is narrowed to loopback. nil: the zero
	// policy.
	Policy func(plugin string) tool.Policy
	// Progress is told of each finding as it comes; nil: nobody is.
	Progress func(Finding)
}

// Check is one thing that is looked at.
type Check struct {
	Name  string // lower-case words joined by "-"
	About string // what the contract wants, in one line
	// needs is the check without whose success this one means nothing; "": it stands alone.
	needs string
	run   func(context.Context, *subject) Finding
}

// Checks are all checks, in the order in which they are made.
func Checks() []Check {
	return slices.Concat(startChecks, describeChecks, argumentChecks, callChecks, endingChecks, isolationChecks)
}

// The limits. Those of the contract are of docs/plugin-authors.md.
const (
	startLimit   = 10 * time.Second        // from the start to the handshake, and to the manifest
	startPatient = 20 * time.Second        // longer, where lateness is another check's affair
	startWarning = time.Second             // a start that people notice
	askLimit     = 5 * time.Second         // for an answer that takes no time
	quickLimit   = 30 * time.Second        // for a call of the sample Quick
	cancelLimit  = time.Second             // from the cancelling of a call to the end of its programs
	deadline     = time.Second             // that a call gets
	deadlineLate = 3 * time.Second         // after the deadline
	endLimit     = 3 * time.Second         // from the end of the owner to the end of what it owns
	settleLimit  = 2 * time.Second         // for a slow call to have started what it starts
	checkLimit   = 3 * time.Minute         // for a whole check
	floodTime    = 1500 * time.Millisecond // for which nobody reads
	floodBytes   = 1 << 20                 // of which at least that many come once it is read
	floodMemory  = 64 << 20                // bytes by which a plugin may grow meanwhile
)

func (c Config) checked() (Config, error) {
	if !filepath.IsAbs(c.Path) {
		return c, fmt.Errorf("path %q is not absolute", c.Path)
	}
	info, err := os.Stat(c.Path)
	switch {
	case err != nil:
		return c, err
	case !info.Mode().IsRegular():
		return c, fmt.Errorf("%s is not a file", c.Path)
	case info.Mode()&0o111 == 0:
		return c, fmt.Errorf("%s is not executable; type: chmod +x %[1]s", c.Path)
	}
	for _, name := range c.Only {
		if !slices.ContainsFunc(Checks(), func(k Check) bool { return k.Name == name }) {
			return c, fmt.Errorf("there is no check %q; --list shows them", name)
		}
	}
	if c.Policy == nil {
		c.Policy = func(string) tool.Policy { return tool.Policy{} }
	}
	if c.Progress == nil {
		c.Progress = func(Finding) {}
	}
	return c, nil
}

// Run makes the checks, one after the other. An error means that the plugin could not be judged: of the
// configuration, of the samples, or that ctx has ended.
func Run(ctx context.Context, cfg Config) (Report, error) {
	cfg, err := cfg.checked()
	if err != nil {
		return Report{}, err
	}
	s, err := newSubject(cfg)
	if err != nil {
		return Report{}, err
	}
	report, err := s.examine(ctx)
	return report, errors.Join(err, s.close())
}

// examine makes the checks that are wanted, and those that they need.
func (s *subject) examine(ctx context.Context) (Report, error) {
	found := make(map[string]Finding) // name of a check -> what came of it
	report := Report{Path: s.cfg.Path}
	for _, c := range Checks() {
		if !s.wanted(c.Name) {
			continue
		}
		f := s.check(ctx, c, found)
		if ctx.Err() != nil {
			return report, context.Cause(ctx)
		}
		found[c.Name] = f
		if s.refused != nil { // a sample, once the manifest was there
			return report, s.refused
		}
		if len(s.cfg.Only) == 0 || slices.Contains(s.cfg.Only, c.Name) {
			report.Findings = append(report.Findings, f)
			s.cfg.Progress(f)
		}
	}
	report.Plugin, report.Version, report.Samples = s.manifest.Name, s.manifest.Version, s.sources()
	return report, nil
}

// wanted reports whether a check is asked for, or needed by one that is.
func (s *subject) wanted(name string) bool {
	if len(s.cfg.Only) == 0 || slices.Contains(s.cfg.Only, name) {
		return true
	}
	return slices.ContainsFunc(Checks(), func(c Check) bool { return c.needs == name && s.wanted(c.Name) })
}

// check makes one check, and leaves nothing of it.
func (s *subject) check(ctx context.Context, c Check, found map[string]Finding) Finding {
	f := notTested("means nothing while "+c.needs+" does not pass", "mend that first")
	if base, ok := found[c.needs]; !ok || base.Verdict == Pass {
		start := time.Now()
		ctx, cancel := context.WithTimeoutCause(ctx, checkLimit, errLong)
		f = c.run(ctx, s)
		cancel()
		if err := s.family.sweep(); err != nil && f.Verdict == Pass {
			f = failed("end the plugin's processes when it ends", "%v", err)
		}
		f.Milliseconds = time.Since(start).Milliseconds()
	}
	f.Check, f.About = c.Name, c.About
	return f
}

var errLong = errors.New("the check took too long")

// PrintChecks writes what is checked, one line each.
func PrintChecks(w io.Writer) error {
	for _, c := range Checks() {
		if _, err := fmt.Fprintf(w, "%-*s  %s\n", nameWidth, c.Name, c.About); err != nil {
			return err
		}
	}
	return nil
}
