package httpdoor

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/strictjson"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// maxReason is the most characters of an operator's reason.
const maxReason = 256

// roles are all of them, each with the rights of the one before.
var roles = []auth.Role{auth.Viewer, auth.Caller, auth.Admin}

// needs lets only clients of a role through, or of one with more rights. Where no tokens are asked for, everybody is
// an administrator.
func (d *Door) needs(least auth.Role, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, known := auth.From(r.Context())
		if d.cfg.Clients != nil && (!known || slices.Index(roles, id.Role) < slices.Index(roles, least)) {
			d.refuse(w, r, http.StatusForbidden, tool.Errorf(
				tool.KindForbidden, "the client %s has the role %s; this needs the role %s", id.Client, id.Role, least).
				Suggest("ask the operator for a token with the role %s", least))
			return
		}
		next(w, r)
	}
}

// switching switches something of a tool on or off, and answers with the tool as it is then.
func (d *Door) switching(set func(context.Context, string, bool, string) error, on bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := mux.Vars(r)["name"]
		if _, ok := d.cfg.Catalog().Lookup(name); !ok {
			d.noSuchTool(w, r, name)
			return
		}
		reason, status, bad := readReason(w, r)
		if bad != nil {
			d.refuse(w, r, status, bad)
			return
		}
		if e := tool.AsError(set(r.Context(), name, on, reason)); e != nil {
			d.refuse(w, r, bareStatus(e.Kind), e.About(name, ""))
			return
		}
		e, ok := d.cfg.Catalog().Lookup(name)
		if !ok { // it left in this moment
			d.noSuchTool(w, r, name)
			return
		}
		writeJSON(w, http.StatusOK, d.view(e))
	}
}

// reasonBody is the body of an operator's request.
type reasonBody struct {
	Reason string `json:"reason"`
}

// readReason reads the body of an operator's request: nothing, or an object with a reason.
func readReason(w http.ResponseWriter, r *http.Request) (string, int, *tool.Error) {
	raw, status, bad := readBody(w, r, maxRESTBody)
	if bad != nil || len(raw) == 0 {
		return "", status, bad
	}
	if status, bad := checkMedia(r); bad != nil {
		return "", status, bad
	}
	reason, err := parseReason(raw)
	if err != nil {
		return "", http.StatusBadRequest, badBody(err).
			Suggest(`send nothing, or {"reason": "one line of at most %d characters"}`, maxReason)
	}
	return reason, 0, nil
}

func parseReason(raw []byte) (string, error) {
	body, err := strictjson.Decode[reasonBody](raw)
	if err != nil {
		return "", err
	}
	if utf8.RuneCountInString(body.Reason) > maxReason || strings.ContainsFunc(body.Reason, unicode.IsControl) {
		return "", &strictjson.Error{Pointer: "/reason", Reason: "it is too long, or has control characters in it"}
	}
	return body.Reason, nil
}

func (d *Door) config(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, d.cfg.Configuration())
}
