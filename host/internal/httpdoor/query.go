package httpdoor

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// query is what stands behind the question mark of a path: name -> value.
type query map[string]string

// maxFaults is how many faults of a query are told at once.
const maxFaults = 5

// readQuery reads a query in which each of some names may stand once, and nothing else.
func readQuery(r *http.Request, known ...string) (query, *tool.Error) {
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, tool.Errorf(tool.KindValidation, "the query cannot be read: a %% or a ; is out of place").
			Suggest("write name=value, joined by &, with all else percent-encoded")
	}
	q, faults := query{}, []string(nil)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch {
		case !slices.Contains(known, name):
			faults = append(faults, fmt.Sprintf("%q is not known here", brief(name)))
		case len(all[name]) > 1:
			faults = append(faults, fmt.Sprintf("%s stands there %d times", name, len(all[name])))
		}
		q[name] = all[name][0]
	}
	if len(faults) > 0 {
		faults = faults[:min(len(faults), maxFaults)]
		return nil, tool.Errorf(tool.KindValidation, "the query: %s", strings.Join(faults, "; ")).
			Suggest("known are %s, each once", strings.Join(known, ", "))
	}
	return q, nil
}

// number reads a whole number; without one it is def.
func (q query) number(name string, def, least, most int64) (int64, *tool.Error) {
	text := q[name]
	if text == "" {
		return def, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || int64(n) < least || int64(n) > most {
		return 0, tool.Errorf(tool.KindValidation, "the query has %s=%q", name, brief(text)).
			Suggest("%s is a whole number from %d to %d", name, least, most).With("query", name)
	}
	return int64(n), nil
}

// maxWord is the most bytes of a stranger's word that an error repeats.
const maxWord = 64

// brief shortens such a word, at the border of a character.
func brief(s string) string {
	if len(s) > maxWord {
		s = s[:maxWord]
	}
	return strings.ToValidUTF8(s, "")
}
