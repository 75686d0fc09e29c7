package httpdoor

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// routes makes the mux of the door's rows.
func (d *Door) routes() http.Handler {
	m := mux.NewRouter().UseEncodedPath().SkipClean(true) // a path that is not clean is no route
	m.Use(noteRoute)
	for _, r := range d.rows {
		m.Handle(r.pattern(), d.byMethod(r)).Name(r.path) // a route's name is its label in metrics
	}
	m.NotFoundHandler = d.authenticate(http.HandlerFunc(d.notFound))

	// In order: what a request cost is counted whatever became of it; no body is waited for without end; a page
	// of a foreign site is sent away before anything of its request is looked at; then the routes, each with
	// its own lock.
	return d.observe(timely(d.recoverPanics(d.sameOrigin(d.knownHost(m)))))
}

// lock puts the guard of its role in front of a route. Whether a caller may call is decided behind the door,
// so that a refusal stands in the audit trail; here it only has to be somebody.
func (d *Door) lock(r route) http.Handler {
	switch r.role {
	case everybody:
		return d.identify(r.handler)
	case auth.Admin:
		return d.authenticate(d.admin(r.handler))
	default:
		return d.authenticate(r.handler)
	}
}

// byMethod lets the methods of a row through, each to its handler; HEAD goes with GET.
func (d *Door) byMethod(row route) http.Handler {
	if row.method == "" {
		return d.lock(row)
	}
	handlers := map[string]http.Handler{row.method: d.lock(row)}
	if row.also != nil {
		handlers[row.also.method] = d.lock(*row.also)
	}
	if h := handlers[http.MethodGet]; h != nil {
		handlers[http.MethodHead] = h
	}
	allowed := row.allowed()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := handlers[r.Method]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Allow", allowed)
		d.refuse(w, r, http.StatusMethodNotAllowed, tool.Errorf(
			tool.KindValidation, "%s is not allowed here", r.Method).Suggest("use %s", allowed))
	})
}

// allowed are the methods of a path, as the header Allow names them.
func (r route) allowed() string {
	if r.also != nil {
		return r.also.method + ", " + r.method
	}
	return r.method
}

func (d *Door) notFound(w http.ResponseWriter, r *http.Request) {
	d.refuse(w, r, http.StatusNotFound, tool.Errorf(tool.KindValidation, "there is no such route").
		Suggest("GET / lists the routes; a tool's name has 1 to 64 characters of [A-Za-z0-9_-], "+
			"a plugin's in a path 1 to 255 of [A-Za-z0-9._+@-]"))
}

// otherEndpoint stands for requests of no route.
const otherEndpoint = "other"

// observe counts requests by route; what a caller invents is never a label.
func (d *Door) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		endpoint := otherEndpoint // until a route is found
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), endpointKey{}, &endpoint)))
		if d.cfg.Request != nil && endpoint != eventsPath { // how long somebody listens is no answer's time
			d.cfg.Request(endpoint, time.Since(start))
		}
	})
}

type endpointKey struct{}

// noteRoute tells observe which route it was.
func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if endpoint, ok := r.Context().Value(endpointKey{}).(*string); ok {
			*endpoint = mux.CurrentRoute(r).GetName()
		}
		next.ServeHTTP(w, r)
	})
}

func (d *Door) recoverPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // the identity is the contract
				panic(p)
			}
			d.cfg.Logger.ErrorContext(r.Context(), "panic in a handler", "panic", fmt.Sprint(p))
			d.refuse(w, r, http.StatusInternalServerError, tool.Errorf(tool.KindUnknown, "internal error").
				Suggest("look into the log of the host; it is a bug"))
		}()
		next.ServeHTTP(w, r)
	})
}
