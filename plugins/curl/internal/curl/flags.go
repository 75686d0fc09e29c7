package curl

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// flags is the table. curl takes any beginning of a long option that is only one option's, letters joined
// (-sSk), and --no- in front of many; none of that is taken here.
func flags() []command.Flag {
	const method, version = "method", "version of HTTP"
	table := []command.Flag{
		// GET is curl's own; HEAD becomes --head, as curl would wait for a body otherwise.
		{Name: "--request", Aliases: []string{"-X"}, Value: command.Enum("GET", "HEAD", "OPTIONS"), Group: method,
			About: "method of the request; GET unless given"},
		{Name: "--head", Aliases: []string{"-I"}, Group: method, About: "the method HEAD"},
		// Never in argv: redirects are followed by the tool.
		{Name: "--max-redirs", Value: command.Int(0, 9), Default: "0",
			About: "redirects to follow, inside the scope"},
		{Name: "--header", Aliases: []string{"-H"}, Value: headerGrammar(), Repeatable: true,
			About: "header to send; one with a blank goes into the argument headers"},
		{Name: "--insecure", Aliases: []string{"-k"}, About: "go on in spite of the certificate"},
		{Name: "--range", Aliases: []string{"-r"}, Value: rangeGrammar(),
			About: "bytes of the body to ask for; a server may not care"},
		{Name: "--max-filesize", Value: command.Int(1, 100<<20), Default: "1048576",
			About: "largest body in bytes; one that is announced as larger is not fetched"},
		{Name: "--connect-timeout", Value: command.Decimal(0.1, 60), Default: "10",
			About: "seconds for the connection, with TLS"},
		{Name: "--max-time", Aliases: []string{"-m"}, Value: command.Decimal(0.1, maxSeconds), Default: "20",
			About: "seconds for each request as a whole; all requests of a call together have 240"},
		{Name: "--http1.0", Aliases: []string{"-0"}, Group: version, About: "HTTP/1.0"},
		{Name: "--http1.1", Group: version, About: "HTTP/1.1"},
		{Name: "--http2", Group: version, About: "HTTP/2 where the server knows it"},
		{Name: "--http2-prior-knowledge", Group: version, About: "HTTP/2 at once"},
		{Name: "--tlsv1.2", Group: "least version of TLS", About: "at least TLS 1.2"},
		{Name: "--tlsv1.3", Group: "least version of TLS", About: "TLS 1.3"},
		{Name: "--tls-max", Value: command.Enum("1.2", "1.3"), About: "newest version of TLS"},
		{Name: "--no-alpn", About: "no ALPN in TLS"},
	}
	for name, why := range implied {
		table = append(table, command.Flag{Name: name, Implied: true, About: why})
	}
	return append(table, refused()...)
}

// implied are always on.
var implied = map[string]string{
	"-s": "no meter of progress, always on", "-i": "headers in the output, always on",
	"-N": "output at once, always on", "-g": "no patterns in the URL, always on",
	"-q":           "no file with settings, always on",
	"--path-as-is": "the path is sent as it is, always on",
}

// maxHeader is the most bytes of one header.
const maxHeader = 1024

// forbidden are headers that callers cannot send: name in lower case -> why.
var forbidden = map[string]string{
	"host":                   "write the argument server_name",
	"authorization":          "credentials have no place in arguments, which are logged and stand in the trail",
	"proxy-authorization":    "credentials have no place in arguments, which are logged and stand in the trail",
	"cookie":                 "credentials have no place in arguments, which are logged and stand in the trail",
	"range":                  "write the argument range",
	"content-length":         "no request has a body here",
	"transfer-encoding":      "no request has a body here",
	"content-type":           "no request has a body here",
	"expect":                 "no request has a body here",
	"connection":             "it is about the connection, which is curl's",
	"proxy-connection":       "it is about the connection, which is curl's",
	"keep-alive":             "it is about the connection, which is curl's",
	"te":                     "it is about the connection, which is curl's",
	"trailer":                "it is about the connection, which is curl's",
	"upgrade":                "it is about the connection, which is curl's",
	"http2-settings":         "it is about the connection, which is curl's",
	"x-http-method":          "it makes another method of the request",
	"x-http-method-override": "it makes another method of the request",
	"x-method-override":      "it makes another method of the request",
}

// headerGrammar is a header that may be sent. A leading @, which makes curl read a file, is in no name.
func headerGrammar() command.Grammar {
	g := command.Header(maxHeader)
	read := g.Read
	g.Read = func(text string, p sdk.Policy) (command.Value, error) {
		v, err := read(text, p)
		if err != nil {
			return v, err
		}
		name, _, _ := strings.Cut(v.Text, ":")
		if why, ok := forbidden[strings.ReplaceAll(strings.ToLower(name), "_", "-")]; ok {
			return v, fmt.Errorf("%s is not sent: %s", name, why)
		}
		return v, nil
	}
	return g
}

// rangeGrammar is one range of bytes; several, and those from the end, are nobody's need here.
func rangeGrammar() command.Grammar {
	whole := command.Int(0, 1<<40)
	return command.Grammar{
		Want: "a range of bytes, such as 0-1023 or 1024-",
		Read: func(text string, p sdk.Policy) (command.Value, error) {
			from, to, dash := strings.Cut(text, "-")
			lo, err := whole.Read(from, p)
			if err != nil || !dash {
				return command.Value{}, errors.New("not of the form from-to")
			}
			if to == "" {
				return command.Value{Text: text}, nil
			}
			hi, err := whole.Read(to, p)
			if err != nil || hi.Int < lo.Int {
				return command.Value{}, errors.New("it does not end behind its beginning")
			}
			return command.Value{Text: text}, nil
		},
	}
}

// pathBytes are what a path and a query consist of (RFC 3986, 3.3 and 3.4).
const pathBytes = command.Alphanumeric + "-._~!$&'()*+,;=:@/?%"

const maxPath = 1024

// pathGrammar is the path of a URL, with its query: nothing in it ends the one or begins the authority of
// another.
func pathGrammar() command.Grammar {
	return command.Grammar{
		Want:  fmt.Sprintf("a path such as /api/health?full=1, at most %d bytes", maxPath),
		Bytes: pathBytes,
		Read: func(text string, _ sdk.Policy) (command.Value, error) {
			return command.Value{Text: text}, checkPath(text)
		},
	}
}

func checkPath(text string) error {
	switch {
	case text == "" || text[0] != '/':
		return errors.New("a path begins with /")
	case len(text) > maxPath:
		return fmt.Errorf("it has %d bytes; allowed are %d", len(text), maxPath)
	}
	for i := range len(text) {
		switch c := text[i]; {
		case strings.IndexByte(pathBytes, c) < 0:
			return fmt.Errorf("%q is not part of a path; write it as %%%02X", c, c)
		case c == '%' && (len(text) < i+3 || strings.Trim(text[i+1:i+3], "0123456789abcdefABCDEF") != ""):
			return errors.New("behind % stand two hexadecimal digits")
		}
	}
	return nil
}
