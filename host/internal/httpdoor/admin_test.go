package httpdoor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// withRoles makes a door ask for the token of a client of each role; the token is the name of the role. Calls
// are allowed to those who may, as the gates behind the door do it.
func withRoles(c *Config) {
	var list []auth.Token
	for _, role := range []auth.Role{auth.Viewer, auth.Caller, auth.Admin} {
		list = append(list, auth.Token{Name: "the-" + string(role), SHA256: auth.Hash(string(role)), Role: role})
	}
	clients, _ := clientsOf(list...)
	c.Clients = clients
	c.Caller = caller{
		call: func(ctx context.Context, r tool.Request) (tool.Result, error) {
			return tool.Result{}, clients.Authorize(ctx, r.Client, r.Tool)
		},
		plan: func(ctx context.Context, r tool.Request) (tool.Plan, error) {
			return tool.Plan{Verdict: tool.Accept}, clients.Authorize(ctx, r.Client, r.Tool)
		},
	}
	c.Detach = func(ctx context.Context, r tool.Request) (executions.Execution, error) {
		return executions.Execution{ID: exampleID, Tool: r.Tool, State: executions.Running}, clients.Authorize(ctx, r.Client, r.Tool)
	}
}

func TestEachRouteAsksForItsRole(t *testing.T) {
	d := newDoor(t, withEverything, withRoles)
	rank := map[auth.Role]int{everybody: 0, auth.Viewer: 1, auth.Caller: 2, auth.Admin: 3}
	for _, row := range d.rows {
		for role, has := range rank {
			method, text := row.method, ""
			if method == "" {
				method = http.MethodPost
			}
			want := http.StatusOK
			switch {
			case row.path == executionsPath && method == http.MethodPost:
				text, want = `{"tool": "ATool"}`, http.StatusAccepted
			case row.role == auth.Caller && method == http.MethodPost || row.path == mcpPath:
				text = "{}"
			case row.path == tokensPath && method == http.MethodPost:
				text, want = `{"name": "new"}`, http.StatusCreated
			}
			r := request(method, somePath(row), text)
			if role != everybody {
				r.Header.Set("Authorization", "Bearer "+string(role))
			}
			ctx, cancel := context.WithCancel(t.Context())
			if row.path == "/events" {
				cancel() // a stream has no other end
			}
			w := serve(d, r.WithContext(ctx))
			cancel()
			switch {
			case role == everybody && row.role != everybody:
				want = http.StatusUnauthorized
			case has < rank[row.role]:
				want = http.StatusForbidden
			}
			if w.Code != want {
				t.Errorf("%s %s as %q = %d %s, want %d", method, row.path, role, w.Code, w.Body, want)
			}
			if want == http.StatusForbidden && !strings.Contains(w.Body.String(), string(row.role)) {
				t.Errorf("%s %s as %q = %s, want it to name the role %s", method, row.path, role, w.Body, row.role)
			}
		}
	}
}

// somePath is a path of a row.
func somePath(r route) string {
	return strings.NewReplacer("{name}", "ATool", "{id}", exampleID).Replace(r.path)
}

func TestEachRouteHasItsMethod(t *testing.T) {
	d := newDoor(t, withEverything)
	for _, row := range d.rows {
		path := somePath(row)
		for _, method := range []string{"HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "BREW", "get"} {
			want, allow := http.StatusMethodNotAllowed, row.method
			switch {
			case row.path == mcpPath:
				allow = "GET, POST, DELETE"
			case method == "HEAD" && row.method == http.MethodGet:
				want, allow = http.StatusOK, ""
			case (row.path == tokensPath || strings.HasPrefix(row.path, executionsPath)) && method == "HEAD":
				want, allow = http.StatusOK, ""
			case row.path == tokensPath || row.path == executionsPath:
				allow = "GET, POST"
			case row.path == executionPath:
				allow = "GET, DELETE"
			case row.also != nil && method == "HEAD": // of a plugin of that name, which there is not
				want, allow = http.StatusNotFound, ""
			case row.also != nil:
				allow = "GET, POST"
			}
			w := serve(d, request(method, path, ""))
			if w.Code != want || w.Header().Get("Allow") != allow {
				t.Errorf("%s %s = %d, Allow %q, want %d", method, path, w.Code, w.Header().Get("Allow"), want)
			}
		}
	}
}

// switched notes what was switched.
type switched struct{ got string }

func (s *switched) set(_ context.Context, name string, on bool, reason string) error {
	s.got = fmt.Sprintf("%s %t %s", name, on, reason)
	return nil
}

func TestOperatorsSwitchToolsAndBreakers(t *testing.T) {
	for path, want := range map[string]string{
		"enable": "tool BTool true because", "disable": "tool BTool false because",
		"breaker/open": "breaker BTool true because", "breaker/close": "breaker BTool false because",
	} {
		tools, breakers := &switched{}, &switched{}
		d := newDoor(t, func(c *Config) { c.SetEnabled, c.SetBreaker = tools.set, breakers.set })
		v := parse(t, serve(d, request("POST", "/tools/BTool/"+path, `{"reason":"because"}`)), "application/json")
		if v["name"] != "BTool" || v["circuit_breaker"] == nil || v["input_schema"] != nil {
			t.Errorf("POST %s = %v, want the tool without its schemas", path, v)
		}
		got := "tool " + tools.got
		if breakers.got != "" {
			got = "breaker " + breakers.got
		}
		if got != want || tools.got != "" && breakers.got != "" {
			t.Errorf("POST %s switched %q, want %q", path, got, want)
		}
	}
}

