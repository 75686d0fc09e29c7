package httpdoor

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/host/internal/conns"
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
	var way http.Handler = m // each route has its own lock
	for _, step := range slices.Backward(d.steps()) {
		way = step(way)
	}
	return way
}

// steps is what every request passes before its route, outermost first, each with the reason for its place.
func (d *Door) steps() []func(http.Handler) http.Handler {
	return []func(http.Handler) http.Handler{
		d.observe,       // what a request cost is counted whatever became of it
		pace,            // no answer is written without end, refusals of all below included
		timely,          // no body is read without end
		present,         // nothing runs on for a client that is gone
		d.recoverPanics, // a bug of one below is an answer, which the ones above still bound
		d.within,        // who has too many connections is sent away before he costs more
		d.unambiguous,   // before the request is believed: another server may have read another one
		d.noProxy,       // before the Host, which such a request names as it likes
		d.knownHost,     // before the Origin, which is compared with it
		d.sameOrigin,    // before the credential: a browser sends that along for any page
	}
}

// presence is how often it is looked whether the client of a request is still there.
const presence = time.Second

// present ends a request whose client has gone, also where net/http does not notice.
func present(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		var look func()
		look = func() {
			switch {
			case ctx.Err() != nil:
			case conns.Gone(ctx):
				cancel()
			default:
				time.AfterFunc(presence, look)
			}
		}
		first := time.AfterFunc(presence, look)
		defer first.Stop()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// within sends away what comes over one connection more than its client may have.
func (d *Door) within(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conns.Over(r.Context()) {
			leave(w, r)
			e := tool.Errorf(tool.KindRateLimited, "the address %s has too many connections", visitOf(r).remote).
				Suggest("end some first; the operator can raise server.max_connections_per_client")
			e.RetryAfter = time.Second
			d.refuse(w, r, http.StatusTooManyRequests, e)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// unambiguous refuses a request whose end another server on its way may have seen elsewhere.
func (d *Door) unambiguous(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := headsOf(r.Context())
		if h == nil {
			next.ServeHTTP(w, r)
			return
		}
		h.handled.Store(true)
		if h.ambiguous.Load() {
			leave(w, r)
			d.refuse(w, r, http.StatusBadRequest, tool.Errorf(tool.KindValidation,
				"the request has both a Content-Length and a Transfer-Encoding").
				Suggest("send one of them; a proxy on the way may have added the other"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// noProxy refuses to be one, whatever Host is named.
func (d *Door) noProxy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			leave(w, r)
			d.refuse(w, r, http.StatusMethodNotAllowed, tool.Errorf(
				tool.KindValidation, "%s is not allowed: this is no proxy", r.Method).Suggest("GET / lists the routes"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// lock puts the guard of its role in front of a route. Whether a caller may call is decided behind the door,
// so that a refusal stands in the audit trail; here it only has to be somebody.
func (d *Door) lock(r route) http.Handler {
	switch r.role {
	case everybody:
		if r.details {
			return d.identify(r.handler)
		}
		return d.open(r.handler)
	case auth.Admin:
		return d.authenticate(d.needs(auth.Admin, r.handler))
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
	other := d.notAllowed(row.allowed())
	if row.role != everybody {
		other = d.authenticate(other) // what there is, strangers do not learn
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := handlers[r.Method]; h != nil {
			h.ServeHTTP(w, r)
			return
		}
		other.ServeHTTP(w, r)
	})
}

func (d *Door) notAllowed(allowed string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allowed)
		d.refuse(w, r, http.StatusMethodNotAllowed, tool.Errorf(
			tool.KindValidation, "%s is not allowed here", clip(r.Method)).Suggest("use %s", allowed))
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
	apart := ""
	if d.apart {
		apart = "; administrators have an address of their own (admin.listen)"
	}
	d.refuse(w, r, http.StatusNotFound, tool.Errorf(tool.KindValidation, "there is no such route").
		Suggest("GET / lists the routes; a tool's name has 1 to 64 characters of [A-Za-z0-9_-], "+
			"a plugin's in a path 1 to 255 of [A-Za-z0-9._+@-]%s", apart))
}

// otherEndpoint stands for requests of no route.
const otherEndpoint = "other"

// observe counts requests by route; what a caller invents is never a label.
func (d *Door) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		v := d.arrive(r)
		next.ServeHTTP(w, withVisit(r, v))
		if d.cfg.Request != nil && !v.listens { // how long somebody listens is no answer's time
			d.cfg.Request(v.endpoint, time.Since(start))
		}
	})
}

// noteRoute tells observe which route it was.
func noteRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		visitOf(r).endpoint = mux.CurrentRoute(r).GetName()
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
