package httpdoor

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// fakeStore has the token ci, and notes what it was asked.
type fakeStore struct {
	got []string
	err error
}

func (s *fakeStore) List() ([]auth.Stored, error) {
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return []auth.Stored{
		{Name: "ci", Role: auth.Caller, Tools: []string{"Ping*"}, Rate: auth.Rate{Requests: 5, Per: time.Minute},
			Created: created, Expires: created.AddDate(1, 0, 0)},
		{Name: "default", Role: auth.Admin, Created: created, Generated: true},
	}, s.err
}

func (s *fakeStore) Create(_ context.Context, w auth.Wanted) (string, error) {
	s.got = append(s.got, fmt.Sprintf("create %s %s %v %v %v", w.Name, w.Role, w.Tools, w.Rate, w.Expires))
	return "gth_secret", s.err
}

func (s *fakeStore) Rotate(_ context.Context, name string, overlap time.Duration) (string, error) {
	s.got = append(s.got, fmt.Sprintf("rotate %s %v", name, overlap))
	return "gth_other", s.err
}

func (s *fakeStore) Revoke(_ context.Context, name string) error {
	s.got = append(s.got, "revoke "+name)
	return s.err
}

func TestTokensAreMadeAndTakenAway(t *testing.T) {
	for _, row := range []struct {
		says, method, path, body string
		status                   int
		did, answer              string
	}{
		{"the least", "POST", "/tokens", `{"name": "ci2"}`, 201,
			"create ci2 caller [] {0 0s} 0001-01-01 00:00:00 +0000 UTC", `"token":"gth_secret"`},
		{"everything", "POST", "/tokens", `{"name": "x", "role": "viewer", "tools": ["Ping*"], "rate_requests": 5,
			"rate_per_sec": 0.5, "expires": "2030-01-02T03:04:05Z"}`, 201,
			"create x viewer [Ping*] {5 500ms} 2030-01-02 03:04:05 +0000 UTC", `"name":"x"`},
		{"another secret", "POST", "/tokens/ci/rotate", ``, 200, "rotate ci 0s", `"token":"gth_other"`},
		{"another secret, both good for a while", "POST", "/tokens/ci/rotate", `{"overlap_sec": 3600}`, 200,
			"rotate ci 1h0m0s", `"token":"gth_other"`},
		{"nobody any more", "DELETE", "/tokens/ci", ``, 200, "revoke ci", `"status":"revoked"`},
		{"a rate without end", "POST", "/tokens", `{"name": "x", "rate_per_sec": 1e300}`, 400, "", "/rate_per_sec"},
		{"a rate below nothing", "POST", "/tokens", `{"name": "x", "rate_per_sec": -1}`, 400, "", "/rate_per_sec"},
		{"what nobody knows", "POST", "/tokens", `{"name": "x", "admin": true}`, 400, "", "/admin"},
		{"a name in capitals", "POST", "/tokens", `{"Name": "x"}`, 400, "", "/Name"},
		{"a number for a name", "POST", "/tokens", `{"name": 5}`, 400, "", "/name"},
		{"no time", "POST", "/tokens", `{"name": "x", "expires": "soon"}`, 400, "", "/expires"},
		{"no object", "POST", "/tokens", `[]`, 400, "", ""},
		{"nothing", "POST", "/tokens", ``, 415, "", ""},
		{"an overlap without end", "POST", "/tokens/ci/rotate", `{"overlap_sec": 1e99}`, 400, "", "/overlap_sec"},
		{"a name that there cannot be", "DELETE", "/tokens/a.b", ``, 404, "", ""},
	} {
		s := &fakeStore{}
		d := newDoor(t, func(c *Config) { c.Store = s })
		w := serve(d, request(row.method, row.path, row.body))
		did := strings.Join(s.got, ", ")
		if w.Code != row.status || did != row.did || !strings.Contains(w.Body.String(), row.answer) {
			t.Errorf("%s: %s %s %s = %d %s, did %q; want %d, %q, %q", row.says, row.method, row.path, row.body, w.Code,
				w.Body, did, row.status, row.did, row.answer)
		}
		if row.status >= 400 && row.status != 404 {
			checkProblem(t, w, row.status, tool.KindValidation)
		}
	}
}

func TestTheTokensAreListedWithoutTheirSecrets(t *testing.T) {
	w := serve(newDoor(t, func(c *Config) { c.Store = &fakeStore{} }), request("GET", "/tokens", ""))
	const want = `{"tokens":[{"name":"ci","role":"caller","tools":["Ping*"],"rate_requests":5,"rate_per_sec":60,` +
		`"created":"2026-01-02T03:04:05Z","expires":"2027-01-02T03:04:05Z","generated":false},` +
		`{"name":"default","role":"admin","tools":[],"created":"2026-01-02T03:04:05Z","generated":true}],"total":2}`
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want {
		t.Errorf("GET /tokens = %d %s, want %s", w.Code, got, want)
	}
}

func TestWhatTheStoreDoesNotDoIsSaid(t *testing.T) {
	for kind, status := range map[tool.Kind]int{
		tool.KindValidation: 400, tool.KindToolNotFound: 404, tool.KindUnavailable: 503,
	} {
		s := &fakeStore{err: tool.Errorf(kind, "not done").Suggest("do this")}
		d := newDoor(t, func(c *Config) { c.Store = s })
		for _, target := range []string{"DELETE /tokens/ci", "POST /tokens/ci/rotate"} {
			method, path, _ := strings.Cut(target, " ")
			checkProblem(t, serve(d, request(method, path, "")), status, kind)
		}
	}
}
