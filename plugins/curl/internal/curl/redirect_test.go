package curl

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// paths are what was asked for, in order, and by which Host.
type paths struct {
	mu  sync.Mutex // guards all
	all []string
}

func (p *paths) add(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, r.Host+r.RequestURI)
}

func (p *paths) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.all)
}

func TestRedirectsAreFollowedInsideTheScope(t *testing.T) {
	var seen paths
	var other http.Header
	second := listen(t, "127.0.0.2:0", answering(func(r *http.Request) string {
		seen.add(r)
		other = r.Header
		return reply("200 OK", "", "there\n")
	}))
	port := listen(t, "127.0.0.1:0", answering(func(r *http.Request) string {
		seen.add(r)
		if r.URL.Path == "/" {
			return reply("301 Moved", "Location: next?x=1#part\r\n", "moved\n")
		}
		return reply("302 Found", fmt.Sprintf("Location: http://B.lab.internal:%d/x\r\n", second), "found\n")
	}))
	b := bench(t, sdktest.Options{})
	res, err := b.Call(t.Context(), "CurlTool", fmt.Sprintf(`{
		"target": "a.lab.internal", "scheme": "http", "port": %d,
		"max_redirects": 5, "headers": ["X-Secret: 1"]}`, port))
	if err != nil {
		t.Fatal(err)
	}
	r := report(t, res)
	want := []string{
		fmt.Sprintf("a.lab.internal:%d/", port), fmt.Sprintf("a.lab.internal:%d/next?x=1", port),
		fmt.Sprintf("b.lab.internal:%d/x", second),
	}
	if got := seen.seen(); !slices.Equal(got, want) {
		t.Errorf("the servers saw %q, want %q", got, want)
	}
	if r.Followed != 2 || len(r.Steps) != 3 || r.Status != 200 || r.Steps[2].Address != "127.0.0.2" ||
		!r.Steps[0].Redirect.Followed || !r.Steps[1].Redirect.Followed || r.Steps[2].Redirect != nil {
		t.Errorf("report = %+v, want two redirects followed", r)
	}
	if other.Get("X-Secret") != "" {
		t.Errorf("another origin got %v, want none of the caller's headers", other)
	}
	for _, e := range b.Executed() {
		if i := slices.Index(e.Argv, "--connect-to"); i < 0 || slices.Contains(e.Argv, "-L") {
			t.Errorf("executed %q, want it pinned, and without -L", e.Argv)
		}
	}
}

// Scheme and port alone do not make an origin; and whoever leads back to the first one gets there with all.
func TestTheCallersHeadersStayWithTheFirstOrigin(t *testing.T) {
	for _, other := range []string{"b.lab.internal", "127.0.0.2"} {
		var mu sync.Mutex // guards got
		got := make(map[string]string)
		note := func(r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			got[r.RequestURI] = r.Header.Get("X-Secret")
		}
		port := listen(t, "127.0.0.1:0", answering(func(r *http.Request) string {
			note(r)
			if r.URL.Path == "/back" {
				return reply("200 OK", "", "")
			}
			_, port, _ := strings.Cut(r.Host, ":")
			return reply("302 Found", fmt.Sprintf("Location: http://%s:%s/other\r\n", other, port), "")
		}))
		listen(t, fmt.Sprintf("127.0.0.2:%d", port), answering(func(r *http.Request) string {
			note(r)
			return reply("302 Found", fmt.Sprintf("Location: http://127.0.0.1:%d/back\r\n", port), "")
		}))
		r, _ := ask(t, args(port, `, "max_redirects": 3, "headers": ["X-Secret: 1"]`))
		mu.Lock()
		want := map[string]string{"/": "1", "/other": "", "/back": "1"}
		if r.Status != 200 || !maps.Equal(got, want) {
			t.Errorf("over %s: the servers got %v, want %v; report = %+v", other, got, want, r)
		}
		mu.Unlock()
	}
}

// Where a response leads is not known when its headers were not seen whole.
func TestARedirectOfWhichTooLittleWasSeenIsNotFollowed(t *testing.T) {
	for _, c := range []struct{ seen, location string }{
		{"", ""}, {"HTTP/1.1 302 Found\r\nA: b\r\n", ""}, {"HTTP/1.1 302 Found\r\nLocation: /x\r\nLoca", "/x"},
	} {
		p := newProbe("http")
		p.most = 3
		p.stdout([]byte(c.seen))
		p.complain([]byte(`{"exitcode":0,"response_code":302,"size_header":99}`))
		more, err := again(t.Context(), &command.Job{State: p}, sandbox.Outcome{})
		s := p.report.Steps[0]
		if more || err != nil || s.Redirect == nil || string(s.Redirect.Location) != c.location ||
			!strings.HasPrefix(string(s.Redirect.Why), "the headers were not seen: ") {
			t.Errorf("again() behind %q = %t, %v; redirect = %+v, want why it is not followed", c.seen, more, err,
				s.Redirect)
		}
	}
}

