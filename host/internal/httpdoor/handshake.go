package httpdoor

import (
	"context"
	"log"
	"net/netip"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// serverLog takes what net/http has to say. Of a handshake that fails it says it nowhere else, and one fails when a
// client's certificate is not good: that is a refusal like others. Whoever only opens a connection, as port scanners and
// health checks do, is none.
type serverLog struct{ d *Door }

const handshakeFailed = "http: TLS handshake error from "

func (d *Door) serverLog() *log.Logger { return log.New(serverLog{d}, "", 0) }

func (l serverLog) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	l.d.cfg.Logger.DebugContext(context.Background(), text)
	rest, failed := strings.CutPrefix(text, handshakeFailed)
	remote, why, _ := strings.Cut(rest, ": ")
	if _, err := netip.ParseAddrPort(remote); err != nil || !failed || ofTransport(why) {
		return len(p), nil
	}
	l.d.refusedHandshake(addressOf(remote), why)
	return len(p), nil
}

// ofTransport tells the end of a connection from what TLS has to say of it.
func ofTransport(why string) bool { return why == "EOF" || !strings.Contains(why, "tls: ") }

func (d *Door) refusedHandshake(remote, why string) {
	if d.cfg.Refused == nil {
		return
	}
	d.cfg.Refused(Refusal{
		Origin: origin.Origin{Door: origin.REST, Remote: remote}, Method: "TLS", Route: "handshake",
		Err: tool.Errorf(tool.KindUnauthenticated, "%s", clip(why)),
	})
}
