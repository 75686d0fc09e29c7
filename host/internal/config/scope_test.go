package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestScopeOfTheConfiguration(t *testing.T) {
	private := []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
	all := append(slices.Clone(private), "127.0.0.0/8")
	lab := []string{"lab.internal"}
	for _, row := range []struct {
		file               string
		networks, suffixes []string
	}{
		{"", all, lab},
		{"scope: {allow_loopback: false}", private, lab},
		{"scope: {allowed_suffixes: [.A.internal, b.internal], allow_loopback: false}", private,
			[]string{"a.internal", "b.internal"}},
		{"scope: {allowed_suffixes: []}", all, nil},
		{"scope: {allowed_networks: [10.1.0.0/16, 192.168.7.9]}",
			[]string{"10.1.0.0/16", "192.168.7.9/32", "127.0.0.0/8"}, lab},
		{"scope: {allowed_networks: []}", all, lab},
		{"security: {allowed_targets: [RFC1918, .lab.internal]}", all, lab},
		{"security: {allowed_targets: [rfc1918, '*.Corp.internal', .b.internal]}", all,
			[]string{"corp.internal", "b.internal"}},
		{"security: {allowed_targets: [10.1.0.0/16]}\nscope: {allow_loopback: false}",
			[]string{"10.1.0.0/16"}, nil},
		{"security: {allowed_targets: []}", all, lab},
		{"security: {allowed_targets: [RFC1918]}\nscope: {allowed_networks: []}", all, nil},
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

func TestAScopeThatCannotBeIsRefused(t *testing.T) {
	for _, row := range []struct{ file, want string }{
		{"scope: {allowed_networks: [8.8.8.0/24]}",
			"scope.allowed_networks[0]: \"8.8.8.0/24\" is outside of RFC 1918"},
		{"scope: {allowed_networks: [10.0.0.0/7]}", "10.0.0.0/7\" is outside"},
		{"scope: {allowed_networks: [0.0.0.0/0]}", "is outside of RFC 1918"},
		{"scope: {allowed_networks: [127.0.0.0/8]}", "scope.allow_loopback"},
		{"scope: {allowed_networks: [10.0.0.0/8, 10.1.2.3/16]}",
			`scope.allowed_networks[1]: "10.1.2.3/16" has bits set behind its length; write 10.1.0.0/16`},
		{"scope: {allowed_networks: ['fd00::/8']}", "is not an IPv4 address or network"},
		{"scope: {allowed_networks: [RFC1918]}", "is not an IPv4 address or network"},
		{"scope: {allowed_networks: [10.0.0.0/33]}", "is not an IPv4 address or network"},
		{"security: {allowed_targets: [RFC1919]}", "security.allowed_targets[0]"},
		{"security: {allowed_targets: ['*']}", "security.allowed_targets[0]: \"*\" is not a suffix"},
		{"security: {allowed_targets: ['*lab.internal']}", "security.allowed_targets[0]"},
		{"security: {allowed_targets: [.]}", "security.allowed_targets[0]"},
		{"security: {allowed_targets: [8.8.8.8]}",
			"security.allowed_targets[0]: \"8.8.8.8\" is outside of RFC 1918"},
		{"security: {allowed_targets: [RFC1918]}\nscope: {allowed_suffixes: [lab.internal]}",
			"security.allowed_targets: says the same as scope.allowed_suffixes, and both are given"},
		{"security: {allowed_targets: [RFC1918]}\nscope: {allowed_networks: [10.0.0.1]}",
			"security.allowed_targets: says the same as scope.allowed_networks, and both are given"},
		{"scope: {hosts: {'a_b': [10.0.0.1]}}", "scope.hosts.a_b: is not a domain name"},
	} {
		if text := problemsOf(t, write(t, "c.yaml", row.file)).Error(); !strings.Contains(text, row.want) {
			t.Errorf("Read(%s) = %s, want %s", row.file, text, row.want)
		}
	}
}

func TestAScopeOfNamesAloneReachesNothingAndSaysSo(t *testing.T) {
	l, err := Read(Source{File: write(t, "c.yaml", "security: {allowed_targets: [.lab.internal]}\n")})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "names no network") {
		t.Errorf("Warnings = %q, want one of the scope", l.Warnings)
	}
	if got := fmt.Sprint(l.Config.ScopePolicy().Networks); got != "[127.0.0.0/8]" {
		t.Errorf("Networks = %s, want loopback alone", got)
	}
}

func TestStaticHostsAreKnownInLowerCase(t *testing.T) {
	cfg := load(t, Source{File: write(t, "c.yaml", "scope: {hosts: {DB.Lab.internal: [10.0.0.1, 10.0.0.2]}}\n")})
	if got := fmt.Sprint(cfg.Hosts()); got != "map[db.lab.internal:[10.0.0.1 10.0.0.2]]" {
		t.Errorf("Hosts = %s, want db.lab.internal with both addresses", got)
	}
}
