package curl

import (
	"net"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// hop is one request of a call: the first one, or one that a redirect led to.
type hop struct {
	scheme string
	host   string // name or address, as it stands in the URL, in lower case
	port   int
	path   string // with the query
	method string
	target sdk.Target // where the connection goes
}

func (h hop) url() string { return h.scheme + "://" + h.authority() + h.path }

// authority is the host, with its port where that is not the usual one.
func (h hop) authority() string {
	if h.port == usualPort(h.scheme) {
		return h.host
	}
	return net.JoinHostPort(h.host, strconv.Itoa(h.port))
}

// origin says who a server is (RFC 6454), and at which address: a name alone may be had by several.
func (h hop) origin() string {
	return h.scheme + "://" + net.JoinHostPort(h.host, strconv.Itoa(h.port)) + " " + h.target.Literal()
}

func usualPort(scheme string) int {
	if scheme == "http" {
		return 80
	}
	return 443
}

// first is the request that the caller asked for.
func first(j *command.Job) hop {
	h := hop{scheme: "https", path: "/", method: "GET", target: j.Target, host: hostOf(j.Target)}
	if v, ok := j.Value("scheme"); ok {
		h.scheme = v.Text
	}
	h.port = usualPort(h.scheme)
	if v, ok := j.Value("port"); ok {
		h.port = int(v.Int)
	}
	if v, ok := j.Value("path"); ok {
		h.path = v.Text
	}
	if v, ok := j.Value("server_name"); ok {
		h.host = v.Text
	}
	if o, ok := j.Option("--request"); ok {
		h.method = o.Value.Text
	}
	if j.Has("--head") {
		h.method = "HEAD"
	}
	return h
}

// hostOf is what a URL calls a target: its name, where it has one that a URL can have.
func hostOf(t sdk.Target) string {
	name := strings.ToLower(t.Label)
	if isName(name) {
		return name
	}
	return t.Literal()
}

// isName reports whether a text is the name of a host, and nothing that curl could take for an address.
func isName(text string) bool {
	_, err := command.Name(command.Underscores).Read(text, sdk.Policy{})
	return err == nil
}

// current is the request that the job is about now.
func current(j *command.Job) hop {
	if p, ok := j.State.(*probe); ok {
		return p.hop
	}
	return first(j)
}

// started is the request that the caller asked for, also when redirects have moved the target of the job.
func started(j *command.Job) hop {
	if p, ok := j.State.(*probe); ok {
		return p.start
	}
	return first(j)
}

// validate holds a request to what is about more than one argument.
func validate(j *command.Job) error {
	if n := len(headers(j)) / 2; n > maxSent {
		return sdk.Errorf(sdk.KindValidation, "%d headers; allowed are %d", n,
			maxSent).Suggest("send fewer of them")
	}
	if _, ok := j.Value("http_version"); ok {
		for _, o := range j.Options() {
			if strings.HasPrefix(o.Flag.Name, "--http") {
				return sdk.Errorf(sdk.KindValidation, "http_version and %s are both given: they say the same thing",
					o.Flag.Name).Suggest("choose one: leave out http_version, or %s", o.Flag.Name)
			}
		}
	}
	if o, ok := j.Option("--tls-max"); ok && o.Value.Text == "1.2" && j.Has("--tlsv1.3") {
		return sdk.Errorf(sdk.KindValidation, "--tlsv1.3 and --tls-max 1.2 leave no version of TLS").
			Suggest("leave out --tlsv1.3, or --tls-max 1.2")
	}
	return inTime(j)
}

// maxSeconds are for all requests of a call together. The default deadline of a call is a minute later, so
// that a slow server is an ordinary result, and not the end of the call.
const maxSeconds = 240

// inTime holds the requests to the time of a call.
func inTime(j *command.Job) error {
	each, _ := j.Option("--max-time")
	redirects, _ := j.Option("--max-redirs")
	n := redirects.Value.Int + 1
	if all := each.Value.Number * float64(n); all > maxSeconds {
		return sdk.Errorf(sdk.KindValidation, "%d requests of %s seconds each may take %v seconds; allowed are %d",
			n, each.Value.Text, all, maxSeconds).
			Suggest("with max_redirects %d choose a max_time_sec of at most %d, and a timeout_sec that fits",
				redirects.Value.Int, maxSeconds/n)
	}
	return nil
}

// maxSent is how many headers a caller may choose.
const maxSent = 20

// headers are those that the caller chose, as curl takes them.
func headers(j *command.Job) (args []string) {
	for _, o := range j.Options() {
		if o.Flag.Name == "--header" {
			args = append(args, o.Args()...)
		}
	}
	return args
}

// ownForm are the options that argv has in another form, or not at all.
var ownForm = []string{"--request", "--head", "--header", "--max-redirs"}

// argv writes the options of the request that is next. The headers that the caller chose go to the origin
// that the caller chose: they may hold what is nobody else's business.
func argv(j *command.Job) []string {
	h := current(j)
	args := j.Args(ownForm...)
	if v, ok := j.Value("http_version"); ok {
		args = explained(j, args, "argument http_version", "--http"+v.Text)
	}
	switch h.method {
	case "HEAD":
		args = explained(j, args, "the method HEAD", "--head")
	case "OPTIONS":
		args = explained(j, args, "the method", "--request", h.method)
	}
	if h.origin() == started(j).origin() {
		args = append(args, headers(j)...)
	}
	return explained(j, args, "the connection goes to the pinned address, whatever the URL says",
		"--connect-to", "::"+net.JoinHostPort(h.target.Literal(), strconv.Itoa(h.port)))
}

func explained(j *command.Job, args []string, why string, words ...string) []string {
	j.Explain(why, words...)
	return append(args, words...)
}

// operands is the URL alone.
func operands(j *command.Job) []string { return []string{"--", current(j).url()} }
