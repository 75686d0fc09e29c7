package config

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestSettingsOfATool(t *testing.T) {
	spec := tool.Spec{
		Name: "T", Concurrency: 5, DefaultTimeout: 30 * time.Second, MaxTimeout: 90 * time.Second,
		Breaker: tool.Breaker{Threshold: 4, Recovery: 20 * time.Second},
	}
	defaults := catalog.Settings{
		Enabled: true, Concurrency: 2, QueueLength: 16, DefaultTimeout: 300 * time.Second, MaxTimeout: time.Hour,
		Breaker: catalog.Breaker{
			Threshold: 5, Recovery: time.Minute, Trials: 1, Multiplier: 1.5, MaxRecovery: 5 * time.Minute, Jitter: 0.1,
		},
		RateRequests: 10, RatePer: time.Minute,
	}
	change := func(f func(*catalog.Settings)) catalog.Settings {
		s := defaults
		f(&s)
		return s
	}
	all := `{enabled: false, concurrency: 7, default_timeout: 8, max_timeout: 9, failure_threshold: 3,
		recovery_timeout: 31.5, half_open_success_threshold: 4, recovery_multiplier: 3.5,
		max_recovery_timeout: 45, recovery_jitter: 0, rate_requests: 6, rate_per: 11, queue_length: 0}`
	own := catalog.Settings{
		Concurrency: 7, DefaultTimeout: 8 * time.Second, MaxTimeout: 9 * time.Second,
		Breaker: catalog.Breaker{
			Threshold: 3, Recovery: 31500 * time.Millisecond, Trials: 4, Multiplier: 3.5,
			MaxRecovery: 45 * time.Second,
		},
		RateRequests: 6, RatePer: 11 * time.Second,
	}
	for _, row := range []struct {
		says, file string
		spec       tool.Spec
		want       catalog.Settings
	}{
		{"a tool that says nothing gets the defaults", "", tool.Spec{Name: "T"}, defaults},
		{"the file changes the defaults", "tool: {default_concurrency: 3, default_timeout: 10}",
			tool.Spec{Name: "T"},
			change(func(s *catalog.Settings) { s.Concurrency, s.DefaultTimeout = 3, 10*time.Second })},
		{"what a tool says of itself beats the defaults", "tool: {queue_length: 16}", spec,
			change(func(s *catalog.Settings) {
				s.Concurrency, s.DefaultTimeout, s.MaxTimeout = 5, 30*time.Second, 90*time.Second
				s.Breaker.Threshold, s.Breaker.Recovery = 4, 20*time.Second
			})},
		{"its section beats what it says of itself", "tools: {T: " + all + "}", spec, own},
		{"the section of another does not count", "tools: {U: " + all + "}", tool.Spec{Name: "T"}, defaults},
		{"the default timeout is never above the ceiling", "tools: {T: {max_timeout: 10}}", spec,
			change(func(s *catalog.Settings) {
				s.Concurrency, s.DefaultTimeout, s.MaxTimeout = 5, 10*time.Second, 10*time.Second
				s.Breaker.Threshold, s.Breaker.Recovery = 4, 20*time.Second
			})},
		{"a tool's own rest is taken as it is, and never shrinks", "",
			tool.Spec{Name: "T", Breaker: tool.Breaker{Recovery: 20 * time.Minute}},
			change(func(s *catalog.Settings) {
				s.Breaker.Recovery, s.Breaker.MaxRecovery = 20*time.Minute, 20*time.Minute
			})},
		{"but for a maximum that somebody set", "circuit_breaker: {max_recovery_timeout: 300}",
			tool.Spec{Name: "T", Breaker: tool.Breaker{Recovery: 20 * time.Minute}},
			change(func(s *catalog.Settings) { s.Breaker.Recovery = 5 * time.Minute })},
		{"or one in its section", "tools: {T: {max_recovery_timeout: 100}}",
			tool.Spec{Name: "T", Breaker: tool.Breaker{Recovery: 20 * time.Minute}},
			change(func(s *catalog.Settings) {
				s.Breaker.Recovery, s.Breaker.MaxRecovery = 100*time.Second, 100*time.Second
			})},
		{"the numbers of all breakers reach each tool", "circuit_breaker: {half_open_success_threshold: 2, " +
			"recovery_multiplier: 2, max_recovery_timeout: 60, recovery_jitter: 0.5}", tool.Spec{Name: "T"},
			change(func(s *catalog.Settings) {
				s.Breaker.Trials, s.Breaker.Multiplier, s.Breaker.Jitter = 2, 2, 0.5
				s.Breaker.MaxRecovery = time.Minute
			})},
		{"a tool cannot ask for more than an hour", "",
			tool.Spec{Name: "T", DefaultTimeout: 24 * time.Hour, MaxTimeout: 24 * time.Hour},
			change(func(s *catalog.Settings) { s.DefaultTimeout, s.MaxTimeout = time.Hour, time.Hour })},
		{"a tool has at least a second", "",
			tool.Spec{Name: "T", DefaultTimeout: time.Millisecond, MaxTimeout: time.Millisecond},
			change(func(s *catalog.Settings) { s.DefaultTimeout, s.MaxTimeout = time.Second, time.Second })},
	} {
		l := read(t, Source{File: write(t, "c.yaml", row.file)})
		if got := l.Settings(row.spec); got != row.want {
			t.Errorf("%s: Settings = %+v, want %+v", row.says, got, row.want)
		}
	}
}

