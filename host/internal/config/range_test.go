package config

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatIsBeyondARangeIsClampedWithAWarning(t *testing.T) {
	for _, row := range []struct {
		says   string
		file   string
		env    string
		flags  map[string]any
		key    string
		want   any
		warned string // FILE stands for the file
	}{
		{says: "above the most", file: "circuit_breaker:\n  failure_threshold: 20\n",
			key: "circuit_breaker.failure_threshold", want: 10,
			warned: "circuit_breaker.failure_threshold: 20 is above the most allowed, 10 is used (from FILE:2)"},
		{says: "below the least", file: "health: {timeout: 0.25}", key: "health.timeout", want: Seconds(1),
			warned: "health.timeout: 0.25 is below the least allowed, 1 is used (from FILE:1)"},
		{says: "of the environment", env: "MCP_DEFAULT_TIMEOUT_SEC=86400", key: "tool.default_timeout",
			want: Seconds(3600),
			warned: "tool.default_timeout: 86400 is above the most allowed, 3600 is used " +
				"(from MCP_DEFAULT_TIMEOUT_SEC)"},
		{says: "of a flag", flags: map[string]any{"rate_limit.requests": 2_000_000}, key: "rate_limit.requests",
			want:   1_000_000,
			warned: "rate_limit.requests: 2000000 is above the most allowed, 1000000 is used (from --requests)"},
		{says: "in the file, where the environment says something better", file: "audit: {max_files: 1000000}",
			env: "MCP_AUDIT_MAX_FILES=3", key: "audit.max_files", want: 3},
		{says: "the most", file: "rate_limit: {requests: 1000000}", key: "rate_limit.requests", want: 1_000_000},
		{says: "the least", file: "server: {shutdown_grace_period: 0}", key: "server.shutdown_grace_period",
			want: Seconds(0)},
	} {
		file := write(t, "c.yaml", row.file)
		l, err := Read(Source{File: file, Environ: []string{row.env}, Flags: row.flags})
		if err != nil {
			t.Errorf("%s: Read = %v, want a configuration", row.says, err)
			continue
		}
		if got := at(t, l.Config, row.key).Interface(); got != row.want {
			t.Errorf("%s: %s = %v, want %v", row.says, row.key, got, row.want)
		}
		var want []string
		if row.warned != "" {
			want = []string{strings.ReplaceAll(row.warned, "FILE", file)}
		}
		if !slices.Equal(l.Warnings, want) {
			t.Errorf("%s: Warnings = %q, want %q", row.says, l.Warnings, want)
		}
	}
}

func TestTheNumbersOfOneToolAreClampedToo(t *testing.T) {
	file := write(t, "c.yaml", "tools:\n  T: {failure_threshold: 11, recovery_timeout: 5, "+
		"half_open_success_threshold: 11, recovery_multiplier: 11, max_recovery_timeout: 9999, "+
		"recovery_jitter: 1}\n")
	l, err := Read(Source{File: file})
	if err != nil {
		t.Fatal(err)
	}
	e := l.Config.Tools["T"]
	got := []any{*e.FailureThreshold, *e.RecoveryTimeout, *e.HalfOpenSuccessThreshold, *e.RecoveryMultiplier,
		*e.MaxRecoveryTimeout, *e.RecoveryJitter}
	if want := []any{10, Seconds(30), 10, 10.0, Seconds(3600), 0.5}; !slices.Equal(got, want) {
		t.Errorf("Read = %v, want %v", got, want)
	}
	if len(l.Warnings) != 6 {
		t.Errorf("Warnings = %q, want one of each", l.Warnings)
	}
}

