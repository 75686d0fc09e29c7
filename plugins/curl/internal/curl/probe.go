package curl

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// probe is one call: the request that is under way, and the steps before it. What is read of one run is
// spread over three parts, as three goroutines read it; they meet when the run has ended.
type probe struct {
	hop      hop
	insecure bool
	h2c      bool // HTTP/2 is asked for by an upgrade, where the scheme is http
	progress func(sdk.Progress)
	report   Report

	most    int             // redirects to follow
	start   hop             // the request that the caller asked for
	asked   map[string]bool // method and URL -> it was asked for
	pending bool            // the last step's redirect leads to hop, whose request has not begun

	open     bool // the run has no step yet
	response response
	trace    trace
	stderr   []byte
	told     int64 // bytes of the body, at the last progress
}

func open(j *command.Job, progress func(sdk.Progress)) command.Reader {
	p := &probe{
		hop: first(j), start: first(j), insecure: j.Has("--insecure"),
		progress: progress, asked: make(map[string]bool),
	}
	if o, ok := j.Option("--max-redirs"); ok {
		p.most = int(o.Value.Int)
	}
	v, _ := j.Value("http_version")
	p.h2c = j.Has("--http2") || v.Text == "2"
	p.begin()
	j.State = p
	return command.Reader{
		Stdout: p.stdout, Stderr: p.complain, Report: func(r io.Reader) error { return p.trace.read(r) },
		Next: func(int) { p.next() }, Data: p.data,
	}
}

// begin makes room for what the run of p.hop brings.
func (p *probe) begin() {
	p.asked[p.hop.method+" "+p.hop.url()] = true
	p.open, p.response, p.stderr, p.told = true, response{}, nil, 0
	p.response.h2c = p.h2c && p.hop.scheme == "http"
	p.trace = trace{tell: func(stage string) { p.tell(stage) }}
}

// next is told when the run to which a redirect led begins.
func (p *probe) next() {
	p.pending = false
	p.report.Steps[len(p.report.Steps)-1].Redirect.Followed = true
	p.report.Followed++
	p.begin()
}

// tell is progress: requests that are behind us of those that may come, and what happens now.
func (p *probe) tell(what string) {
	done, all := len(p.report.Steps), p.most+1
	p.progress(sdk.Progress{
		Task: "curl", Percent: 100 * float64(done) / float64(all), Done: int64(done), Total: int64(all),
		Message: fmt.Sprintf("%s: %s", sdk.Untrusted(clip(p.hop.url())).Clean(), what),
	})
}

// moreBytes is how much of a body is worth the first word of progress; then it is each time it has doubled.
const moreBytes = 64 << 10

func (p *probe) stdout(chunk []byte) {
	r := &p.response
	if r.write(chunk) {
		p.tell(fmt.Sprintf("status %d, %d headers", r.status, r.count))
	}
	if r.body >= max(2*p.told, moreBytes) {
		p.told = r.body
		p.tell(fmt.Sprintf("%d bytes of the body", r.body))
	}
}

func (p *probe) complain(chunk []byte) {
	p.stderr = append(p.stderr, chunk[:min(len(chunk), maxFacts-len(p.stderr))]...)
}

// data is the report, whatever the last run ended with.
func (p *probe) data(o sandbox.Outcome) (any, error) {
	err := p.finish(o)
	p.abandon("the call had no time, or no leave, for another request")
	if n := len(p.report.Steps); n > 0 {
		last := &p.report.Steps[n-1]
		p.report.Status, p.report.URL, p.report.Failure = last.Status, last.URL, last.Failure
	}
	return p.report, err
}

// abandon says why a redirect that was to be followed was not.
func (p *probe) abandon(why string) {
	if p.pending {
		p.pending = false
		p.report.Steps[len(p.report.Steps)-1].Redirect.Why = sdk.Untrusted(why)
	}
}

