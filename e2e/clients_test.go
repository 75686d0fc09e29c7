package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// visitors is how many clients come, and each of them makes two calls from an address of its own.
const visitors = 10_000

// What so many may cost a host that has seen some.
const (
	moreMemory = 32 << 20
	moreFiles  = 8
)

// TestTenThousandClientsCostBoundedMemory lets clients be their addresses, all of them on loopback; and then
// fewer buckets do for some more.
func TestTenThousandClientsCostBoundedMemory(t *testing.T) {
	const many, few = 1000, 50
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	configure := func(buckets int) {
		replace(t, file, fmt.Sprintf("auth: {mode: none}\nrate_limit: {max_clients: %d}\n"+
			"tools: {NoopTool: {rate_requests: 1, rate_per: 86400}}\n", buckets))
	}
	configure(many)
	h := serve(t, "lab", "MCP_CONFIG_FILE="+file, "GATEHOUSE_TOKEN=any") // everybody may come in
	h.visit(t, netip.MustParseAddr("127.200.0.1"), many)
	before := h.gauges(t)
	h.visit(t, netip.MustParseAddr("127.100.0.1"), visitors)
	h.held(t, before, many, visitors)
	configure(few)
	h.log.waitFor(t, "the configuration was reloaded", 1)
	before = h.gauges(t)
	h.visit(t, netip.MustParseAddr("127.101.0.1"), many)
	h.held(t, before, few, many)
}

// visit has clients come, one from each address from first on. Each makes one good call and one too many.
func (h *host) visit(t *testing.T, first netip.Addr, clients int) {
	t.Helper()
	addresses := make(chan netip.Addr) // closed when all have come
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for from := range addresses {
				if err := h.visitFrom(t.Context(), from); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for from := first; clients > 0 && !t.Failed(); from, clients = from.Next(), clients-1 {
		addresses <- from
	}
	close(addresses)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

func (h *host) visitFrom(ctx context.Context, from netip.Addr) error {
	dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
	transport := &http.Transport{DialContext: dialer.DialContext}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for _, want := range []int{http.StatusOK, http.StatusTooManyRequests} {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/tools/NoopTool/execute",
			strings.NewReader("{}"))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		var body strings.Builder
		if err := resp.Write(&body); err != nil { // the connection is kept for the next
			return err
		}
		if resp.StatusCode != want {
			return fmt.Errorf("a call from %s = %s, want %d", from, body.String(), want)
		}
	}
	return nil
}

// gauges are the numbers of a host at one moment: series, labels included -> value.
type gauges map[string]float64

func (h *host) gauges(t *testing.T) gauges {
	t.Helper()
	all := make(gauges)
	for line := range strings.Lines(get(t, h.url+"/metrics", h.token)) {
		series, text, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if value, err := strconv.ParseFloat(text, 64); ok && err == nil {
			all[series] = value
		}
	}
	return all
}

// held waits until the visitors' connections are closed, and holds that they left nothing else behind.
func (h *host) held(t *testing.T, before gauges, buckets, clients int) {
	t.Helper()
	const memory, files = "process_resident_memory_bytes", "process_open_fds"
	after := h.gauges(t)
	for late := time.Now().Add(patience); after[files] > before[files]+moreFiles; after = h.gauges(t) {
		if time.Now().After(late) {
			t.Fatalf("%v files are open, want at most %d more than %v", after[files], moreFiles, before[files])
		}
	}
	if got := after["mcp_rate_limit_buckets"]; got != float64(buckets) {
		t.Errorf("mcp_rate_limit_buckets = %v, want %d", got, buckets)
	}
	if rise := after[memory] - before[memory]; rise > moreMemory {
		t.Errorf("memory rose by %.1f MiB, want at most %d", rise/(1<<20), moreMemory>>20)
	}
	if len(after) != len(before) {
		t.Errorf("there are %d series, want %d as before", len(after), len(before))
	}
	for series := range after {
		if _, ok := before[series]; !ok || strings.Contains(series, "127.10") {
			t.Errorf("the series %s came with the clients", series)
		}
	}
	const done = `mcp_tool_execution_total{error_type="%s",status="%s",tool="NoopTool"}`
	good, refused := fmt.Sprintf(done, "", "success"), fmt.Sprintf(done, "rate_limited", "error")
	for _, series := range []string{good, refused} {
		if n := after[series] - before[series]; n != float64(clients) {
			t.Errorf("%s rose by %v, want %d", series, n, clients)
		}
	}
}
