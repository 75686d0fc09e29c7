package curl

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

func TestTheChainIsBeyondDoubtOrNotThere(t *testing.T) {
	der := selfSigned(t, "one").Certificate[0]
	one := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for _, c := range []struct {
		name  string
		certs string
		count int
		want  int
	}{
		{"one", "Subject:CN = one\n" + one, 1, 1},
		{"three", one + one + one, 3, 3},
		{"more than are read", strings.Repeat(one, maxChain+1), maxChain + 1, maxChain},
		{"one too many", one + one, 1, 0},
		{"one missing", one, 2, 0},
		{"a beginning in front of it", "-----BEGIN CERTIFICATE-----\n" + one, 1, 0},
		{"an end behind it", one + "-----END CERTIFICATE-----\n", 1, 0},
		{"no certificate in it", strings.Replace(one, one[40:60], "AAAAAAAAAAAAAAAAAAAA", 1), 1, 0},
		{"none", "", 0, 0},
	} {
		f := facts{Certs: c.certs, CertCount: c.count}
		if got := f.chain(); len(got) != c.want {
			t.Errorf("%s: %d certificates, want %d", c.name, len(got), c.want)
		}
	}
}

// newProbe is a request that is under way.
func newProbe(scheme string) *probe {
	p := &probe{
		hop:      hop{scheme: scheme, host: "a.lab.internal", port: usualPort(scheme), path: "/", method: "GET"},
		progress: func(sdk.Progress) {}, asked: make(map[string]bool),
	}
	p.begin()
	return p
}

// Where curl and what was seen of the response differ, curl is right: of the response the beginning may be missing.
func TestCurlsWordsAreOfMoreWeight(t *testing.T) {
	p := newProbe("http")
	p.stdout([]byte("HTTP/1.0 500 No\r\nA: b\r\n"))
	p.complain([]byte(`{"response_code":204,"http_version":"2","size_download":7,"size_header":99}`))
	v, err := p.data(sandbox.Outcome{})
	if err != nil {
		t.Fatal(err)
	}
	s := v.(Report).Steps[0]
	if s.Status != 204 || s.HTTPVersion != "2" || s.BodyBytes != 7 || s.HeaderBytes != 99 || !s.Truncated {
		t.Errorf("step = %+v, want what curl says", s)
	}
}

func TestTLSIsToldOfConnectionsAlone(t *testing.T) {
	for _, connected := range []bool{false, true} {
		p := newProbe("https")
		if connected {
			p.trace.line("== Info: Connected to a (127.0.0.1) port 443 (#0)")
		}
		p.complain([]byte(`{"exitcode":7,"errormsg":"no"}`))
		v, err := p.data(sandbox.Outcome{ExitCode: 7})
		if err != nil {
			t.Fatal(err)
		}
		if s := v.(Report).Steps[0]; (s.TLS != nil) != connected || s.TLS != nil && s.TLS.Verified {
			t.Errorf("connected %t: TLS = %+v", connected, s.TLS)
		}
	}
}

// Newer traces tell of the connection when TLS stands, and not before.
func TestTLSThatFailedIsToldWhereTheTraceIsSilent(t *testing.T) {
	p := newProbe("https")
	p.complain([]byte(`{"exitcode":35,"errormsg":"no","time_connect":0.001}`))
	v, err := p.data(sandbox.Outcome{ExitCode: 35})
	if err != nil {
		t.Fatal(err)
	}
	if s := v.(Report).Steps[0]; s.TLS == nil || s.TLS.Verified || s.TLS.Problem == "" {
		t.Errorf("TLS = %+v, want what is wrong with it", s.TLS)
	}
}

