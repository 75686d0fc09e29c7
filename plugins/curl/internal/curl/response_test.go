package curl

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

func read(text string, chunk int) response {
	var r response
	for text != "" {
		n := min(chunk, len(text))
		r.write([]byte(text[:n]))
		text = text[n:]
	}
	return r
}

func TestResponsesAreReadLineByLine(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       response
	}{
		{"plain", "HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody\r\n\r\nmore", response{
			done: true, started: true, status: 200, version: "1.1", reason: "OK", count: 1,
			headers: []Header{{"A", "b"}}, body: 12,
		}},
		{"hints before it", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 404 No\nA:\t b \n\n", response{
			done: true, started: true, status: 404, version: "1.1", reason: "No", count: 1,
			headers: []Header{{"A", "b"}},
		}},
		{"HTTP/2", "HTTP/2 302 \r\nlocation: /x\r\n\r\n", response{
			done: true, started: true, status: 302, version: "2", count: 1, headers: []Header{{"location", "/x"}},
			locations: []string{"/x"},
		}},
		{"cut short", "HTTP/1.1 200 OK\r\nA: b\r\nHalf", response{
			started: true, status: 200, version: "1.1", reason: "OK", count: 1, headers: []Header{{"A", "b"}},
		}},
		{"a switch that nobody asked for", "HTTP/1.1 101 x\r\nA: b\r\n\r\nHTTP/2 200\r\nB: c\r\n\r\n", response{
			done: true, started: true, status: 101, version: "1.1", reason: "x", count: 1,
			headers: []Header{{"A", "b"}}, body: 20,
		}},
		{"no number", "HTTP/1.1 2x0000\n\n", response{done: true, started: true, version: "1.1"}},
	} {
		for _, chunk := range []int{1, 3, 1000} {
			got := read(c.text, chunk)
			got.line, got.cut = nil, false
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("%s, in chunks of %d: %+v, want %+v", c.name, chunk, got, c.want)
			}
		}
	}
}

func TestALocationThatIsCutIsNotFollowed(t *testing.T) {
	r := read("HTTP/1.1 302 Found\r\nLocation: /"+strings.Repeat("a", 3*maxLine)+"\r\n\r\n", 1000)
	if _, err := (hop{scheme: "http", host: "a.lab.internal", port: 80,
		path: "/"}).resolve(r.locations[0]); err == nil ||
		!strings.Contains(err.Error(), "too long") || !r.truncated {
		t.Errorf("resolve() = %v, truncated %t; want it refused as too long", err, r.truncated)
	}
}

func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", "HTTP/1.1 103 x\r\n\r\nHTTP/2 302\r\nlocation: y\r\n z\r\n\r\n",
		"\n\n\n", "HTTP/1.1 -1\n : \n",
	} {
		f.Add(seed, 7)
	}
	f.Fuzz(func(t *testing.T, text string, chunk int) {
		one, many := read(text, 1<<20), read(text, 1+max(chunk, 0)%1000)
		if one.line, many.line = nil, nil; !reflect.DeepEqual(one, many) {
			t.Errorf("in chunks: %+v, want %+v", many, one)
		}
		if len(one.headers) > maxHeaders || len(one.locations) > 2 || one.count < len(one.headers) ||
			one.body > int64(len(text)) ||
			one.status < -99 {
			t.Errorf("response = %+v", one)
		}
	})
}

// What curl tells is bounded and typed; whatever stands there, a report fits its schema.
func FuzzFacts(f *testing.F) {
	f.Add(`{"certs":"","errormsg":null,"exitcode":7,"http_version":"0","num_certs":0,"time_total":0.000161}`, "", "")
	f.Add(`{"response_code":200,"num_certs":1,"certs":"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----"}`,
		"HTTP/1.1 200 OK\r\n\r\n", "== Info: SSL connection using TLSv1.3 / X\n== Info: ALPN: server accepted h2\n")
	f.Add(`{"time_total":-1,"time_connect":1e300}`, "HTTP/1.1 302 x\nLocation: /\n\n", "=> Send header, 5\n")
	f.Fuzz(func(t *testing.T, told, out, traced string) {
		p := &probe{hop: hop{scheme: "https", host: "a.lab.internal", port: 443, path: "/"},
			progress: func(sdk.Progress) {},
			insecure: true, asked: map[string]bool{}}
		p.begin()
		p.stdout([]byte(out))
		p.complain([]byte(told))
		if err := p.trace.read(strings.NewReader(traced)); err != nil {
			t.Errorf("read() = %v", err)
		}
		v, err := p.data(sandbox.Outcome{})
		if err != nil && sdk.KindOf(err) != sdk.KindExecution {
			t.Errorf("data() = %v, want a %s", err, sdk.KindExecution)
		}
		r := v.(Report)
		for i := range r.Steps {
			r.Steps[i].Headers = append([]Header{}, r.Steps[i].Headers...)
			if x := r.Steps[i].TLS; x != nil && x.Certificate != nil {
				c := x.Certificate
				c.Names = append([]sdk.Untrusted{}, c.Names...)
			}
		}
		r.Steps = append([]Step{}, r.Steps...)
		raw, err := json.Marshal(r)
		if err != nil || len(raw) > 1<<20 {
			t.Errorf("Marshal() = %d bytes, %v", len(raw), err)
		}
		if err := sdktest.New(t, plugin(), sdktest.Options{}).CheckData("CurlTool", raw); err != nil {
			t.Errorf("CheckData(%s) = %v", raw, err)
		}
	})
}

