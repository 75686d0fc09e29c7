package plugintest

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// described is a subject that has described itself.
func described(t *testing.T, schema string, samples ...Sample) (*subject, error) {
	t.Helper()
	s := &subject{cfg: Config{Samples: samples}}
	err := s.learn(tool.Manifest{Name: "port", Version: "1", Tools: []tool.Spec{{
		Name: "PortTool", Description: "Tries a port.", InputSchema: json.RawMessage(schema),
		Targets: []tool.TargetArgument{{Argument: "target", Network: true}},
	}}})
	if err != nil {
		t.Fatalf("learn() = %v", err)
	}
	return s, s.refused
}

const portSchema = `{"type": "object", "required": ["target"], "properties": {
	"target": {"type": "string"}, "port": {"type": "integer"}}, "examples": [%s]}`

func plainSchema(examples ...string) string {
	return fmt.Sprintf(portSchema, strings.Join(examples, ", "))
}

func TestSamplesAreReadStrictly(t *testing.T) {
	got, err := ReadSamples(strings.NewReader(`[{"tool": "A", "quick": {"x": 1}, "slow": {}}, {"tool": "B"}]`),
		nil)
	if err != nil || len(got) != 2 || string(got[0].Quick) != `{"x": 1}` || got[1].Quick != nil {
		t.Errorf("ReadSamples() = %+v, %v, want both", got, err)
	}
	for _, text := range []string{``, `{}`, `[{"tol": "A"}]`, `[] []`, `[{"tool": 1}]`, `[`} {
		if got, err := ReadSamples(strings.NewReader(text), nil); err == nil {
			t.Errorf("ReadSamples(%s) = %+v, want an error", text, got)
		}
	}
}

func TestTargetsOfSamplesArePinnedOnLoopbackAndNowhereElse(t *testing.T) {
	s, err := described(t, plainSchema(), Sample{Tool: "PortTool",
		Quick: json.RawMessage(`{"target": "127.1.2.0/24"}`)})
	if err != nil {
		t.Fatalf("samples are refused: %v", err)
	}
	r, err := s.exercises[0].request(s.exercises[0].quick)
	if target, _ := r.Target("target"); err != nil || target.Literal() != "127.1.2.0/24" {
		t.Errorf("request() = %+v, %v, want the target pinned", r, err)
	}
	for _, args := range []string{
		`{"target": "192.168.0.1"}`, `{"target": "8.8.8.8"}`, `{"target": "localhost"}`,
		`{"target": "h.lab.internal"}`,
		`{"target": "0.0.0.0"}`, `{"target": "127.0.0.0/8"}`, `{"target": "::1"}`, `{}`,
		`{"target": "127.0.0.1", "x": 1}`,
	} {
		for _, sm := range []Sample{
			{Tool: "PortTool", Quick: json.RawMessage(args)}, {Tool: "PortTool", Slow: json.RawMessage(args)},
			{Tool: "PortTool", Flood: json.RawMessage(args)},
		} {
			if _, err := described(t, plainSchema(), sm); err == nil {
				t.Errorf("the sample %+v is taken", sm)
			}
		}
	}
	for _, samples := range [][]Sample{{{Tool: "NoTool"}}, {{Tool: "PortTool"}, {Tool: "PortTool"}}} {
		if _, err := described(t, plainSchema(), samples...); err == nil {
			t.Errorf("the samples %+v are taken", samples)
		}
	}
}

func TestACompleteExampleOfTheSchemaIsAQuickCall(t *testing.T) {
	for _, row := range []struct {
		examples []string
		want     string
	}{
		{[]string{`{"target":"127.0.0.1"}`}, `{"target":"127.0.0.1"}`},
		{[]string{`{"port": 1}`, `{"target": "10.0.0.1"}`, `{"target":"127.0.0.2"}`}, `{"target":"127.0.0.2"}`},
		{[]string{`{"target": "10.0.0.1"}`, `"x"`}, ``},
		{nil, ``},
	} {
		s, err := described(t, plainSchema(row.examples...))
		if err != nil || string(s.exercises[0].quick) != row.want {
			t.Errorf("of the examples %v: %s, %v, want %s", row.examples, s.exercises[0].quick, err, row.want)
		}
	}
	sm := Sample{Tool: "PortTool", Slow: json.RawMessage(`{"target": "127.0.0.1"}`)}
	if s, _ := described(t, plainSchema(`{"target": "127.0.0.1"}`), sm); s.exercises[0].quick != nil {
		t.Error("an example stands for what a sample leaves out")
	}
}

