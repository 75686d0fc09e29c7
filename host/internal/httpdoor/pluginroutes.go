package httpdoor

import (
	"net/http"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/auth"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// pluginsPath is where the plugins are.
const pluginsPath = "/plugins"

// pluginRows are the routes of plugins. A plugin may be named like one of the routes beside it, which yields
// what it does not serve itself.
func (d *Door) pluginRows() []route {
	off := d.cfg.Plugins == nil
	one := route{
		path: pluginsPath + "/{name}", method: http.MethodGet, role: auth.Viewer, handler: d.getPlugin, off: off,
		id: "getPlugin", tag: "plugins", summary: "One plugin", params: []string{"PluginName"},
		text:     "By its own name, else by the name of its file.",
		answers:  []outcome{{status: 200, text: "The plugin.", schema: "Plugin"}},
		problems: []int{400, 404},
	}
	rows := []route{{
		path: pluginsPath, method: http.MethodGet, role: auth.Viewer, handler: d.listPlugins, off: off,
		id: "listPlugins", tag: "plugins", summary: "All plugins, and what is wrong around them",
		answers: []outcome{{status: 200, text: "The plugins.", schema: "PluginList"}},
	}, {
		path: pluginsPath + "/pin", method: http.MethodPost, role: auth.Admin, handler: d.pin, off: off, also: &one,
		id: "pinPlugins", tag: "plugins", summary: "Let the bytes that are there now run, and no others",
		text: "Writes a plugins.lock into each directory.", body: &body{schema: "Reason"},
		answers:  []outcome{{status: 200, text: "What is pinned now.", schema: "PinReport"}},
		problems: []int{400, 413, 415, statusCancelled, 502, 503},
	}, {
		path: pluginsPath + "/verify", method: http.MethodPost, role: auth.Admin, handler: d.verify, off: off,
		also: &one, id: "verifyPlugins", tag: "plugins", summary: "Compare the files with what is pinned",
		text:     "Changes nothing. What differs is a finding, not a problem.",
		answers:  []outcome{{status: 200, text: "How they compare.", schema: "VerifyReport"}},
		problems: []int{statusCancelled, 502, 503},
	}, one}
	return append(rows,
		d.actionRow(PluginRestart, "restartPlugin", "Start the process of a plugin anew"),
		d.actionRow(PluginStop, "stopPlugin", "End a plugin until it is started by hand"),
		d.actionRow(PluginStart, "startPlugin", "Start a plugin that was stopped or given up"))
}

func (d *Door) actionRow(what PluginAction, id, summary string) route {
	return route{
		path: pluginsPath + "/{name}/" + string(what), method: http.MethodPost, role: auth.Admin,
		handler: d.acting(what), off: d.cfg.Plugins == nil,
		id: id, tag: "plugins", summary: summary, params: []string{"PluginName"}, body: &body{schema: "Reason"},
		answers:  []outcome{{status: 200, text: "The plugin as it is now.", schema: "Plugin"}},
		problems: []int{400, 404, 413, 415, statusCancelled, 502, 503},
	}
}

func (d *Door) listPlugins(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, d.cfg.Plugins.List().counted())
}

func (d *Door) getPlugin(w http.ResponseWriter, r *http.Request) {
	p, err := Find(d.cfg.Plugins.List(), pluginName(r))
	if err != nil {
		d.refuseAct(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, p.whole())
}

// pluginName is the name in the path. Its pattern has no escaped slash.
func pluginName(r *http.Request) string { return strings.Split(r.URL.Path, "/")[2] }

// acting does something to a plugin, and answers with the plugin as it is then.
func (d *Door) acting(what PluginAction) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name := pluginName(r)
		if _, err := Find(d.cfg.Plugins.List(), name); err != nil {
			d.refuseAct(w, r, err)
			return
		}
		reason, status, bad := readReason(w, r)
		if bad != nil {
			d.refuse(w, r, status, bad)
			return
		}
		p, err := d.cfg.Plugins.Do(r.Context(), name, what, reason)
		if err != nil {
			d.refuseAct(w, r, err)
			return
		}
		writeJSON(w, http.StatusOK, p.whole())
	}
}

func (d *Door) pin(w http.ResponseWriter, r *http.Request) {
	reason, status, bad := readReason(w, r)
	if bad != nil {
		d.refuse(w, r, status, bad)
		return
	}
	report, err := d.cfg.Plugins.Pin(r.Context(), reason)
	if err != nil {
		d.refuseAct(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, report.whole())
}

func (d *Door) verify(w http.ResponseWriter, r *http.Request) {
	report, err := d.cfg.Plugins.Verify(r.Context())
	if err != nil {
		d.refuseAct(w, r, err)
		return
	}
	report.Findings = list(report.Findings)
	writeJSON(w, http.StatusOK, report)
}

// refuseAct answers that an operator's request failed.
func (d *Door) refuseAct(w http.ResponseWriter, r *http.Request, err error) {
	e := tool.AsError(err)
	d.refuse(w, r, bareStatus(e.Kind), e.About("", "")) // a copy: others may hold the error too
}
