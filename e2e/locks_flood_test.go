package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestBadTokensAreCounted has one address guess, while others, and those who were there before, go on
// working.
func TestBadTokensAreCounted(t *testing.T) {
	const most, per = 30, 86400 // nothing grows again while this test runs
	h := serve(t, "lab", "MCP_AUTH_MAX_FAILURES="+strconv.Itoa(most), "MCP_AUTH_FAILURES_PER="+strconv.Itoa(per))
	familiar := h.command(t, "token", "create", "familiar")
	stranger := h.command(t, "token", "create", "stranger")
	there := h.by(from(t, "127.0.0.2"))
	wantStatus(t, "a good token, from there", there.as(familiar).status(t, "GET", "/tools", ""), 200)
	for i := range 40 {
		r := there.as(fmt.Sprint("guess-", i)).send(t, "GET", "/tools", "")
		want := 401
		if i >= most {
			want = 429
		}
		wantStatus(t, fmt.Sprint("guess ", i), r.status, want)
		wait, err := strconv.Atoi(r.header.Get("Retry-After"))
		if due := per / most; want == 429 && (err != nil || wait <= due-60 || wait > due) {
			t.Errorf("guess %d: Retry-After %q, want about %d, when the next is looked at", i,
				r.header.Get("Retry-After"), due)
		}
	}
	for what, row := range map[string]struct {
		h    *host
		want int
	}{
		"a good token that was there before":    {there.as(familiar), 200},
		"a good token that was not":             {there.as(stranger), 200}, // whoever else is at that address
		"no token":                              {there.as(""), 401},
		"a good token from elsewhere":           {h.as(stranger), 200},
		"a bad token from elsewhere":            {h.as("bad"), 401},
		"the same client from a third address":  {h.by(from(t, "127.0.0.3")).as(stranger), 200},
		"a bad token from that third address":   {h.by(from(t, "127.0.0.3")).as("bad"), 401},
		"the one that was there, after others":  {there.as(familiar), 200},
		"and one that claims another address":   {there.as("bad"), 429},
		"whatever path the guess is made for":   {there.as("bad2"), 429},
		"and a good one again, from everywhere": {h, 200},
	} {
		wantStatus(t, what, row.h.status(t, "GET", "/tools", "", "X-Forwarded-For", "127.0.0.9"), row.want)
	}
	for path, method := range map[string]string{
		"/mcp": "POST", "/events": "GET", "/nowhere": "GET", "/tokens": "POST",
	} {
		wantStatus(t, path, there.as("bad").status(t, method, path, "{}"), 429)
	}
	wantStatus(t, "what asks for no token", there.as("bad").status(t, "GET", "/livez", ""), 200)
}

// TestAFloodOfBadTokensIsSummedUp sends more bad tokens than anybody would read about.
func TestAFloodOfBadTokensIsSummedUp(t *testing.T) {
	const guesses = 2000
	h := serve(t, "lab")
	there := h.by(from(t, "127.0.0.2")).as("a guess that is wrong")
	statuses := make(map[int]int)
	for range guesses {
		statuses[there.status(t, "GET", "/tools", "")]++
	}
	if statuses[401] < 30 || statuses[401] > 60 || statuses[401]+statuses[429] != guesses {
		t.Errorf("answers %v, want about 30 of 401, and otherwise 429", statuses)
	}
	h.ask(t, "POST", execute, "{}", 200, nil)
	h.stop()
	lines, sum, told := h.trailed(t, "refuse"), 0, 0
	for _, l := range lines {
		if l.Remote != "127.0.0.2" {
			t.Errorf("line %+v, want the address that guesses", l)
		}
		sum += max(l.Repeats, 1)
		if l.Repeats > 0 {
			told++
		}
	}
	if sum != guesses || told == 0 || len(lines) > guesses/4 {
		t.Errorf("%d lines, %d of them sums, tell of %d guesses, want few that tell of %d", len(lines), told, sum,
			guesses)
	}
	if n := len(h.trailed(t, "finish")); n != 1 {
		t.Errorf("%d calls are in the trail, want the one", n)
	}
	if text := h.log.String(); strings.Contains(text, "a guess that is wrong") {
		t.Error("the log has what was guessed")
	}
}

