package httpdoor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// fakePlugins are plugins that only note what is done to them.
type fakePlugins struct {
	list PluginList
	err  error // of everything that is done
	did  []string
}

var _ Plugins = (*fakePlugins)(nil)

func (f *fakePlugins) List() PluginList { return f.list }

func (f *fakePlugins) Do(_ context.Context, name string, what PluginAction, why string) (PluginView, error) {
	f.did = append(f.did, fmt.Sprintf("%s %s %s", what, name, why))
	return PluginView{Name: name, Path: "/p/" + name, State: "stopped"}, f.err
}

func (f *fakePlugins) Pin(_ context.Context, reason string) (PinReport, error) {
	f.did = append(f.did, "pin "+reason)
	return PinReport{
		Pinned: []Pin{{Dir: "/p", File: "nmap", SHA256: "ab", Name: "nmap", Version: "v1"}},
		Files:  []string{"/p/plugins.lock"},
	}, f.err
}

func (f *fakePlugins) Verify(context.Context) (VerifyReport, error) {
	f.did = append(f.did, "verify")
	return VerifyReport{Findings: []VerifyFinding{
		{Path: "/p/nmap", Status: FindingChanged, Expected: "ab", Actual: "cd", Fix: "gatehouse plugins pin"},
	}}, f.err
}

// somePlugins have a name and a file each; two are called alike.
func somePlugins() *fakePlugins {
	return &fakePlugins{list: PluginList{
		Plugins: []PluginView{
			{
				Name: "nmap", Version: "v1", Path: "/p/nmap", SHA256: "ab", State: "ready", Pid: 7, Restarts: 2,
				Since: time.Unix(1, 0).UTC(), Launch: "eager", Pinned: true, Tools: []string{"NmapTool"},
				ResidentMemoryBytes: 1 << 20, Draining: 1,
				Clashes: []PluginProblem{{Path: "/p/nmap", Tool: "PingTool", Reason: "taken", Severity: SeverityError}},
				Layers:  []tool.Layer{{Name: "landlock", Active: true, Detail: "ABI 7"}},
			},
			{Name: "ping", Path: "/p/ping", State: "backoff", Error: "it died", RetryAt: time.Unix(9, 0).UTC()},
			{Name: "ping", Path: "/q/ping+net@2.so", State: "stopped"},
			{Name: "pin", Path: "/q/pin", State: "idle"},
			{Name: "other", Path: "/q/nmap", State: "idle"},
		},
		Problems: []PluginProblem{
			{Path: "/q", Reason: "others can write to it", Fix: "chmod o-w /q", Severity: SeverityError},
		},
	}}
}

func withPlugins(p Plugins) func(*Config) { return func(c *Config) { c.Plugins = p } }

func TestPluginsAreShown(t *testing.T) {
	d := newDoor(t, withPlugins(somePlugins()))
	got := parse(t, serve(d, request("GET", "/plugins", "")), "application/json")
	plugins, _ := got["plugins"].([]any)
	problems, _ := got["problems"].([]any)
	if got["total"] != 5.0 || got["ready"] != 1.0 || len(plugins) != 5 || len(problems) != 1 {
		t.Fatalf("GET /plugins = %v, want five plugins, one of them ready, and a problem", got)
	}
	one := parse(t, serve(d, request("GET", "/plugins/nmap", "")), "application/json")
	for member, want := range map[string]string{
		"name": "nmap", "version": "v1", "path": "/p/nmap", "sha256": "ab", "state": "ready", "reason": "",
		"error": "", "recovery_suggestion": "", "since": "1970-01-01T00:00:01Z", "pid": "7", "restarts": "2",
		"retry_at": "<nil>",
		"launch":   "eager", "pinned": "true", "tools": "[NmapTool]", "filtered": "[]", "draining": "1",
		"clashes":               "[map[fix: path:/p/nmap reason:taken severity:error tool:PingTool]]",
		"resident_memory_bytes": "1.048576e+06", "successor_error": "", "successor_fix": "", "sandbox": "[]",
		"layers": "[map[active:true detail:ABI 7 name:landlock]]",
	} {
		if shown := fmt.Sprint(one[member]); shown != want {
			t.Errorf("GET /plugins/nmap: %s = %s, want %s", member, shown, want)
		}
	}
	if len(one) != 22 {
		t.Errorf("GET /plugins/nmap has %d members, want the 22 of the table", len(one))
	}
	second, _ := plugins[1].(map[string]any)
	if second["retry_at"] != "1970-01-01T00:00:09Z" || second["error"] != "it died" {
		t.Errorf("GET /plugins: ping = %v, want its error and when it is tried again", second)
	}
}

func TestWithoutPluginsThereAreEmptyLists(t *testing.T) {
	d := newDoor(t, withPlugins(&fakePlugins{}))
	const want = `{"plugins":[],"problems":[],"total":0,"ready":0}` + "\n"
	if w := serve(d, request("GET", "/plugins", "")); w.Body.String() != want {
		t.Errorf("GET /plugins = %s, want %s", w.Body, want)
	}
}