// Whatever a server writes, no connection goes to where nobody allowed one; and the report says why.
func TestRedirectsThatAreNotFollowed(t *testing.T) {
	const most = 5
	b := bench(t, sdktest.Options{Timeout: 30 * time.Second})
	for _, c := range []struct{ location, why string }{
		{"http://192.0.2.1/", "192.0.2.1"},
		{"http://169.254.169.254/latest/meta-data/", "169.254.169.254"},
		{"//192.0.2.1/x", "192.0.2.1"},
		{"http://2130706433/", "neither a name nor an IPv4 address"},
		{"http://0x7f000001/", "neither"},
		{"http://0177.0.0.1/", "neither"},
		{"http://127.1/", "neither"},
		{"http://127.0.0.1.:80/", "neither"},
		{"http://[::1]/", "neither"},
		{"http://[::ffff:192.0.2.1]/", "neither"},
		{"http://far.lab.internal/", "192.0.2.1"},
		{"http://half.lab.internal/", "192.0.2.1"},
		{"http://unknown.lab.internal/", "unknown.lab.internal"},
		{"http://example.com/", "example.com"},
		{"http://192.0.2.1%2f@a.lab.internal/", "user"},
		{"http://user:pw@127.0.0.1/", "user"},
		{"http://@127.0.0.1/", "user"},
		{"file:///etc/passwd", "file is not spoken"},
		{"gopher://127.0.0.1:25/_HELO", "gopher is not spoken"},
		{"javascript:alert(1)", "javascript is not spoken"},
		{"http:a.lab.internal", "no host"},
		{"http:///x", "no host"},
		{"http://127.0.0.1:0/", "port"},
		{"http://127.0.0.1:99999/", "port"},
		{"http://127.0.0.1:8x/", "no URL"},
		{"http://a\x01.lab.internal/", "byte"},
		{"http://a.lab.internal\t/", "byte"},
		{"/x\x7f", "byte"},
		{"/\xff\xfe", "byte"},
		{"/a b", "byte"},
		{`\\192.0.2.1\x`, "byte"},
		{`http://192.0.2.1\@127.0.0.1/`, "byte"},
		{"/{a,b}", "byte"},
		{"http://127.0.0.[1-9]/", "no URL"},
		{"/%zz", "no URL"},
		{"/?%zz", "hexadecimal"},
		{"/" + strings.Repeat("a", maxPath), "allowed are"},
		{"/" + strings.Repeat("a", 64<<10), "too long"},
		{"/", "circle"},
		{"#part", "circle"},
	} {
		var seen paths
		port := listen(t, "127.0.0.1:0", answering(func(r *http.Request) string {
			seen.add(r)
			return reply("302 Found", "Location: "+c.location+"\r\n", "")
		}))
		before := len(b.Executed())
		res, err := b.Call(t.Context(), "CurlTool", args(port, fmt.Sprintf(`, "max_redirects": %d`, most)))
		if err != nil {
			t.Errorf("Location %.80q: Call() = %v", c.location, err)
			continue
		}
		r := report(t, res)
		s := r.Steps[0]
		if len(r.Steps) != 1 || len(b.Executed()) != before+1 || len(seen.seen()) != 1 || r.Followed != 0 {
			t.Errorf("Location %.80q: %d steps, executed %d; want it not followed: %+v", c.location, len(r.Steps),
				len(b.Executed())-before, s.Redirect)
			continue
		}
		if s.Redirect == nil || s.Redirect.Followed || !strings.Contains(string(s.Redirect.Why), c.why) {
			t.Errorf("Location %.80q: redirect = %+v, want it not followed because of %q", c.location, s.Redirect,
				c.why)
		}
	}
}

