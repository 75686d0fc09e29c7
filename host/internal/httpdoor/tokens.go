package httpdoor

import (
	"context"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// TokenStore is what /tokens shows and acts on. Errors are *tool.Error.
type TokenStore interface {
	List() ([]auth.Stored, error)
	// Create makes a token, and Rotate another secret for one. The secret is shown this once.
	Create(ctx context.Context, w auth.Wanted) (secret string, err error)
	Rotate(ctx context.Context, name string, overlap time.Duration) (secret string, err error)
	Revoke(ctx context.Context, name string) error
}

// tokenList is what GET /tokens answers.
type tokenList struct {
	Tokens []tokenView `json:"tokens" jsonschema:"those of the store; the configuration's are in GET /config"`
	Total  int         `json:"total" jsonschema:"how many there are"`
}

// tokenView is a token without what would let anybody in.
type tokenView struct {
	Name      string     `json:"name" jsonschema:"of the client"`
	Role      auth.Role  `json:"role" jsonschema:"viewer, caller or admin"`
	Tools     []string   `json:"tools" jsonschema:"names or globs of the tools that it may call; none: all"`
	Requests  int        `json:"rate_requests,omitempty" jsonschema:"calls of each tool within rate_per_sec; left out: as for others"`
	Per       float64    `json:"rate_per_sec,omitempty" jsonschema:"seconds"`
	Created   time.Time  `json:"created" jsonschema:"when it was made"`
	Rotated   *time.Time `json:"rotated,omitempty" jsonschema:"when its secret was exchanged last"`
	Expires   *time.Time `json:"expires,omitempty" jsonschema:"when it ends; left out: never"`
	Generated bool       `json:"generated" jsonschema:"whether it was made at the first start"`
	Problem   string     `json:"problem,omitempty" jsonschema:"why it lets nobody in; left out: it does"`
}

// secretView is what a new token, or a new secret, is answered with.
type secretView struct {
	Name   string `json:"name" jsonschema:"of the client"`
	Secret string `json:"token" jsonschema:"the bearer token; it is kept nowhere, and never shown again"`
}

func (d *Door) tokenRows() []route {
	off := d.cfg.Store == nil
	list := route{
		path: tokensPath, method: http.MethodGet, role: auth.Admin, handler: d.listTokens, off: off,
		id: "listTokens", tag: "tokens", summary: "The tokens of the store, without what lets anybody in",
		answers: []outcome{{status: 200, text: "The tokens.", schema: "TokenList"}}, problems: []int{502, 503},
	}
	one := func(method, path, id, summary string, h http.HandlerFunc) route {
		return route{
			path: tokensPath + "/{name}" + path, method: method, role: auth.Admin, handler: h, off: off,
			id: id, tag: "tokens", summary: summary, params: []string{"TokenName"},
			problems: []int{400, 404, 502, 503},
		}
	}
	revoke := one(http.MethodDelete, "", "revokeToken", "Let a token not come in any more", d.revokeToken)
	revoke.text = "In force with the next request; streams of the client end."
	revoke.answers = []outcome{{status: 200, text: "What was revoked.", schema: "Status"}}
	rotate := one(http.MethodPost, "/rotate", "rotateToken", "Exchange the secret of a token", d.rotateToken)
	rotate.body, rotate.problems = &body{schema: "Rotation"}, []int{400, 404, 413, 415, 502, 503}
	rotate.answers = []outcome{{status: 200, text: "The new secret, this once.", schema: "Secret"}}
	return []route{{
		path: tokensPath, method: http.MethodPost, role: auth.Admin, handler: d.createToken, off: off, also: &list,
		id: "createToken", tag: "tokens", summary: "Make a token", body: &body{schema: "NewToken", required: true},
		answers:  []outcome{{status: 201, text: "The token, this once.", schema: "Secret"}},
		problems: []int{400, 413, 415, 502, 503},
	}, list, revoke, rotate}
}

const tokensPath = "/tokens"

func (d *Door) listTokens(w http.ResponseWriter, r *http.Request) {
	all, err := d.cfg.Store.List()
	if err != nil {
		d.refuseToken(w, r, err)
		return
	}
	v := tokenList{Tokens: []tokenView{}, Total: len(all)}
	for _, t := range all {
		v.Tokens = append(v.Tokens, viewToken(t))
	}
	writeJSON(w, http.StatusOK, v)
}

func viewToken(t auth.Stored) tokenView {
	return tokenView{
		Name: t.Name, Role: t.Role, Tools: append([]string{}, t.Tools...), Requests: t.Rate.Requests,
		Per: t.Rate.Per.Seconds(), Created: t.Created, Rotated: moment(t.Rotated), Expires: moment(t.Expires),
		Generated: t.Generated, Problem: t.Problem,
	}
}

// moment is nil for no time at all.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// newToken is the body of POST /tokens.
type newToken struct {
	Name     string     `json:"name" jsonschema:"of the client"`
	Role     auth.Role  `json:"role,omitempty" jsonschema:"viewer, caller or admin; left out: caller"`
	Tools    []string   `json:"tools,omitempty" jsonschema:"names or globs of the tools that it may call; left out: all"`
	Requests int        `json:"rate_requests,omitempty" jsonschema:"calls of each tool within rate_per_sec; left out: as for others"`
	Per      float64    `json:"rate_per_sec,omitempty" jsonschema:"seconds; left out: as for others"`
	Expires  *time.Time `json:"expires,omitempty" jsonschema:"when it ends, RFC 3339; left out: never"`
}

// maxRatePer is the longest time of a rate, in seconds; beyond, a duration would overflow somewhere.
const maxRatePer = 86400

func (n newToken) wanted() (auth.Wanted, error) {
	if n.Per < 0 || n.Per > maxRatePer {
		return auth.Wanted{}, &strictjson.Error{Pointer: "/rate_per_sec", Reason: "it must be 1 to 86400 seconds"}
	}
	w := auth.Wanted{
		Name: n.Name, Role: n.Role, Tools: n.Tools,
		Rate: auth.Rate{Requests: n.Requests, Per: time.Duration(n.Per * float64(time.Second))},
	}
	if w.Role == "" {
		w.Role = auth.Caller
	}
	if n.Expires != nil {
		w.Expires = *n.Expires
	}
	return w, nil
}

func (d *Door) createToken(w http.ResponseWriter, r *http.Request) {
	raw, status, bad := readJSON(w, r, maxRESTBody)
	if bad != nil {
		d.refuse(w, r, status, bad)
		return
	}
	body, err := strictjson.Decode[newToken](raw)
	wanted, wrong := body.wanted()
	if err == nil {
		err = wrong
	}
	if err != nil {
		d.refuse(w, r, http.StatusBadRequest, badBody(err).
			Suggest(`send {"name": "ci", "role": "caller"}, and what else GET /openapi.json names`))
		return
	}
	secret, err := d.cfg.Store.Create(r.Context(), wanted)
	if err != nil {
		d.refuseToken(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, secretView{Name: wanted.Name, Secret: secret})
}

func (d *Door) revokeToken(w http.ResponseWriter, r *http.Request) {
	if err := d.cfg.Store.Revoke(r.Context(), mux.Vars(r)["name"]); err != nil {
		d.refuseToken(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, statusView{"revoked"})
}

// rotation is the body of POST /tokens/{name}/rotate.
type rotation struct {
	Overlap float64 `json:"overlap_sec,omitempty" jsonschema:"seconds for which the old secret stays good; left out: none"`
}

// maxOverlap is the most seconds for which two secrets are good.
const maxOverlap = 7 * 24 * 3600

func (d *Door) rotateToken(w http.ResponseWriter, r *http.Request) {
	overlap, status, bad := readOverlap(w, r)
	if bad != nil {
		d.refuse(w, r, status, bad)
		return
	}
	name := mux.Vars(r)["name"]
	secret, err := d.cfg.Store.Rotate(r.Context(), name, overlap)
	if err != nil {
		d.refuseToken(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, secretView{Name: name, Secret: secret})
}

// readOverlap reads a body that may be empty.
func readOverlap(w http.ResponseWriter, r *http.Request) (time.Duration, int, *tool.Error) {
	raw, status, bad := readBody(w, r, maxRESTBody)
	if bad != nil || len(raw) == 0 {
		return 0, status, bad
	}
	if status, bad := checkMedia(r); bad != nil {
		return 0, status, bad
	}
	body, err := strictjson.Decode[rotation](raw)
	if err == nil && (body.Overlap < 0 || body.Overlap > maxOverlap) {
		err = &strictjson.Error{Pointer: "/overlap_sec", Reason: "it must be 0 to 604800 seconds"}
	}
	if err != nil {
		return 0, http.StatusBadRequest, badBody(err).Suggest(`send nothing, or {"overlap_sec": 3600}`)
	}
	return time.Duration(body.Overlap * float64(time.Second)), 0, nil
}

// refuseToken answers what the store did not do.
func (d *Door) refuseToken(w http.ResponseWriter, r *http.Request, err error) {
	e := tool.AsError(err)
	d.refuse(w, r, bareStatus(e.Kind), e)
}
