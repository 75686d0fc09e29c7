package httpdoor

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// maxReason is the most characters of an operator's reason.
const maxReason = 256

// admin lets only administrators through. Where no tokens are asked for, everybody is one.
func (d *Door) admin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client := origin.From(r.Context()).Client
		if d.cfg.Tokens != nil {
			if role, known := d.cfg.Tokens.Role(client); !known || role != auth.Admin {
				d.refuse(w, r, http.StatusForbidden, tool.Errorf(
					tool.KindForbidden, "the client %s has the role %s; this needs the role %s", client, role, auth.Admin).
					Suggest("ask the operator for a token with the role %s", auth.Admin))
				return
			}
		}
		next.ServeHTTP(w, r)
	})
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

// readReason reads the body of an operator's request: nothing, or an object with a reason.
func readReason(w http.ResponseWriter, r *http.Request) (string, int, *tool.Error) {
	if r.ContentLength > maxRESTBody {
		return "", http.StatusRequestEntityTooLarge, tooLarge(maxRESTBody)
	}
	raw, status, bad := readBody(w, r)
	if bad != nil || len(raw) == 0 {
		return "", status, bad
	}
	if status, bad := checkMedia(r); bad != nil {
		return "", status, bad
	}
	if value := jsontext.Value(raw); !value.IsValid() || value.Kind() != '{' {
		return "", http.StatusBadRequest, notObject(value)
	}
	reason, err := parseReason(raw)
	if err != nil {
		return "", http.StatusBadRequest, tool.Errorf(tool.KindValidation, "the body: %w", err).
			Suggest(`send nothing, or {"reason": "one line of at most %d characters"}`, maxReason)
	}
	return reason, 0, nil
}

func parseReason(raw []byte) (string, error) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(raw, &members); err != nil {
		return "", err
	}
	var reason string
	for name, value := range members {
		switch {
		case name != "reason":
			return "", errors.New("allowed is the member reason alone")
		case value.Kind() != '"':
			return "", errors.New("reason must be a text")
		}
		if err := json.Unmarshal(value, &reason); err != nil {
			return "", err
		}
	}
	if utf8.RuneCountInString(reason) > maxReason || strings.ContainsFunc(reason, unicode.IsControl) {
		return "", errors.New("reason is too long, or has control characters in it")
	}
	return reason, nil
}

func (d *Door) config(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, d.cfg.Configuration())
}