func TestTheAnswerIsTheToolAsItIsThen(t *testing.T) {
	now := testCatalog()
	d := newDoor(t, func(c *Config) {
		c.Catalog = func() *catalog.Catalog { return now }
		c.SetEnabled = func(_ context.Context, _ string, on bool, _ string) error {
			e, _ := now.Lookup("BTool")
			changed := *e
			changed.Settings.Enabled = on
			now, _ = catalog.New(&changed)
			return nil
		}
	})
	v := parse(t, serve(d, request("POST", "/tools/BTool/enable", "")), "application/json")
	if v["enabled"] != true {
		t.Errorf("POST /tools/BTool/enable = %v, want it enabled", v)
	}
}

func TestAReasonIsOneShortLine(t *testing.T) {
	long := strings.Repeat("ä", maxReason)
	for _, row := range []struct {
		says, body, media string
		status            int
		reason            string
	}{
		{"nothing", "", "", 200, ""},
		{"nothing, of a type", "", "application/json", 200, ""},
		{"an empty object", "{}", "application/json", 200, ""},
		{"a reason", `{"reason": "x < y"}`, "application/json; charset=utf-8", 200, "x < y"},
		{"an empty reason", `{"reason": ""}`, "application/json", 200, ""},
		{"the longest", `{"reason": "` + long + `"}`, "application/json", 200, long},
		{"a longer one", `{"reason": "` + long + `x"}`, "application/json", 400, ""},
		{"two lines", `{"reason": "a\nb"}`, "application/json", 400, ""},
		{"an escape sequence", `{"reason": "\u001b[31m"}`, "application/json", 400, ""},
		{"no text", `{"reason": 1}`, "application/json", 400, ""},
		{"null, as for what is not there", `{"reason": null}`, "application/json", 200, ""},
		{"another member", `{"why": "x"}`, "application/json", 400, ""},
		{"another one beside it", `{"reason": "x", "force": true}`, "application/json", 400, ""},
		{"another case", `{"Reason": "x"}`, "application/json", 400, ""},
		{"twice", `{"reason": "x", "reason": "y"}`, "application/json", 400, ""},
		{"an array", `["x"]`, "application/json", 400, ""},
		{"null alone", `null`, "application/json", 400, ""},
		{"half of it", `{"reason": "x`, "application/json", 400, ""},
		{"invalid UTF-8", "{\"reason\": \"\xff\"}", "application/json", 400, ""},
		{"blanks", "  ", "application/json", 400, ""},
		{"no media type", `{}`, "", 415, ""},
		{"a form", `reason=x`, "application/x-www-form-urlencoded", 415, ""},
		{"too much", padded(maxRESTBody + 1), "application/json", 413, ""},
	} {
		s := &switched{got: "untouched"}
		d := newDoor(t, func(c *Config) { c.SetEnabled = s.set })
		for _, length := range []int64{int64(len(row.body)), -1} { // declared, in chunks
			r := request("POST", "/tools/ATool/enable", row.body)
			r.Header.Set("Content-Type", row.media)
			r.ContentLength = length
			w := serve(d, r)
			want := "untouched"
			if row.status == 200 {
				want = "ATool true " + row.reason
			} else {
				checkProblem(t, w, row.status, tool.KindValidation)
			}
			if w.Code != row.status || s.got != want {
				t.Errorf("%s: POST %.60q = %d %s, switched %.60q, want %d, %.60q", row.says, row.body, w.Code, w.Body,
					s.got, row.status, want)
			}
		}
	}
}

func TestASwitchThatFailsIsAProblem(t *testing.T) {
	for kind, status := range map[tool.Kind]int{
		tool.KindValidation: 400, tool.KindToolNotFound: 404, tool.KindUnavailable: 503, tool.KindExecution: 502,
		tool.KindUnknown: 500,
	} {
		d := newDoor(t, func(c *Config) {
			c.SetBreaker = func(context.Context, string, bool, string) error {
				return tool.Errorf(kind, "it cannot be").Suggest("do this")
			}
		})
		p := checkProblem(t, serve(d, request("POST", "/tools/ATool/breaker/open", "")), status, kind)
		if p["tool"] != "ATool" || p["recovery_suggestion"] != "do this" {
			t.Errorf("%s: problem = %v, want tool and suggestion", kind, p)
		}
	}
}

func TestWhatCannotBeSwitchedIsNotThere(t *testing.T) {
	s := &switched{}
	d := newDoor(t, func(c *Config) { c.SetEnabled = s.set })
	checkProblem(t, serve(d, request("POST", "/tools/None/enable", "")), 404, tool.KindToolNotFound)
	checkProblem(t, serve(d, request("POST", "/tools/ATool/breaker/open", "")), 404, tool.KindValidation)
	checkProblem(t, serve(d, request("GET", "/config", "")), 404, tool.KindValidation)
	checkProblem(t, serve(d, request("GET", "/events", "")), 404, tool.KindValidation)
	if s.got != "" {
		t.Errorf("switched %q, want nothing", s.got)
	}
}

func TestTheConfigurationIsShown(t *testing.T) {
	d := newDoor(t, func(c *Config) { c.Configuration = func() any { return map[string]any{"a": "<b>"} } })
	if w := serve(d, request("GET", "/config", "")); w.Code != 200 || w.Body.String() != `{"a":"<b>"}`+"\n" {
		t.Errorf("GET /config = %d %s, want the configuration", w.Code, w.Body)
	}
}

// What an operator sends is a reason of at most 256 characters on one line, or refused.
func FuzzParseReason(f *testing.F) {
	for _, seed := range []string{`{}`, `{"reason":"a"}`, `{"reason":"a\n"}`, `{"reason":1}`, `{"x":1}`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		reason, err := parseReason(raw)
		if err == nil && (len([]rune(reason)) > maxReason || strings.ContainsAny(reason, "\n\r\x00\x1b\u0085")) {
			t.Errorf("parseReason(%q) = %q, want it refused", raw, reason)
		}
	})
}