func TestAListIsNotChangedByShowingIt(t *testing.T) {
	f := somePlugins()
	serve(newDoor(t, withPlugins(f)), request("GET", "/plugins", ""))
	if f.list.Total != 0 || f.list.Plugins[1].Tools != nil {
		t.Errorf("after GET /plugins the list of the source is %+v, want it as it was", f.list)
	}
}

func TestAPluginIsFoundByItsNameElseByItsFile(t *testing.T) {
	for _, row := range []struct{ says, name, path, wrong string }{
		{"its name", "other", "/q/nmap", ""},
		{"a name wins over the file of another", "nmap", "/p/nmap", ""},
		{"its file", "ping+net@2.so", "/q/ping+net@2.so", ""},
		{"a name that two have", "ping", "", `2 plugins have the name ping: "/p/ping", "/q/ping+net@2.so"`},
		{"no name", "nose", "", "there is no plugin nose"},
		{"nothing", "", "", "there is no plugin "},
		{"a path", "/p/nmap", "", "there is no plugin /p/nmap"},
		{"another case", "Nmap", "", "there is no plugin Nmap"},
	} {
		p, err := Find(somePlugins().list, row.name)
		switch e := tool.AsError(err); {
		case p.Path != row.path:
			t.Errorf("%s: Find(%q) = %s, %v, want %s", row.says, row.name, p.Path, err, row.path)
		case e == nil && row.wrong == "":
		case e == nil || e.Message != row.wrong || e.Suggestion == "":
			t.Errorf("%s: Find(%q) = %v, want %q and what to do", row.says, row.name, err, row.wrong)
		}
	}
}

func TestNamesInThePathOfAPlugin(t *testing.T) {
	d := newDoor(t, withPlugins(somePlugins()))
	const none, noRoute = tool.KindToolNotFound, tool.KindValidation
	for _, row := range []struct {
		name   string
		status int
		kind   tool.Kind
	}{
		{"nmap", 200, ""}, {"ping+net@2.so", 200, ""}, {"ping%2Bnet%402%2eso", 200, ""}, {"pin", 200, ""},
		{"ping", 400, tool.KindValidation}, {"nose", 404, none}, {"verify", 404, none}, {"..", 404, none},
		{"%2e%2E", 404, none}, {strings.Repeat("a", 255), 404, none}, {strings.Repeat("a", 256), 404, noRoute},
		{"a%2Fb", 404, noRoute}, {"..%2F..%2Fetc", 404, noRoute}, {"%00", 404, noRoute}, {"nmap%0a", 404, noRoute},
		{"nmap%20", 404, noRoute}, {"%FF", 404, noRoute}, {"n%C3%A4h", 404, noRoute}, {"nmap;x", 404, noRoute},
		{"%252e", 404, noRoute}, {"%3Cb%3E", 404, noRoute}, {"", 404, noRoute}, {"nmap/", 404, noRoute},
	} {
		for method, below := range map[string]string{"GET": "", "POST": "/stop"} {
			if row.name == "nmap/" && method == "POST" {
				continue
			}
			w := serve(d, request(method, "/plugins/"+row.name+below, ""))
			if row.status != 200 {
				checkProblem(t, w, row.status, row.kind)
			} else if w.Code != 200 {
				t.Errorf("%s /plugins/%s%s = %d %s, want 200", method, row.name, below, w.Code, w.Body)
			}
		}
	}
}

func TestOperatorsActOnPlugins(t *testing.T) {
	for _, row := range []struct{ path, want, answer string }{
		{"/plugins/nmap/restart", "restart nmap because", `"state":"stopped"`},
		{"/plugins/nmap/stop", "stop nmap because", `"state":"stopped"`},
		{"/plugins/ping+net@2.so/start", "start ping+net@2.so because", `"state":"stopped"`},
		{"/plugins/pin/stop", "stop pin because", `"state":"stopped"`},
		{"/plugins/pin", "pin because", `"tools":[]}],"files":["/p/plugins.lock"],"problems":[]}`},
		{"/plugins/verify", "verify", `{"ok":false,"findings":[{"path":"/p/nmap","status":"changed"`},
	} {
		f := somePlugins()
		w := serve(newDoor(t, withPlugins(f)), request("POST", row.path, `{"reason":"because"}`))
		if w.Code != 200 || !strings.Contains(w.Body.String(), row.answer) {
			t.Errorf("POST %s = %d %s, want %s in it", row.path, w.Code, w.Body, row.answer)
		}
		if !slices.Equal(f.did, []string{row.want}) {
			t.Errorf("POST %s did %q, want %q", row.path, f.did, row.want)
		}
	}
}

