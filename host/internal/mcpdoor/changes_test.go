package mcpdoor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// toldOf are the lists that clients are told of, once each, when one catalog gives way to another.
func toldOf(t *testing.T, before, after []*catalog.Entry) string {
	t.Helper()
	b := newBed(t, before...)
	s := make(toldSession, 10)
	if err := b.server.RegisterSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	b.offer(after...)
	b.Refresh()
	b.Refresh() // what was told is not told again
	var lists []string
	for range len(s) {
		lists = append(lists, strings.TrimSuffix(strings.TrimPrefix((<-s).Method, "notifications/"),
			"/list_changed"))
	}
	return strings.Join(lists, " ")
}

func TestClientsAreToldOfVisibleChangesOnly(t *testing.T) {
	before := []*catalog.Entry{entry("ATool"), entry("BTool", disabled)}
	for _, row := range []struct {
		says  string
		after []*catalog.Entry
		told  string
	}{
		{"the same tools", []*catalog.Entry{entry("ATool"), entry("BTool", disabled)}, ""},
		{"another order", []*catalog.Entry{entry("BTool", disabled), entry("ATool")}, ""},
		{"numbers of the host's that nobody sees", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Settings.QueueLength = 9 }), entry("BTool", disabled)}, ""},
		{"numbers that the description has", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Settings.Concurrency = 9 }), entry("BTool", disabled)}, "tools"},
		{"a new process of the plugin", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Version = "2" }), entry("BTool", disabled)}, ""},
		{"a tool more", []*catalog.Entry{entry("ATool"), entry("BTool", disabled), entry("CTool")},
			"tools resources"},
		{"a tool less", []*catalog.Entry{entry("BTool", disabled)}, "tools resources"},
		{"no tools", nil, "tools resources"},
		{"a tool switched on", []*catalog.Entry{entry("ATool"), entry("BTool")}, "tools resources"},
		{"a tool switched off", []*catalog.Entry{entry("ATool", disabled), entry("BTool", disabled)},
			"tools resources"},
		{"another description", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Spec.Description = "does more" }), entry("BTool", disabled)},
			"tools"},
		{"another schema", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Spec.InputSchema = json.RawMessage(`{"type":"object"}`) }),
			entry("BTool", disabled)}, "tools"},
		{"another hint", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Spec.Annotations.Destructive = true }),
			entry("BTool", disabled)}, "tools"},
		{"a bad tool", []*catalog.Entry{entry("ATool"), entry("BTool", disabled),
			entry("CTool", func(e *catalog.Entry) { e.Spec.InputSchema = nil })}, ""},
	} {
		if got := toldOf(t, before, row.after); got != row.told {
			t.Errorf("%s: told of %q, want %q", row.says, got, row.told)
		}
	}
}

// What disturbs a target is not only looking, and the policy says whether it is run.
func TestAnIntrusiveToolReadsOnlyWhereItIsNotLetDoMore(t *testing.T) {
	allowed := false
	b := bedWith(t, func(cfg *Config) {
		cfg.Intrusive = func() bool { return allowed }
	}, entry("ATool"), entry("BTool", func(e *catalog.Entry) { e.Spec.Intrusive = true }))
	s := make(toldSession, 10)
	if err := b.server.RegisterSession(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	for _, allowed = range []bool{false, true} {
		b.Refresh()
		for name, readOnly := range map[string]bool{"ATool": true, "BTool": !allowed} {
			if got := *b.server.GetTool(name).Tool.Annotations.ReadOnlyHint; got != readOnly {
				t.Errorf("intrusive allowed: %t: %s only reads: %t, want %t", allowed, name, got, readOnly)
			}
		}
	}
	if len(s) != 1 {
		t.Errorf("told %d times, want once, of the policy that changed", len(s))
	}
}

func TestTheClientHearsOfAChange(t *testing.T) {
	b := newBed(t, entry("ATool"))
	changed := make(chan struct{}, 10)
	s := b.stdio(t, &sdk.ClientOptions{ToolListChangedHandler: func(context.Context,
		*sdk.ToolListChangedRequest) {
		changed <- struct{}{}
	}})
	if got := listed(t, s); !slices.Equal(got, []string{"ATool"}) {
		t.Errorf("tools/list = %v, want ATool", got)
	}
	b.offer(entry("BTool"))
	b.Refresh()
	<-changed
	if got := listed(t, s); !slices.Equal(got, []string{"BTool"}) {
		t.Errorf("tools/list = %v, want BTool", got)
	}
}

func TestRefreshMayBeCalledByMany(t *testing.T) {
	b := newBed(t, entry("ATool"))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			b.offer(entry("ATool"), entry(fmt.Sprintf("Tool%d", i)))
			b.Refresh()
		})
	}
	wg.Wait()
	b.offer(entry("ZTool"))
	b.Refresh()
	if got := listed(t, b.overHTTP(t, nil)); !slices.Equal(got, []string{"ZTool"}) {
		t.Errorf("tools/list = %v, want the last catalog", got)
	}
}

func TestACancelledCallIsCancelledBehindTheDoor(t *testing.T) {
	doors(t, func(t *testing.T, b *bed, _ string, join func() *sdk.ClientSession) {
		began, ended := make(chan struct{}), make(chan error, 1) // closed by, and sent to by, the call
		b.caller.call = func(ctx context.Context, _ tool.Request) (tool.Result, error) {
			close(began)
			<-ctx.Done()
			ended <- ctx.Err()
			return tool.Result{}, ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-began
			cancel()
		}()
		if res, err := join().CallTool(ctx, &sdk.CallToolParams{Name: "ATool"}); err == nil {
			t.Errorf("CallTool = %+v, want it cancelled", res)
		}
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the call's context ends with %v, want %v", err, context.Canceled)
		}
	}, entry("ATool"))
}

func TestStdioEndsWithItsContext(t *testing.T) {
	b := newBed(t, entry("ATool"))
	in, toServer := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.ServeStdio(ctx, in, io.Discard); err != nil {
		t.Errorf("ServeStdio = %v, want nil", err)
	}
	_ = toServer.Close() // never fails
}

// What is no JSON-RPC is answered as such, and the stream goes on.
func TestStdioOutlivesNonsense(t *testing.T) {
	b := newBed(t, entry("ATool"))
	in := strings.NewReader("nonsense\n\n{}\n[1]\n" + `{"jsonrpc":"2.0","id":7,"method":"ping"}` + "\n")
	var out bytes.Buffer
	if err := b.ServeStdio(t.Context(), in, &out); err != nil {
		t.Errorf("ServeStdio = %v, want nil", err)
	}
	pong := false
	for line := range strings.Lines(out.String()) {
		var message struct {
			Version string `json:"jsonrpc"`
			ID      any
			Result  any
		}
		if err := json.Unmarshal([]byte(line), &message); err != nil || message.Version != "2.0" {
			t.Errorf("out = %q (%v), want JSON-RPC only", line, err)
		}
		pong = pong || message.ID == 7.0 && message.Result != nil
	}
	if !pong {
		t.Errorf("out = %q, want the answer to the ping", &out)
	}
}

func TestADoorWithoutItsPartsIsRefused(t *testing.T) {
	for name, drop := range map[string]func(*Config){
		"Caller": func(c *Config) { c.Caller = nil }, "Catalog": func(c *Config) { c.Catalog = nil },
		"Logger": func(c *Config) { c.Logger = nil },
	} {
		cfg := newBed(t).cfg
		drop(&cfg)
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("New without %s = %v, want an error that names it", name, err)
		}
	}
}
