package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
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
		Enabled: true, Concurrency: 2, DefaultTimeout: 300 * time.Second, MaxTimeout: time.Hour,
		BreakerThreshold: 5, BreakerRecovery: time.Minute, RateRequests: 10, RatePer: time.Minute,
	}
	change := func(f func(*catalog.Settings)) catalog.Settings {
		s := defaults
		f(&s)
		return s
	}
	all := `{enabled: false, concurrency: 7, default_timeout: 8, max_timeout: 9, failure_threshold: 3,
		recovery_timeout: 1.5, rate_requests: 6, rate_per: 11}`
	own := catalog.Settings{
		Concurrency: 7, DefaultTimeout: 8 * time.Second, MaxTimeout: 9 * time.Second, BreakerThreshold: 3,
		BreakerRecovery: 1500 * time.Millisecond, RateRequests: 6, RatePer: 11 * time.Second,
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
		{"what a tool says of itself beats the defaults", "tool: {default_concurrency: 3}", spec,
			change(func(s *catalog.Settings) {
				s.Concurrency, s.DefaultTimeout, s.MaxTimeout = 5, 30*time.Second, 90*time.Second
				s.BreakerThreshold, s.BreakerRecovery = 4, 20*time.Second
			})},
		{"its section beats what it says of itself", "tools: {T: " + all + "}", spec, own},
		{"the section of another does not count", "tools: {U: " + all + "}", tool.Spec{Name: "T"}, defaults},
		{"the default timeout is never above the ceiling", "tools: {T: {max_timeout: 10}}", spec,
			change(func(s *catalog.Settings) {
				s.Concurrency, s.DefaultTimeout, s.MaxTimeout = 5, 10*time.Second, 10*time.Second
				s.BreakerThreshold, s.BreakerRecovery = 4, 20*time.Second
			})},
		{"a tool cannot ask for more than an hour", "",
			tool.Spec{Name: "T", DefaultTimeout: 24 * time.Hour, MaxTimeout: 24 * time.Hour},
			change(func(s *catalog.Settings) { s.DefaultTimeout, s.MaxTimeout = time.Hour, time.Hour })},
		{"a tool has at least a second", "",
			tool.Spec{Name: "T", DefaultTimeout: time.Millisecond, MaxTimeout: time.Millisecond},
			change(func(s *catalog.Settings) { s.DefaultTimeout, s.MaxTimeout = time.Second, time.Second })},
	} {
		cfg := load(t, Source{File: write(t, "c.yaml", row.file)})
		if got := cfg.Settings(row.spec); got != row.want {
			t.Errorf("%s: Settings = %+v, want %+v", row.says, got, row.want)
		}
	}
}

func TestScopeOfTheConfiguration(t *testing.T) {
	for _, row := range []struct {
		file               string
		networks, suffixes []string
	}{
		{"", []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"}, []string{"lab.internal"}},
		{"scope: {allow_loopback: false}", []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"},
			[]string{"lab.internal"}},
		{"scope: {allowed_suffixes: [.A.internal, b.internal], allow_loopback: false}",
			[]string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}, []string{"a.internal", "b.internal"}},
	} {
		cfg := load(t, Source{File: write(t, "c.yaml", row.file)})
		p := cfg.ScopePolicy()
		if fmt.Sprint(p.Networks) != fmt.Sprint(row.networks) || !slices.Equal(p.Suffixes, row.suffixes) {
			t.Errorf("ScopePolicy(%s) = %v %v, want %v %v", row.file, p.Networks, p.Suffixes, row.networks,
				row.suffixes)
		}
		if told := cfg.PluginPolicy("nmap"); fmt.Sprint(told.Networks) != fmt.Sprint(p.Networks) ||
			!slices.Equal(told.Suffixes, p.Suffixes) || told.MaxNetworkSize != p.MaxAddresses {
			t.Errorf("PluginPolicy(%s) = %+v, want the scope of the host", row.file, told)
		}
	}
}

func TestAPluginIsToldTheLimits(t *testing.T) {
	cfg := load(t, Source{File: write(t, "c.yaml",
		"security: {allow_intrusive: true, max_args_length: 9, max_port_ranges: 8, max_network_size: 7}\n"+
			"limits: {max_memory_mb: 64, max_file_descriptors: 32}\n")})
	got := cfg.PluginPolicy("nmap")
	got.Networks, got.Suffixes = nil, nil
	want := tool.Policy{
		AllowIntrusive: true, MaxArgsLength: 9, MaxPortRanges: 8, MaxNetworkSize: 7, MaxMemory: 64 << 20,
		MaxOpenFiles: 32,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("PluginPolicy = %+v, want %+v", got, want)
	}
}

func TestStaticHostsAreKnownInLowerCase(t *testing.T) {
	cfg := load(t, Source{File: write(t, "c.yaml", "scope: {hosts: {DB.Lab.internal: [10.0.0.1, 10.0.0.2]}}\n")})
	if got := fmt.Sprint(cfg.Hosts()); got != "map[db.lab.internal:[10.0.0.1 10.0.0.2]]" {
		t.Errorf("Hosts = %s, want db.lab.internal with both addresses", got)
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

// Whatever is in the file: no panic, and what is accepted is in range.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		yamlFile, jsonFile, "", "[]", "server:\n", "server: {port: .nan}", "a: &a [*a]",
		"tools: {T: {rate_per: 1e400}}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg, err := Load(Source{File: write(t, "c.yaml", text)})
		if err != nil {
			return
		}
		if p := cfg.Server.Port; p < 0 || p > 65535 {
			t.Errorf("Load(%q): port = %d", text, p)
		}
		for _, s := range []Seconds{cfg.Tool.DefaultTimeout, cfg.RateLimit.Per,
			cfg.CircuitBreaker.RecoveryTimeout} {
			if math.IsNaN(float64(s)) || s < 1 {
				t.Errorf("Load(%q): %v seconds", text, s)
			}
		}
		cfg.Hosts() // must not panic on what was validated
		for name := range maps.Keys(cfg.Tools) {
			if set := cfg.Settings(tool.Spec{Name: name}); set.Concurrency < 1 || set.MaxTimeout > MaxTimeout {
				t.Errorf("Load(%q): Settings(%q) = %+v", text, name, set)
			}
		}
		if _, err := json.Marshal(cfg.PluginPolicy("p")); err != nil {
			t.Errorf("Load(%q): PluginPolicy: %v", text, err)
		}
	})
}
