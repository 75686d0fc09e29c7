package curl

import "github.com/gatehouse-mcp/gatehouse/sdk/command"

// refusals are the options of curl's that nobody may use, with the reason. What is neither here nor in the
// rest of the table is no option, or another spelling of one.
var refusals = []struct {
	why   string
	names []string
}{
	{"no request has a body here: the tool looks, and changes nothing", []string{
		"-d", "--data", "--data-ascii", "--data-binary", "--data-raw", "--data-urlencode", "--json", "-F",
		"--form", "--form-string", "--form-escape", "-T", "--upload-file", "-G", "--get", "-a", "--append",
		"--crlf",
	}},
	{"it reads or writes files of the host", []string{
		"-o", "--output", "-O", "--remote-name", "--remote-name-all", "-J", "--remote-header-name",
		"--output-dir", "--create-dirs", "--create-file-mode", "-R", "--remote-time", "--remove-on-error",
		"--no-clobber", "--xattr", "-K", "--config", "-b", "--cookie", "-c", "--cookie-jar", "-j",
		"--junk-session-cookies", "-D", "--dump-header", "-E", "--cert", "--cert-type", "--key",
		"--key-type", "--pass", "--cacert", "--capath", "--crlfile", "--pinnedpubkey", "-n", "--netrc",
		"--netrc-file", "--netrc-optional", "--etag-compare", "--etag-save", "--alt-svc", "--hsts",
		"--egd-file", "--random-file", "-z", "--time-cond", "-C", "--continue-at", "--libcurl",
	}},
	{"output belongs to the host", []string{
		"-w", "--write-out", "-v", "--verbose", "--trace", "--trace-ascii", "--trace-time", "--stderr",
		"-#", "--progress-bar", "--no-progress-meter", "-S", "--show-error", "--styled-output", "-f",
		"--fail", "--fail-with-body", "--fail-early", "--silent", "--include", "--no-buffer", "--raw",
		"--suppress-connect-headers",
	}},
	{"where a connection goes is the host's to choose", []string{
		"--resolve", "--connect-to", "-x", "--proxy", "--preproxy", "--noproxy", "-p", "--proxytunnel",
		"--proxy1.0", "--proxy-anyauth", "--proxy-basic", "--proxy-digest", "--proxy-header",
		"--proxy-insecure", "--proxy-negotiate", "--proxy-ntlm", "--proxy-user", "-U", "--socks4",
		"--socks4a", "--socks5", "--socks5-hostname", "--interface", "--local-port", "--unix-socket",
		"--abstract-unix-socket", "--haproxy-protocol", "--dns-interface", "--dns-ipv4-addr",
		"--dns-ipv6-addr", "--dns-servers", "--doh-url", "--doh-insecure", "--doh-cert-status",
		"--happy-eyeballs-timeout-ms", "--tcp-fastopen",
	}},
	{"write max_redirects: redirects are followed by the tool, inside the scope", []string{
		"-L", "--location", "--location-trusted",
	}},
	{"how a redirect is followed is not curl's affair here", []string{
		"--post301", "--post302", "--post303", "--proto-redir",
	}},
	{"HTTP and HTTPS are all that is spoken", []string{
		"--proto", "--proto-default", "--http0.9", "--http3", "--http3-only",
	}},
	{"credentials have no place in arguments, which are logged and stand in the trail", []string{
		"-u", "--user", "--basic", "--digest", "--ntlm", "--ntlm-wb", "--negotiate", "--anyauth",
		"--oauth2-bearer", "--aws-sigv4", "--delegation", "--service-name", "--tlsuser", "--tlspassword",
		"--tlsauthtype", "--login-options",
	}},
	{"there is one request in a run", []string{
		"--url", "--url-query", "-:", "--next", "-Z", "--parallel", "--parallel-immediate",
		"--parallel-max", "--rate", "--retry", "--retry-all-errors", "--retry-connrefused", "--retry-delay",
		"--retry-max-time",
	}},
	{"write the argument path", []string{
		"--request-target",
	}},
	{"write the argument headers", []string{
		"-A", "--user-agent", "-e", "--referer",
	}},
	{"what is compressed can become a thousand times as large", []string{
		"--compressed", "--tr-encoding",
	}},
	{"TLSTool finds out which versions and suites a server has", []string{
		"-1", "--tlsv1", "--tlsv1.0", "--tlsv1.1", "-2", "--sslv2", "-3", "--sslv3", "--ciphers",
		"--tls13-ciphers", "--curves", "--ssl-allow-beast", "--cert-status", "--engine", "--false-start",
	}},
	{"only IPv4 is in scope", []string{
		"-6", "--ipv6",
	}},
	{"the rate is the host's to choose", []string{
		"--limit-rate", "-Y", "--speed-limit", "-y", "--speed-time",
	}},
	{"it prints something and does nothing", []string{
		"-h", "--help", "-M", "--manual", "-V", "--version",
	}},
	{"it is for other protocols", []string{
		"-l", "--list-only", "-P", "--ftp-port", "--ftp-pasv", "-Q", "--quote", "-t", "--telnet-option",
		"-B", "--use-ascii", "--mail-from", "--mail-rcpt", "--pubkey", "--ssl", "--ssl-reqd",
	}},
}

func refused() []command.Flag {
	var flags []command.Flag
	for _, r := range refusals {
		for _, name := range r.names {
			flags = append(flags, command.Flag{Name: name, Refused: r.why})
		}
	}
	return flags
}