func TestAPluginIsToldTheLimits(t *testing.T) {
	cfg := load(t, Source{File: write(t, "c.yaml",
		"security: {allow_intrusive: true, max_args_length: 9, max_port_ranges: 8, max_network_size: 7}\n"+
			"limits: {max_memory_mb: 64, max_file_descriptors: 32}\n"+
			"sandbox: {run_as: \"65534:65534\", require: [landlock]}\n"+
			"scope: {hosts: {DB.lab.internal: [10.0.3.7, 10.0.3.8]}}\n")})
	got := cfg.PluginPolicy("nmap")
	got.Networks, got.Suffixes = nil, nil
	want := tool.Policy{
		AllowIntrusive: true, MaxArgsLength: 9, MaxPortRanges: 8, MaxNetworkSize: 7, MaxMemory: 64 << 20,
		MaxOpenFiles: 32, RunAs: "65534:65534", Require: []string{"landlock"},
		Hosts: map[string][]netip.Addr{
			"db.lab.internal": {netip.MustParseAddr("10.0.3.7"), netip.MustParseAddr("10.0.3.8")},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("PluginPolicy = %+v, want %+v", got, want)
	}
}

func TestAPluginIsToldItsOwnSection(t *testing.T) {
	cfg := load(t, Source{File: write(t, "c.yaml",
		"plugins: {config: {nmap: {api: {key: s3cret}, n: 3, big: 9007199254740993, "+
			"list: [a, 1.5, null, true]}}}\n")})
	want := `{"api":{"key":"s3cret"},"big":9007199254740993,"list":["a",1.5,null,true],"n":3}`
	if got := string(cfg.PluginPolicy("nmap").Config); got != want {
		t.Errorf("PluginPolicy(nmap).Config = %s, want %s", got, want)
	}
	dots := load(t, Source{File: write(t, "c.yaml", "plugins: {config: {p: {a.b: 1, a: {b: 2}, c: {}}}}\n")})
	if got, want := string(dots.PluginPolicy("p").Config), `{"a":{"b":2},"a.b":1,"c":{}}`; got != want {
		t.Errorf("PluginPolicy(p).Config = %s, want %s: dots in names mean nothing", got, want)
	}
	if got := cfg.PluginPolicy("ping").Config; got != nil {
		t.Errorf("PluginPolicy(ping).Config = %s, want none", got)
	}
}

func TestSecondsAreDurations(t *testing.T) {
	for s, want := range map[Seconds]time.Duration{0: 0, 1: time.Second, 0.25: 250 * time.Millisecond,
		3600: time.Hour} {
		if got := s.Duration(); got != want {
			t.Errorf("Seconds(%v).Duration() = %v, want %v", s, got, want)
		}
	}
}