// Only the first words about TLS are curl's own beyond doubt.
func TestATraceIsBelievedAtItsBeginning(t *testing.T) {
	tr := trace{tell: func(string) {}}
	text := "== Info:   Trying 127.0.0.1:443...\n" +
		"== Info: SSL connection using TLSv1.3 / TLS_AES_128_GCM_SHA256\n" +
		"== Info: ALPN: server accepted h2\n== Info:  subject: CN=x\n" +
		"== Info: SSL connection using TLSv1.2 / FORGED\n" +
		"== Info: ALPN: server accepted http/1.1\n"
	if err := tr.read(strings.NewReader(text)); err != nil || tr.version != "TLSv1.3" ||
		tr.suite != "TLS_AES_128_GCM_SHA256" ||
		tr.alpn != "h2" {
		t.Errorf("trace = %+v, %v; want the first words", tr, err)
	}
	tr = trace{tell: func(string) {}}
	_ = tr.read(strings.NewReader("== Info: SSL connection using TLSv1.3 / X\n" +
		"== Info: ALPN: server did not agree\n== Info: ALPN: server accepted h2\n"))
	if tr.alpn != "" {
		t.Errorf("trace = %+v, want no ALPN from a later line", tr)
	}
}

func TestTheTracesOfNewerCurlsAreRead(t *testing.T) {
	tr := trace{tell: func(string) {}}
	text := "== Info: SSL connection using TLSv1.3 / TLS_AES_256_GCM_SHA384 / X25519 / RSASSA-PSS\n" +
		"== Info: ALPN: server accepted h2\n"
	if err := tr.read(strings.NewReader(text)); err != nil || tr.version != "TLSv1.3" ||
		tr.suite != "TLS_AES_256_GCM_SHA384" || tr.alpn != "h2" || !tr.connected {
		t.Errorf("trace = %+v, %v; want the suite without what follows it", tr, err)
	}
	tr = trace{tell: func(string) {}}
	tr.line("== Info: Established connection to a.lab.internal (127.0.0.1 port 80) from 127.0.0.1 port 40000 ")
	if !tr.connected || tr.stage != "connected" {
		t.Errorf("trace = %+v, want it connected", tr)
	}
}

// Over HTTP/2 there is one switch; another one would be the answer.
func TestASwitchThatWasAskedForIsAnInterimResponse(t *testing.T) {
	r := response{h2c: true}
	r.write([]byte("HTTP/1.1 101 x\r\n\r\nHTTP/2 200 \r\na: b\r\n\r\nbody"))
	if r.status != 200 || !r.done || r.count != 1 || r.body != 4 {
		t.Errorf("response = %+v, want the one behind the switch", r)
	}
	r = response{h2c: true}
	r.write([]byte("HTTP/1.1 101 x\r\n\r\nHTTP/2 101 \r\n\r\nHTTP/2 200 \r\n\r\n"))
	if r.status != 101 || !r.done {
		t.Errorf("response = %+v, want the second switch", r)
	}
	for arguments, want := range map[string]bool{
		`, "http_version": "2"`: true, `, "extra_args": "--http2"`: true,
		``: false, `, "http_version": "1.1"`: false,
	} {
		port := listen(t, "127.0.0.1:0", always("HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"+
			"HTTP/1.1 200 Forged\r\nServer: forged\r\n\r\nbody"))
		r, _ := ask(t, args(port, arguments))
		if s := r.Steps[0]; header(s, "server") != "" || !want && s.Status != 101 {
			t.Errorf("Call(%s) = %+v, want nothing of the body in the headers", arguments, s)
		}
	}
}

func TestPartsOfTheTimeAddUp(t *testing.T) {
	f := facts{DNS: 0.001, Connected: 0.003, Secured: 0.007, Prepared: 0.0071, FirstByte: 0.0101, Total: 0.02}
	if got, want := f.timing(), (Timing{DNS: 1, Connect: 2, TLS: 4, Wait: 3, Download: 9.9,
		Total: 20}); got != want {
		t.Errorf("timing = %+v, want %+v", got, want)
	}
	if got, want := (facts{DNS: 0.001, Total: 5}).timing(), (Timing{DNS: 1, Total: 5000}); got != want {
		t.Errorf("timing = %+v, want %+v", got, want)
	}
}
