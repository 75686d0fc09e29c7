package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/gatehouse-mcp/gatehouse/e2e/netlab"
	"github.com/gatehouse-mcp/gatehouse/internal/openapitest"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// site is the lab and the host that runs in its scanner.
type site struct {
	*host
	lab    *netlab.Lab
	state  string
	inside http.RoundTripper // connects from the scanner
}

// TestLab tries the whole program with real nmap and ping on machines of which everything is known.
func TestLab(t *testing.T) {
	netlab.Run(t, func(t *testing.T, lab *netlab.Lab) {
		buildLab(t, lab)
		s := newSite(t, lab)
		t.Run("nmap finds the hosts", s.testDiscovery)
		t.Run("nmap finds the ports", s.testPorts)
		t.Run("nmap finds the services", s.testServices)
		t.Run("nmap finds the operating system and the path", s.testSystem)
		t.Run("nmap runs every template", s.testTemplates)
		t.Run("ping counts the replies", s.testPing)
		t.Run("how far a call is comes as events", s.testProgress)
		t.Run("the trail says what ran", s.testTrail)
		t.Run("nmap has no rights but the one that it needs", s.testRights)
	})
}

// newSite starts a host in the scanner with the real plugins. It listens on the scanner's own loopback.
func newSite(t *testing.T, lab *netlab.Lab) *site {
	t.Helper()
	config := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, config, "tools: {NmapTool: {concurrency: 5}}\n")
	s := &site{
		lab: lab, state: t.TempDir(), inside: &http.Transport{DialContext: lab.Scanner.DialContext},
		host: &host{t: t, log: &logBuffer{}, ended: make(chan error, 1)},
	}
	s.cmd = exec.Command(filepath.Join(bin, "gatehouse"), "serve", "--transport", "http", "--port", "0",
		"--plugins-dir", filepath.Join(bin, "plugins"))
	s.cmd.Env = environment(t, "STATE_DIRECTORY="+s.state, "MCP_CONFIG_FILE="+config)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := lab.Scanner.Start(s.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	serving := make(chan string, 1)
	go s.follow(stderr, serving)
	select {
	case s.url = <-serving:
	case err := <-s.ended:
		t.Fatalf("the host ended: %v\n%s", err, s.log)
	case <-time.After(patience):
		t.Fatalf("the host does not serve:\n%s", s.log)
	}
	s.token, s.client = s.showToken(), &http.Client{Transport: s.inside}
	s.client = s.checked(t)
	s.client.Transport.(*openapitest.Transport).Base = s.inside
	return s
}

// args are the arguments of a call.
type args map[string]any

// call makes a call that must not fail, and reads its data.
func (s *site) call(t *testing.T, name string, arguments args, data any) tool.Report {
	t.Helper()
	rep, kind := s.try(t, name, arguments, data)
	if kind != "" {
		t.Fatalf("%s %v = %s: %s\n%s", name, arguments, kind, *rep.Error, rep.Stderr)
	}
	return rep
}

// try makes a call and reads its data. Whatever comes back is held to have nothing in it that a terminal
// would obey.
func (s *site) try(t *testing.T, name string, arguments args, data any) (tool.Report, tool.Kind) {
	t.Helper()
	body, err := json.Marshal(arguments)
	if err != nil {
		t.Fatal(err)
	}
	rep, kind := s.rest(t, name, string(body))
	checkVisible(t, rep.Stdout)
	checkVisible(t, rep.Stderr)
	if rep.Data != nil {
		var all any
		if err := json.Unmarshal(rep.Data, &all); err != nil {
			t.Fatalf("%s %v: data %s: %v", name, arguments, rep.Data, err)
		}
		checkVisible(t, all)
		if err := json.Unmarshal(rep.Data, data); err != nil {
			t.Fatalf("%s %v: data %s: %v", name, arguments, rep.Data, err)
		}
	}
	return rep, kind
}

// checkVisible holds every text in a value to be made of characters that are seen as they are.
func checkVisible(t *testing.T, value any) {
	t.Helper()
	switch v := value.(type) {
	case string:
		for _, r := range v {
			if r != '\n' && r != '\t' && (!unicode.IsGraphic(r) || r == unicode.ReplacementChar) {
				t.Errorf("there is a %U in %q, want it written out", r, v)
				return
			}
		}
	case []any:
		for _, x := range v {
			checkVisible(t, x)
		}
	case map[string]any:
		for _, x := range v {
			checkVisible(t, x)
		}
	}
}

// watch listens to the host's events. The client of the OpenAPI document reads answers to their end, and so
// cannot.
func (s *site) watch(t *testing.T) *stream {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := (&http.Client{Transport: s.inside}).Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET /events = %v, %v", resp, err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	events := &stream{events: make(chan event, 10_000)}
	go events.read(bufio.NewScanner(resp.Body))
	return events
}

// testProgress listens while calls run. The host tells of progress every 250 ms at most.
func (s *site) testProgress(t *testing.T) {
	events := s.watch(t)
	s.call(t, "PingTool",
		args{"target": serverAddress, "extra_args": "-c 3 -i 1", "correlation_id": "pinged"}, new(any))
	for _, done := range []string{`"done":1,"total":3`, `"done":2,"total":3`, `"done":3,"total":3`} {
		e := events.await(t, "call.progress", done)
		if !strings.Contains(e.data, `"correlation_id":"pinged"`) {
			t.Errorf("call.progress = %s, want it to be of the ping", e.data)
		}
	}
	s.call(t, "NmapTool",
		args{"target": "10.77.0.12/31", "extra_args": "-sn", "correlation_id": "scanned"}, new(any))
	e := events.await(t, "call.progress", `"correlation_id":"scanned"`)
	if !strings.Contains(e.data, `"total":2`) {
		t.Errorf("call.progress = %s, want the number of hosts", e.data)
	}
	events.await(t, "call.finished", `"correlation_id":"scanned"`)
}
