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

func TestClientsAreToldOfVisibleChangesOnly(t *testing.T) {
	for _, row := range []struct {
		says  string
		after []*catalog.Entry
		told  bool
	}{
		{"the same tools", []*catalog.Entry{entry("ATool"), entry("BTool", disabled)}, false},
		{"another order", []*catalog.Entry{entry("BTool", disabled), entry("ATool")}, false},
		{"other numbers of the host's", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Settings.Concurrency = 9 }), entry("BTool", disabled)}, false},
		{"a new process of the plugin", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Version = "2" }), entry("BTool", disabled)}, false},
		{"a tool more", []*catalog.Entry{entry("ATool"), entry("BTool", disabled), entry("CTool")}, true},
		{"a tool less", []*catalog.Entry{entry("BTool", disabled)}, true},
		{"no tools", nil, true},
		{"a tool switched on", []*catalog.Entry{entry("ATool"), entry("BTool")}, true},
		{"a tool switched off", []*catalog.Entry{entry("ATool", disabled), entry("BTool", disabled)}, true},
		{"another description", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Spec.Description = "does more" }), entry("BTool", disabled)},
			true},
		{"another schema", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Spec.InputSchema = json.RawMessage(`{"type":"object"}`) }),
			entry("BTool", disabled)}, true},
		{"another hint", []*catalog.Entry{
			entry("ATool", func(e *catalog.Entry) { e.Spec.Annotations.Destructive = true }),
			entry("BTool", disabled)}, true},
		{"a bad tool", []*catalog.Entry{entry("ATool"), entry("BTool", disabled),
			entry("CTool", func(e *catalog.Entry) { e.Spec.InputSchema = nil })}, false},
	} {
		b := newBed(t, entry("ATool"), entry("BTool", disabled))
		s := make(session, 10)
		if err := b.server.RegisterSession(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		b.offer(row.after...)
		b.Refresh()
		b.Refresh() // what was told is not told again
		want := 0
		if row.told {
			want = 1
		}
		if len(s) != want {
			t.Errorf("%s: told %d times, want %d", row.says, len(s), want)
		}
		for range len(s) {
			if n := <-s; n.Method != "notifications/tools/list_changed" {
				t.Errorf("%s: told %s", row.says, n.Method)
			}
		}
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