// A server can make curl's account as large as it likes: that is no failure of curl.
func TestAnAccountThatCannotBeReadIsAResult(t *testing.T) {
	large := `{"certs":"` + strings.Repeat("a", maxFacts)
	for _, c := range []struct {
		name, told string
		code       int
		want       string
	}{
		{"too large", large, 0, "curl's account of the request was too large"},
		{"too large, and no answer", large, 28, "was too large; it ended because: no time left"},
		{"broken", `{"certs":"\x"}`, 0, "curl's account of the request could not be read"},
	} {
		p := newProbe("https")
		p.trace.line("== Info: Connected to a (127.0.0.1) port 443 (#0)")
		p.stdout([]byte("HTTP/1.1 200 OK\r\nA: b\r\n\r\n"))
		p.complain([]byte(c.told))
		v, err := p.data(sandbox.Outcome{ExitCode: c.code})
		r := v.(Report)
		if err != nil || len(r.Steps) != 1 {
			t.Errorf("%s: data() = %+v, %v; want a step", c.name, r, err)
			continue
		}
		if s := r.Steps[0]; s.Status != 200 || !strings.Contains(r.Failure, c.want) || s.FailureCode != c.code ||
			s.TLS.Verified || s.TLS.Problem == "" {
			t.Errorf("%s: step = %+v, TLS %+v; want the failure %q", c.name, s, s.TLS, c.want)
		}
	}
	p := newProbe("http")
	p.complain([]byte(`{"certs":"`))
	if _, err := p.data(sandbox.Outcome{ExitCode: 77}); sdk.KindOf(err) != sdk.KindExecution {
		t.Errorf("data() of a curl that could not work = %v, want a %s", err, sdk.KindExecution)
	}
}

func TestWhatCurlTellsIsBounded(t *testing.T) {
	p := newProbe("http")
	for range 5 {
		p.complain(bytes.Repeat([]byte("a"), maxFacts/3))
	}
	if len(p.stderr) != maxFacts {
		t.Errorf("%d bytes are kept, want %d", len(p.stderr), maxFacts)
	}
}

// A curl that says nothing, or that it could not do its work, has failed; one that says why a server failed has not.
func TestOnlyACurlThatCouldNotWorkHasFailed(t *testing.T) {
	for _, c := range []struct {
		name string
		told string
		o    sandbox.Outcome
		kind sdk.Kind
	}{
		{"nothing said", "", sandbox.Outcome{ExitCode: 2}, sdk.KindExecution},
		{"no JSON", "curl: (2) no\n", sandbox.Outcome{ExitCode: 2}, sdk.KindExecution},
		{"no certificates to trust", `{"exitcode":77}`, sandbox.Outcome{ExitCode: 77}, sdk.KindExecution},
		{"ended at its deadline", "", sandbox.Outcome{ExitCode: 124, TimedOut: true}, ""},
		{"cancelled", "", sandbox.Outcome{ExitCode: 130, Cancelled: true}, ""},
		{"killed", "", sandbox.Outcome{ExitCode: 137, Signal: 9}, ""},
		{"no answer", `{"exitcode":28}`, sandbox.Outcome{ExitCode: 28}, ""},
		{"a code that nobody knows", `{"exitcode":250}`, sandbox.Outcome{ExitCode: 250}, ""},
	} {
		p := newProbe("http")
		p.complain([]byte(c.told))
		v, err := p.data(c.o)
		if sdk.KindOf(err) != c.kind || err != nil && sdk.AsError(err).Suggestion == "" {
			t.Errorf("%s: data() = %v, want kind %q, and what to do", c.name, err, c.kind)
		}
		if r := v.(Report); c.kind == "" && (len(r.Steps) != 1 || r.Failure == "") {
			t.Errorf("%s: report = %+v, want a step with its failure", c.name, r)
		}
	}
	for code := range failures {
		if broken(facts{ExitCode: code}) != nil {
			t.Errorf("code %d is both a result and a failure of curl", code)
		}
		if fmt.Sprint(failure(facts{ExitCode: code})) == "" {
			t.Errorf("code %d has no words", code)
		}
	}
}
