package httpdoor

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// metrics answers in the form that is asked for, as far as it is there.
func (d *Door) metrics(w http.ResponseWriter, r *http.Request) {
	h := d.cfg.Metrics
	if h == nil || prefersJSON(r.Header.Values("Accept")) {
		h = d.cfg.MetricsJSON
	}
	if h == nil {
		d.refuse(w, r, http.StatusNotAcceptable, tool.Errorf(
			tool.KindValidation, "the metrics are not there as JSON").Suggest("send Accept: text/plain"))
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Add("Vary", "Accept")
	h.ServeHTTP(w, r)
}

// prefersJSON reports whether an Accept header wants application/json more than the text of Prometheus. Who
// says nothing, or wants both alike, gets the text.
//
// Source: RFC 9110, 12.5.1
func prefersJSON(accept []string) bool {
	var json, text, any float64
	named := false
	for _, item := range strings.Split(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(item)
		if err != nil {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		if err != nil {
			q = 1
		}
		switch media {
		case "application/json":
			json, named = max(json, q), true
		case "text/plain", "text/*", "application/openmetrics-text":
			text = max(text, q)
		case "*/*":
			any = max(any, q)
		}
	}
	// A name says more than a star: who names JSON and leaves the rest to a star wants JSON.
	return named && json > text && json >= any
}