func TestHowOftenAndHowARedirectIsFollowed(t *testing.T) {
	n := 0
	counting := answering(func(*http.Request) string {
		n++
		return reply("307 Temporary", fmt.Sprintf("Location: /%d\r\n", n), "")
	})
	port := listen(t, "127.0.0.1:0", counting)
	for _, most := range []int{0, 1, 9} {
		r, _ := ask(t, args(port, fmt.Sprintf(`, "max_redirects": %d, "method": "HEAD"`, most)))
		last := r.Steps[len(r.Steps)-1]
		if len(r.Steps) != most+1 || r.Followed != most || last.Method != "HEAD" || last.Redirect == nil ||
			last.Redirect.Followed || !strings.Contains(string(last.Redirect.Why),
			fmt.Sprintf("max_redirects is %d", most)) {
			t.Errorf("max_redirects %d: report = %+v, want as many followed", most, r)
		}
	}
	for _, c := range []struct {
		status, headers, method string
		want                    string // the method of the second request; empty: there is none
	}{
		{"303 See Other", "Location: /x\r\n", "OPTIONS", "GET"},
		{"303 See Other", "Location: /x\r\n", "HEAD", "HEAD"},
		{"301 Moved", "Location: /x\r\n", "OPTIONS", "OPTIONS"},
		{"308 Permanent", "Location: /x\r\nLocation: /x\r\n", "GET", "GET"},
		{"302 Found", "Location: /x\r\nLocation: /y\r\n", "GET", ""},
		{"302 Found", "X: y\r\n", "GET", ""},
		{"304 Not Modified", "Location: /x\r\n", "GET", ""},
		{"201 Created", "Location: /x\r\n", "GET", ""},
	} {
		first := true
		port := listen(t, "127.0.0.1:0", answering(func(*http.Request) string {
			if first {
				first = false
				return "HTTP/1.1 " + c.status + "\r\n" + c.headers + "Content-Length: 0\r\nConnection: close\r\n\r\n"
			}
			return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
		}))
		r, _ := ask(t, args(port, `, "max_redirects": 3, "method": "`+c.method+`"`))
		got := ""
		if len(r.Steps) > 1 {
			got = r.Steps[1].Method
		}
		if got != c.want {
			t.Errorf("%s, %q, %s: the second request is %q, want %q", c.status, c.headers, c.method, got, c.want)
		}
	}
}

// A name is resolved once; and a name that the caller made up is the target's, wherever it may lead
// elsewhere.
func TestANameStaysWhereItWasPinned(t *testing.T) {
	var seen paths
	port := listen(t, "127.0.0.1:0", answering(func(r *http.Request) string {
		seen.add(r)
		if r.URL.Path == "/" {
			return reply("302 Found", "Location: http://"+r.Host+"/in\r\n", "")
		}
		return reply("200 OK", "", "")
	}))
	r, _ := ask(t, args(port, `, "max_redirects": 3, "server_name": "Shop.example"`))
	if len(r.Steps) != 2 || r.Steps[1].Address != "127.0.0.1" || r.Status != 200 {
		t.Errorf("report = %+v, want the redirect followed to the target", r)
	}
	want := fmt.Sprintf("shop.example:%d/in", port)
	if got := seen.seen(); len(got) != 2 || got[1] != want {
		t.Errorf("the server saw %q, want %s at the end", got, want)
	}
}

func TestALeaveIsForOneRequest(t *testing.T) {
	port := listen(t, "127.0.0.1:0", always(reply("302 Found", "Location: /x\r\n", "")))
	b := bench(t, sdktest.Options{})
	arguments := args(port, `, "max_redirects": 3`)
	p := b.Plan("CurlTool", arguments)
	res, err := b.Handler().Call(t.Context(), sdk.Request{
		Tool: "CurlTool", Arguments: []byte(arguments), Targets: p.Targets, MaxStdout: 1000, MaxStderr: 1000,
		Deadline: time.Now().Add(time.Minute), Grant: &sdk.Grant{Program: p.Program, Argv: p.Argv},
	}, func(sdk.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	if r := report(t, res); len(r.Steps) != 1 || r.Followed != 0 || r.Steps[0].Redirect.Followed ||
		r.Steps[0].Redirect.Why == "" {
		t.Errorf("report = %+v, want one step, and why the redirect was not followed", r)
	}
}

func FuzzResolve(f *testing.F) {
	for _, seed := range []string{
		"/", "x", "?q", "//h/", "http://a.b:80/x?y#z", "HTTPS://10.0.0.1", "http://u@h/", `http://a\@b/`,
		"http://[::1]/",
		"http://0x7f.1/", "file:///x", "..//..", "http://a%2eb/", "http:/x", "/%41%zz", "http://10.0.0.1:80:80/",
	} {
		f.Add(seed)
	}
	base := hop{scheme: "https", host: "a.lab.internal", port: 443, path: "/dir/page?q=1", method: "GET"}
	f.Fuzz(func(t *testing.T, location string) {
		next, err := base.resolve(location)
		if err != nil {
			return
		}
		u, err := url.Parse(next.url())
		if err != nil || u.Host != next.authority() || u.User != nil || u.Fragment != "" || u.Opaque != "" ||
			u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("resolve(%q) = %s, which is read as %+v, %v", location, next.url(), u, err)
		}
		if err := checkPath(next.path); err != nil {
			t.Errorf("resolve(%q) = %s: %v", location, next.url(), err)
		}
		if strings.Trim(next.host, "abcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
			t.Errorf("resolve(%q) has the host %q", location, next.host)
		}
		again, err := base.resolve(next.url())
		if err != nil || again != next {
			t.Errorf("resolve(%q) = %+v, %v; want %+v once more", next.url(), again, err, next)
		}
	})
}
