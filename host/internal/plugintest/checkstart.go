package plugintest

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

var startChecks = []Check{
	{"handshake", "one line on stdout: versions, a unix socket in the directory given, grpc, its certificate",
		"", checkHandshake},
	{"mutual-tls", "a caller without the host's certificate is not served", "handshake", checkMutualTLS},
	{"cookie", "without the magic cookie it serves nobody, and ends with a status other than 0", "",
		checkCookie},
	{"wrong-version", "it never claims a version of the protocol that it does not speak", "handshake",
		checkVersion},
	{"start", "it shakes hands, and has described itself, within 10 s of its start", "handshake", checkStart},
}

func checkHandshake(ctx context.Context, s *subject) Finding {
	const do = "write exactly one line to stdout, at once, when the socket is open, and nothing before it; " +
		"docs/plugin-authors.md has the fields"
	r, err := s.execute(start{})
	if err != nil {
		return failed("see that this machine can execute the file", "%v", err)
	}
	defer r.close()
	if err := r.shake(ctx, startPatient); err != nil {
		return failed(do, "%v", err)
	}
	switch {
	case r.line.version != wire.ProtocolVersion:
		return failed("answer with the version that the host offers in PLUGIN_PROTOCOL_VERSIONS",
			"it says version %d of the protocol; the host speaks %d", r.line.version, wire.ProtocolVersion)
	case r.line.certificate == nil:
		return failed("make a certificate for localhost, and write it as the sixth field: DER, base64, no padding",
			"there is no certificate in the line, although the host gave its own in PLUGIN_CLIENT_CERT")
	}
	if err := r.connect(ctx); err != nil {
		return failed("listen on the socket before the line is written, and serve gRPC over TLS there",
			"the line is good, and nobody answers: %v", err)
	}
	return passed("one line, protocol %d, unix socket, certificate; it answers", r.line.version)
}

func checkMutualTLS(ctx context.Context, s *subject) Finding {
	r, err := s.execute(start{})
	if err != nil {
		return failed("", "%v", err)
	}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return failed("", "%v", err)
	}
	other, err := newHostSide()
	if err != nil {
		return failed("", "make a certificate: %v", err)
	}
	const do = "demand a client certificate, and trust the one in PLUGIN_CLIENT_CERT alone"
	switch {
	case r.serves(ctx) == nil:
		return failed(do, "a caller without a certificate was served")
	case r.serves(ctx, other.pair) == nil:
		return failed(do, "a caller with a certificate that it made itself was served")
	}
	if err := r.serves(ctx, r.side.pair); err != nil { // who serves nobody turns nobody away
		return failed("turn a caller away, and go on", "after two strangers it does not serve the host: %v", err)
	}
	return passed("callers without the host's certificate are turned away, and the host is served")
}

// serves says why a caller with a certificate, or without any, is not served. Slowness is another check's
// affair.
func (r *raw) serves(ctx context.Context, own ...tls.Certificate) error {
	conn, err := r.dial(own...)
	if err != nil {
		return err
	}
	defer conn.Close() // nothing is under way
	ctx, cancel := context.WithTimeout(ctx, startPatient)
	defer cancel()
	_, err = wire.NewClient(conn).Describe(ctx)
	return err
}

func checkCookie(ctx context.Context, s *subject) Finding {
	if f := s.turnsAway(ctx, "with a wrong cookie", start{stranger: true, cookie: "1"}); f.Verdict != Pass {
		return f
	}
	return s.turnsAway(ctx, "without the cookie", start{stranger: true})
}

// turnsAway sees that the plugin does not serve who starts it so.
func (s *subject) turnsAway(ctx context.Context, so string, o start) Finding {
	const do = "when the environment has not GATEHOUSE_PLUGIN with the magic value, say on stderr what the " +
		"program is, and exit with 1"
	r, err := s.execute(o)
	if err != nil {
		return failed(do, "%v", err)
	}
	defer r.close()
	if !r.ends(ctx, askLimit) {
		if line, ok := r.stdout.firstLine(); ok {
			return failed(do, "started %s it runs, and printed %q", so, clip(line, 80))
		}
		return failed(do, "started %s it still runs %s later", so, askLimit)
	}
	line, _ := r.stdout.firstLine()
	switch _, err := parseHandshake(line, r.dir); {
	case err == nil:
		return failed(do, "started %s it shakes hands", so)
	case r.state.Success():
		return failed(do, "started %s it ends with status 0, as if all were well", so)
	}
	return passed("started %s it ends after %s: %s", so, took(time.Since(r.started)), r.state)
}

// unknownVersion is a version of the protocol that there is not yet.
const unknownVersion = 99

func checkVersion(ctx context.Context, s *subject) Finding {
	const do = "compare PLUGIN_PROTOCOL_VERSIONS with the versions that the plugin speaks; when none of them " +
		"is there, say so on stderr and exit with 1"
	r, err := s.execute(start{versions: fmt.Sprint(unknownVersion)})
	if err != nil {
		return failed(do, "%v", err)
	}
	defer r.close()
	err = r.shake(ctx, startPatient)
	switch {
	case err != nil && !r.ends(ctx, time.Second):
		return failed(do, "offered version %d alone: %v", unknownVersion, err)
	case err != nil && r.state.Success():
		return failed(do, "offered version %d alone it ends with status 0, as if all were well", unknownVersion)
	case err != nil:
		return passed("offered version %d alone it ends: %s", unknownVersion, r.state)
	case r.line.version == unknownVersion:
		return failed(do, "offered version %d alone it claims to speak it", unknownVersion)
	}
	return passed("offered version %d alone it says that it speaks %d, and the host refuses it", unknownVersion,
		r.line.version)
}

func checkStart(ctx context.Context, s *subject) Finding {
	const do = "do at the start what the handshake needs, and nothing else: look for programs, read files and " +
		"make connections when the first call comes"
	r, err := s.execute(start{})
	if err != nil {
		return failed(do, "%v", err)
	}
	defer r.close()
	if err := r.connect(ctx); err != nil {
		return failed(do, "%v", err)
	}
	line := time.Since(r.started)
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	if _, err := r.rpc.Describe(ctx); err != nil {
		return failed(do, "it has shaken hands after %s, and then does not describe itself: %v", took(line), err)
	}
	described := time.Since(r.started)
	if err := r.rpc.Configure(ctx, s.policy()); err != nil && tool.KindOf(err) == tool.KindTimeout {
		return failed(do, "it has described itself after %s, and then cannot be configured: %v", took(described),
			err)
	}
	f := passed("it serves after %s, is described after %s, ready for its first call after %s", took(line),
		took(described), took(time.Since(r.started)))
	if described > startWarning {
		return f.warn("a start of more than %s is noticed by people: every restart and every upgrade waits for it",
			startWarning)
	}
	return f
}

// took is a duration as people read it.
func took(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}

// fromTheFuture is a message with a field that no version of the contract has yet.
func fromTheFuture() proto.Message {
	m := new(emptypb.Empty)
	unknown := protowire.AppendTag(nil, 15000, protowire.BytesType)
	m.ProtoReflect().SetUnknown(protowire.AppendString(unknown, "from a newer host"))
	return m
}