func TestAnExampleThatNamesNoTargetIsNotCalled(t *testing.T) {
	schema := json.RawMessage(`{"type": "object", "properties": {"target": {"type": "string"},
		"url": {"type": "string"}}, "examples": [{"url": "http://192.0.2.1"}, {"target": "127.0.0.1"}]}`)
	for want, targets := range map[string][]tool.TargetArgument{
		"": nil, `{"target":"127.0.0.1"}`: {{Argument: "target"}},
	} {
		s := &subject{}
		err := s.learn(tool.Manifest{Name: "lab", Version: "1", Tools: []tool.Spec{{
			Name: "LabTool", Description: "Looks.", InputSchema: schema, Targets: targets,
		}}})
		if err != nil || s.refused != nil {
			t.Fatalf("learn() = %v, %v", err, s.refused)
		}
		if got := strings.ReplaceAll(string(s.exercises[0].quick), " ", ""); got != want {
			t.Errorf("with the targets %v the call is %s, want %s", targets, got, want)
		}
	}
}

func TestASampleMaySayThatAToolPrintsLittle(t *testing.T) {
	for flood, want := range map[string]bool{`false`: true, `{"target": "127.0.0.1"}`: false} {
		samples, err := ReadSamples(strings.NewReader(`[{"tool": "PortTool", "flood": `+flood+`}]`), nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := described(t, plainSchema(), samples...)
		if err != nil || s.exercises[0].little != want || (s.exercises[0].flood == nil) != want {
			t.Errorf("flood %s: %+v, %v, want little: %t", flood, s.exercises[0], err, want)
		}
	}
	for _, flood := range []string{`true`, `"no"`, `0`} {
		sm := Sample{Tool: "PortTool", Flood: json.RawMessage(flood)}
		if _, err := described(t, plainSchema(), sm); err == nil {
			t.Errorf("flood %s is taken", flood)
		}
	}
}

func TestWordsForPortsAreFilledIn(t *testing.T) {
	p := &Peers{ports: map[string]int{"http_port": 8080}}
	for _, row := range [][2]string{
		{`{"port": "{{http_port}}"}`, `{"port": 8080}`},
		{`{"args": "-p {{http_port}},22"}`, `{"args": "-p 8080,22"}`},
		{`{"port": 1}`, `{"port": 1}`},
	} {
		if got, err := p.fill(json.RawMessage(row[0])); err != nil || string(got) != row[1] {
			t.Errorf("fill(%s) = %s, %v, want %s", row[0], got, err, row[1])
		}
	}
	if got, err := p.fill(json.RawMessage(`{"port": "{{gopher_port}}"}`)); err == nil {
		t.Errorf("fill() of an unknown word = %s, want an error", got)
	}
}

func TestThePeersAnswerAsTheyAreDescribed(t *testing.T) {
	p, err := OpenPeers(t.Context())
	if err != nil {
		t.Fatalf("OpenPeers() = %v", err)
	}
	defer p.Close()
	at := func(word string) string { return fmt.Sprintf("127.0.0.1:%d", p.ports[word]) }
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // nobody has signed it
	defer insecure.CloseIdleConnections()
	for _, url := range []string{"http://" + at("http_port") + "/any", "https://" + at("https_port")} {
		resp, err := (&http.Client{Transport: insecure}).Get(url)
		if err != nil {
			t.Errorf("Get(%s) = %v", url, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close() // read
		if string(body) != "hello\n" || err != nil {
			t.Errorf("Get(%s) = %q, %v, want hello", url, body, err)
		}
	}
	wantAddress(t, at("dns_port"))
	wantFlood(t, at("flood_port"))
	silent, err := net.Dial("tcp", at("silent_port"))
	if err != nil {
		t.Fatalf("Dial() = %v", err)
	}
	defer silent.Close()
	p.Close() // and with that the connection
	if n, err := silent.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("Read() = %d, %v, want the end and not a word", n, err)
	}
}

// wantFlood reads more than a connection holds, without having asked.
func wantFlood(t *testing.T, server string) {
	t.Helper()
	conn, err := net.Dial("tcp", server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := io.CopyN(io.Discard, conn, 64<<20); err != nil {
		t.Errorf("the flood ended after %d bytes: %v", n, err)
	}
}

func wantAddress(t *testing.T, server string) {
	t.Helper()
	conn, err := net.Dial("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{
		Name: dnsmessage.MustNewName("any.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET,
	}}}
	raw, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(raw); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second)) // a socket takes deadlines
	buf := make([]byte, 512)
	n, err := conn.Read(buf)
	var m dnsmessage.Message
	if err != nil || m.Unpack(buf[:n]) != nil || len(m.Answers) != 1 || m.ID != 7 {
		t.Errorf("the answer is %v, %v, want one address", m, err)
	}
}