func TestNothingIsDoneToAPluginForAReasonThatIsRefused(t *testing.T) {
	for _, path := range []string{"nmap/restart", "nmap/stop", "nmap/start", "pin"} {
		for body, status := range map[string]int{
			`{"reason": 1}`: 400, `{"reason": "a\nb"}`: 400, `{"why": "x"}`: 400, `[]`: 400,
			padded(maxRESTBody + 1): 413,
		} {
			f := somePlugins()
			w := serve(newDoor(t, withPlugins(f)), request("POST", "/plugins/"+path, body))
			checkProblem(t, w, status, tool.KindValidation)
			if len(f.did) > 0 {
				t.Errorf("POST /plugins/%s with %.30s did %q, want nothing", path, body, f.did)
			}
		}
		r := request("POST", "/plugins/"+path, "reason=x")
		r.Header.Set("Content-Type", "text/plain")
		checkProblem(t, serve(newDoor(t, withPlugins(somePlugins())), r), 415, tool.KindValidation)
	}
}

func TestWhatFailsOnPluginsIsAProblem(t *testing.T) {
	for kind, status := range map[tool.Kind]int{
		tool.KindValidation: 400, tool.KindToolNotFound: 404, tool.KindUnavailable: 503, tool.KindExecution: 502,
		tool.KindUnknown: 500, tool.KindCancelled: statusCancelled,
	} {
		for _, path := range []string{"nmap/restart", "nmap/stop", "nmap/start", "pin", "verify"} {
			if status < 405 && (path == "pin" || path == "verify") { // neither asks for a plugin
				continue
			}
			f := somePlugins()
			f.err = tool.Errorf(kind, "it cannot be").Suggest("do this")
			w := serve(newDoor(t, withPlugins(f)), request("POST", "/plugins/"+path, ""))
			p := checkProblem(t, w, status, kind)
			if p["recovery_suggestion"] != "do this" || p["tool"] != nil {
				t.Errorf("POST /plugins/%s: problem = %v, want the suggestion, and no tool", path, p)
			}
		}
	}
	f := somePlugins()
	f.err = errors.New("odd")
	w := serve(newDoor(t, withPlugins(f)), request("POST", "/plugins/pin", ""))
	checkProblem(t, w, 500, tool.KindUnknown)
}

func TestARefusalOnAPluginNamesNoTool(t *testing.T) {
	var told []string
	d := newDoor(t, withEverything, withRoles, func(c *Config) {
		c.Refused = func(r Refusal) { told = append(told, r.Route+" "+r.Tool) }
	})
	for _, path := range []string{"/plugins/ATool/stop", "/tools/ATool/disable"} {
		r := request("POST", path, "")
		r.Header.Set("Authorization", "Bearer caller")
		serve(d, r)
	}
	if want := []string{"/plugins/{name}/stop ", "/tools/{name}/disable ATool"}; !slices.Equal(told, want) {
		t.Errorf("refusals = %q, want %q", told, want)
	}
}

// A plugin may be called like the routes that are about all of them. To see it needs no other role.
func TestAPluginMayBeCalledPin(t *testing.T) {
	d := newDoor(t, withRoles, withPlugins(somePlugins()))
	for method, want := range map[string]int{"GET": 200, "HEAD": 200, "POST": 403} {
		r := request(method, "/plugins/pin", "")
		r.Header.Set("Authorization", "Bearer viewer")
		if w := serve(d, r); w.Code != want {
			t.Errorf("%s /plugins/pin as viewer = %d %s, want %d", method, w.Code, w.Body, want)
		}
	}
	if w := serve(d, request("GET", "/plugins/pin", "")); w.Code != http.StatusUnauthorized {
		t.Errorf("GET /plugins/pin without a token = %d, want 401", w.Code)
	}
}

func TestWithoutAKeeperOfPluginsThereAreNoRoutes(t *testing.T) {
	d := newDoor(t)
	for _, asked := range []string{
		"GET /plugins", "GET /plugins/nmap", "POST /plugins/nmap/stop", "POST /plugins/pin", "POST /plugins/verify",
	} {
		method, path, _ := strings.Cut(asked, " ")
		checkProblem(t, serve(d, request(method, path, "")), 404, tool.KindValidation)
	}
	if raw, err := d.OpenAPI(); err != nil || strings.Contains(string(raw), `"/plugins`) {
		t.Errorf("the document (%v) has routes of plugins, want none", err)
	}
}

// Whatever stands in the path, a plugin is shown only under its name or that of its file.
func FuzzNamesInThePath(f *testing.F) {
	for _, seed := range []string{"nmap", "ping%2Bnet%402.so", "pin", "..", "a%2Fb", "nmap/stop", "%00", "?x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		target, err := url.ParseRequestURI("/plugins/" + raw)
		if err != nil {
			return // no target of a request
		}
		r := request("GET", "/", "")
		r.URL = target
		w := serve(newDoor(t, withPlugins(somePlugins())), r)
		name := strings.TrimPrefix(target.Path, "/plugins/")
		found, err := Find(somePlugins().list, name)
		shown := strings.Contains(w.Body.String(), `"path":"`+found.Path+`"`)
		if w.Code == http.StatusOK && (err != nil || !shown) {
			t.Errorf("GET /plugins/%s = %s, want nothing but the plugin %q", raw, w.Body, name)
		}
		if w.Code >= http.StatusInternalServerError {
			t.Errorf("GET /plugins/%s = %d %s, want no failure", raw, w.Code, w.Body)
		}
	})
}