// finish makes the step of a run that has ended. An error is that of a curl that could not do its work.
func (p *probe) finish(o sandbox.Outcome) error {
	if !p.open {
		return nil
	}
	p.open = false
	f, err := parseFacts(p.stderr)
	s := p.step()
	ended := !o.TimedOut && !o.Cancelled && o.Signal == 0
	switch {
	case err == nil:
		p.account(&s, f)
	case !ended: // there was no time for it
		s.Failure = "the request was ended under way: " + ending(s.Status, p.trace.stage)
	case broken(facts{ExitCode: o.ExitCode}) == nil && bytes.HasPrefix(p.stderr, []byte("{")):
		p.unread(&s, o.ExitCode)
	default:
		return sdk.Errorf(sdk.KindExecution, "curl ended with %d, and told nothing of the request", o.ExitCode).
			Suggest("call again; if it happens again, let the operator see whether curl works on the host's machine")
	}
	p.report.Steps = append(p.report.Steps, s)
	return broken(f)
}

// unread notes that of curl's words its exit code alone is known. They have texts of the server's in them,
// which can make them as large as it likes.
func (p *probe) unread(s *Step, code int) {
	what := "could not be read"
	if len(p.stderr) == maxFacts {
		what = "was too large"
	}
	s.Failure, s.FailureCode = "curl's account of the request "+what, code
	if code != 0 {
		s.Failure += "; it ended because: " + failure(facts{ExitCode: code})
	}
	if s.TLS != nil {
		s.TLS.Problem = sdk.Untrusted("not known: curl's account of the request " + what)
	}
}

// ending says how far a request was.
func ending(status int, stage string) string {
	switch {
	case status > 0:
		return "the headers had come"
	case stage == "":
		return "it had not begun"
	}
	return stage
}

// step is what the response says.
func (p *probe) step() Step {
	r, h := &p.response, p.hop
	s := Step{
		URL: sdk.Untrusted(h.url()), Method: h.method, Address: h.target.Literal(), Port: h.port,
		Headers: r.headers, HeaderCount: r.count, Truncated: r.truncated, BodyBytes: r.body,
	}
	if r.started {
		s.Status, s.Reason, s.HTTPVersion = r.status, sdk.Untrusted(r.reason), clip(r.version)
	}
	if h.scheme == "https" && p.trace.connected {
		s.TLS = &TLS{Version: p.trace.version, Suite: p.trace.suite, ALPN: p.trace.alpn}
	}
	return s
}

// account adds curl's own words, which are of more weight.
func (p *probe) account(s *Step, f facts) {
	s.Status, s.HTTPVersion = f.Status, httpVersion(f.Version)
	s.HeaderBytes, s.BodyBytes = f.Headers, f.Body
	s.Timing = f.timing()
	s.Truncated = s.Truncated || f.Headers > 0 && !p.response.done
	if f.ExitCode != 0 {
		s.Failure, s.FailureCode, s.Detail = failure(f), f.ExitCode, sdk.Untrusted(clip(f.Error))
	}
	if s.TLS == nil && p.hop.scheme == "https" && f.Connected > 0 { // newer traces do not tell of it by then
		s.TLS = new(TLS)
	}
	if s.TLS != nil {
		p.secure(s.TLS, f, time.Now())
	}
}

// httpVersion is curl's number; it has 0 where there was no response.
func httpVersion(v string) string {
	switch v {
	case "1", "1.0":
		return "1.0"
	case "1.1", "2", "3":
		return v
	}
	return ""
}

// secure tells of the certificate. Where curl was to go on in spite of it nobody has looked at it yet.
func (p *probe) secure(t *TLS, f facts, now time.Time) {
	chain := f.chain()
	if len(chain) > 0 {
		t.Certificate = certificate(chain[0], now)
	}
	why := ""
	switch {
	case f.Secured == 0:
		why = "the handshake was not completed"
		if f.Error != "" {
			why += ": " + f.Error
		}
	case p.insecure:
		why = distrust(chain, p.hop.host, now)
	}
	t.Verified, t.Problem = why == "", sdk.Untrusted(clip(why))
}
