package httpdoor

import (
	"cmp"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/health"
	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// indexView is what GET / answers.
type indexView struct {
	Name      string   `json:"name" jsonschema:"gatehouse"`
	Version   string   `json:"version" jsonschema:"of the host"`
	Transport string   `json:"transport" jsonschema:"how clients reach it"`
	Tools     int      `json:"tools" jsonschema:"how many there are"`
	Enabled   int      `json:"enabled_tools" jsonschema:"how many of them can be called"`
	Endpoints []string `json:"endpoints" jsonschema:"method and path of each route"`
}

func (d *Door) index(w http.ResponseWriter, _ *http.Request) {
	entries := d.cfg.Catalog().Entries()
	v := indexView{
		Name: "gatehouse", Version: d.cfg.Version, Transport: d.cfg.Transport, Tools: len(entries),
		Enabled: enabled(entries), Endpoints: []string{},
	}
	for _, r := range d.rows {
		if r.path != "/" {
			v.Endpoints = append(v.Endpoints, cmp.Or(r.method, http.MethodPost)+" "+r.path)
		}
	}
	writeJSON(w, http.StatusOK, v)
}

func enabled(entries []*catalog.Entry) int {
	n := 0
	for _, e := range entries {
		if e.Settings.Enabled {
			n++
		}
	}
	return n
}

// statusView is what the routes for orchestrators answer.
type statusView struct {
	Status string `json:"status" jsonschema:"alive or ready"`
}

func (d *Door) livez(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, statusView{"alive"})
}

func (d *Door) readyz(w http.ResponseWriter, _ *http.Request) {
	if !d.cfg.Ready() {
		writeProblem(w, http.StatusServiceUnavailable, tool.Errorf(
			tool.KindUnavailable, "plugins are being started").Suggest("try again in a second"), tool.Result{})
		return
	}
	writeJSON(w, http.StatusOK, statusView{"ready"})
}

// health tells details only to those who may know them.
func (d *Door) health(w http.ResponseWriter, r *http.Request) {
	report := d.cfg.Health()
	if origin.From(r.Context()).Client == "" {
		report.Checks = nil
	}
	status := map[health.Status]int{
		health.Healthy: http.StatusOK, health.Degraded: http.StatusMultiStatus,
	}[report.Status]
	if status == 0 { // whatever is not known to be good
		status, report.Status = http.StatusServiceUnavailable, health.Unhealthy
	}
	writeJSON(w, status, report)
}

func (d *Door) listTools(w http.ResponseWriter, _ *http.Request) {
	entries := d.cfg.Catalog().Entries()
	v := toolListView{Tools: []toolView{}, Total: len(entries), Enabled: enabled(entries)}
	for _, e := range entries {
		v.Tools = append(v.Tools, d.view(e))
	}
	writeJSON(w, http.StatusOK, v)
}

func (d *Door) getTool(w http.ResponseWriter, r *http.Request) {
	name := mux.Vars(r)["name"]
	e, ok := d.cfg.Catalog().Lookup(name)
	if !ok {
		d.noSuchTool(w, r, name)
		return
	}
	writeJSON(w, http.StatusOK, d.fullView(e))
}

func (d *Door) noSuchTool(w http.ResponseWriter, r *http.Request, name string) {
	d.refuse(w, r, http.StatusNotFound, tool.Errorf(tool.KindToolNotFound, "there is no tool %s", name).
		Suggest("list the tools to see what there is: GET /tools, or gatehouse tools"))
}

func (d *Door) execute(w http.ResponseWriter, r *http.Request) {
	req, ok := d.request(w, r)
	if !ok {
		return
	}
	res, err := d.cfg.Caller.Call(r.Context(), req, nil)
	if e := tool.AsError(err); e != nil && !e.Kind.InResult() {
		writeProblem(w, statusOf(e.Kind), e, res)
		return
	}
	correlate(w, res.CorrelationID)
	writeReport(w, tool.NewReport(res, err))
}

func (d *Door) plan(w http.ResponseWriter, r *http.Request) {
	req, ok := d.request(w, r)
	if !ok {
		return
	}
	p, err := d.cfg.Caller.Plan(r.Context(), req)
	if e := tool.AsError(err); e != nil {
		ids := tool.Result{ExecutionID: p.ExecutionID, CorrelationID: p.CorrelationID}
		writeProblem(w, bareStatus(e.Kind), e, ids)
		return
	}
	correlate(w, p.CorrelationID)
	writeJSON(w, http.StatusOK, p)
}

// request makes a request of the tool named in the path and the arguments in the body, or answers why not.
func (d *Door) request(w http.ResponseWriter, r *http.Request) (tool.Request, bool) {
	args, status, err := readObject(w, r)
	if err != nil {
		d.refuse(w, r, status, err)
		return tool.Request{}, false
	}
	return tool.Request{Tool: mux.Vars(r)["name"], Client: origin.From(r.Context()).Client, Arguments: args}, true
}