// TestStreamsOfAClientAreCounted opens as many streams as one client may have, and one more.
func TestStreamsOfAClientAreCounted(t *testing.T) {
	h := serve(t, "lab")
	one, other := h.as(h.command(t, "token", "create", "one")), h.as(h.command(t, "token", "create", "other"))
	var open []*http.Response
	for i := range 16 {
		resp := one.open(t, "GET", "/events", "")
		wantStatus(t, fmt.Sprint("stream ", i), resp.StatusCode, 200)
		open = append(open, resp)
	}
	r := one.send(t, "GET", "/events", "")
	if r.status != 429 || r.problem(t).Kind != "rate_limited" || r.header.Get("Retry-After") == "" {
		t.Errorf("one more = %d %s, Retry-After %q; want 429, and when to come back", r.status, r.body,
			r.header.Get("Retry-After"))
	}
	wantStatus(t, "one more, from another address",
		one.by(from(t, "127.0.0.2")).status(t, "GET", "/events", ""), 429)
	wantStatus(t, "one more, of /mcp", one.status(t, "GET", "/mcp", "", "Accept", "text/event-stream",
		"Mcp-Session-Id", initialized(t, one)), 429)
	one.ask(t, "POST", execute, "{}", 200, nil)
	other.events(t, "")
	_ = open[0].Body.Close()
	one.comesBack(t, other)
	for _, resp := range open[1:] {
		_ = resp.Body.Close()
	}
}

// comesBack asks for a stream until the place of one that ended is free: the host notices the end a moment
// later. Each event that another client hears of is time that has passed.
func (h *host) comesBack(t *testing.T, other *host) {
	t.Helper()
	s := other.events(t, "")
	for i := range 100 {
		if h.status(t, "GET", "/events", "") == 200 {
			return
		}
		id := fmt.Sprint("try-", i)
		other.ask(t, "POST", execute, `{"correlation_id":"`+id+`"}`, 200, nil)
		s.await(t, "call.finished", id)
	}
	t.Error("the place of a stream that ended is never free again")
}

// TestConnectionsOfAnAddressAreCounted has one address hold all connections that it may, while another is
// served.
func TestConnectionsOfAnAddressAreCounted(t *testing.T) {
	const most = 64
	h := serve(t, "lab", fmt.Sprint("MCP_SERVER_MAX_CONNECTIONS_PER_CLIENT=", most),
		"MCP_SERVER_MAX_STREAMS_PER_CLIENT=1000", "MCP_EVENTS_MAX_STREAMS=1000")
	there := h.by(from(t, "127.0.0.2"))
	for range most {
		resp := there.open(t, "GET", "/events", "")
		t.Cleanup(func() { _ = resp.Body.Close() })
		wantStatus(t, "a stream", resp.StatusCode, 200)
	}
	for _, path := range []string{"/tools", "/livez", "/events"} {
		r := there.send(t, "GET", path, "")
		if r.status != 429 || r.header.Get("Retry-After") == "" || !r.closes {
			t.Errorf("GET %s = %d, header %v; want 429, when to come back, and the end of the connection", path,
				r.status, r.header)
		}
	}
	h.ask(t, "POST", execute, "{}", 200, nil)
	h.events(t, "")
	third := h.by(from(t, "127.0.0.3"))
	for range most/4 + 1 { // up to what all may have together
		resp := third.open(t, "GET", "/events", "")
		t.Cleanup(func() { _ = resp.Body.Close() })
		wantStatus(t, "a stream of a third address", resp.StatusCode, 200)
	}
	resp := h.open(t, "GET", "/metrics", "")
	defer resp.Body.Close()
	if raw, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(raw), "connections") {
		t.Errorf("GET /metrics = %s, %v; want the connections among the numbers", raw, err)
	}
}