// A mistake is no exaggeration.
func TestWhatClampingWouldTurnRoundIsAnError(t *testing.T) {
	for _, row := range []struct{ file, want string }{
		{"server: {shutdown_grace_period: -1}", "server.shutdown_grace_period: -1 is out of range"},
		{"audit: {max_files: -1}", "audit.max_files: -1 is out of range"},
		{"rate_limit: {requests: 0}", "rate_limit.requests: 0 is out of range"},
		{"limits: {max_memory_mb: -5}", "limits.max_memory_mb: -5 is out of range"},
		{"tools: {T: {rate_per: 0}}", "tools.T.rate_per: 0 is out of range"},
		{"circuit_breaker: {recovery_jitter: .nan}", "circuit_breaker.recovery_jitter: NaN is not a finite number"},
		{"tool: {default_timeout: -.inf}", "tool.default_timeout: -Inf is not a finite number"},
		{"tool: {default_timeout: 1e400}", `tool.default_timeout: is the text "1e400"`},
		{`{"tool": {"default_timeout": 1e400}}`, "tool.default_timeout: 1e400 is too large a number"},
		{"limits: {max_stdout_bytes: 1e30}", "limits.max_stdout_bytes: 1e+30 is too large a number"},
		{"limits: {max_stdout_bytes: 99999999999999999999}", "limits.max_stdout_bytes: 1e+20 is too large"},
		{"metrics: {prometheus_port: 65536}", "metrics.prometheus_port: 65536 is out of range"},
		{"metrics: {prometheus_port: 8080}", "metrics.prometheus_port and server.port are both 8080"},
		{"circuit_breaker: {recovery_timeout: 301}", "recovery_timeout 301 is above max_recovery_timeout 300"},
		{"circuit_breaker: {max_recovery_timeout: 31}",
			"circuit_breaker.max_recovery_timeout: recovery_timeout 60 is"},
		{"tools: {T: {recovery_timeout: 301}}", "tools.T.recovery_timeout: recovery_timeout 301 is above " +
			"circuit_breaker.max_recovery_timeout 300"},
		{"tools: {T: {max_recovery_timeout: 59}}", "tools.T.max_recovery_timeout: " +
			"circuit_breaker.recovery_timeout 60 is above max_recovery_timeout 59"},
		{"tools: {T: {recovery_timeout: 50, max_recovery_timeout: 40}}",
			"tools.T.recovery_timeout: recovery_timeout 50 is above max_recovery_timeout 40"},
		{"tools: {T: {recovery_multiplier: 0}}", "tools.T.recovery_multiplier: 0 is out of range"},
		{"tools: {T: {recovery_jitter: -1}}", "tools.T.recovery_jitter: -1 is out of range"},
		{"tools: {T: {half_open_success_threshold: 1.5}}", "half_open_success_threshold: is the number 1.5"},
		{"server: {state_dir: state}", `server.state_dir: "state" is relative`},
		{"logging: {file_path: ./log}", `logging.file_path: "./log" is relative`},
		{"health: {dependencies: [nmap, a/b]}", `health.dependencies[1]: "a/b" is neither`},
		{"health: {dependencies: ['']}", `health.dependencies[0]: "" is neither`},
		{"health: {dependencies: [..]}", `health.dependencies[0]: ".." is neither`},
		{"sandbox: {run_as: 'a b'}", `sandbox.run_as: "a b" is no user`},
		{"sandbox: {run_as: '4294967295:1'}", `sandbox.run_as: "4294967295:1" is no user`},
		{"sandbox: {run_as: '1:4294967296'}", `sandbox.run_as: "1:4294967296" is no user`},
		{"sandbox: {run_as: '0'}", `sandbox.run_as: "0" is no user`},
		{"sandbox: {require: ['']}", `sandbox.require[0]: "" is no name of a layer`},
		{"plugins: {run_as: '0'}", `plugins.run_as: "0" is no user`},
		{"plugins: {run_as: '1:4294967295'}", `plugins.run_as: "1:4294967295" is no user`},
		{"plugins: {run_as: auto}", `plugins.run_as: "auto" is no user`},
		{"plugins: {run_as: none}", `plugins.run_as: "none" is no user`},
		{"plugins: {trust: lock}", `plugins.trust: "lock" is unknown; allowed: directory, pinned`},
		{"plugins: {no_new_privs: true}", `plugins.no_new_privs: is true; allowed: auto, on, off`},
		{"plugins: {max_rss: -1}", `plugins.max_rss: -1 is out of range`},
		{"plugins: {idle_timeout: 0}", `plugins.idle_timeout: 0 is out of range`},
		{"plugins: {config: {a b: {}}}", `"plugins.config.a b": is no name of a plugin`},
		{"plugins: {config: {p: 1}}", `plugins.config.p: is a number; allowed: a section`},
		{"plugins: {config: {p: {a: [.inf]}}}", `plugins.config.p.a[0]: is not a finite number`},
	} {
		if text := problemsOf(t, write(t, "c.yaml", row.file)).Error(); !strings.Contains(text, row.want) {
			t.Errorf("Read(%s) = %s, want %s", row.file, text, row.want)
		}
	}
}

func TestProgramsAndPathsAreDependencies(t *testing.T) {
	file := write(t, "c.yaml", "health: {dependencies: [nmap, g++, python3.12, /opt/x y]}\n")
	cfg := load(t, Source{File: file})
	if len(cfg.Health.Dependencies) != 4 {
		t.Errorf("dependencies = %q, want four", cfg.Health.Dependencies)
	}
}

func TestALevelIsKnownInAnyCaseOfLetters(t *testing.T) {
	for _, word := range []string{"debug", "Debug", "DEBUG"} {
		if cfg := load(t, Source{Environ: []string{"LOG_LEVEL=" + word}}); cfg.Logging.Level != "DEBUG" {
			t.Errorf("LOG_LEVEL=%s = %q, want DEBUG", word, cfg.Logging.Level)
		}
	}
	if _, err := Load(Source{Environ: []string{"LOG_FORMAT=Simple"}}); err == nil {
		t.Error("LOG_FORMAT=Simple = nil, want an error: only levels are known in any case of letters")
	}
}
