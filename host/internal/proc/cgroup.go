package proc

import (
	"errors"
	"os"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Cgroup is the directory of the cgroup v2 tree below which each plugin process is born in a cgroup of its
// own. When a process ends, all that is in its cgroup is killed: what it started cannot get out, whatever
// session or parent it has. One is made for a host, with [NewCgroup], and given to each [Config].
type Cgroup struct {
	dir  string   // "": there is none, and why says so
	lock *os.File // dir, locked for as long as this host lives
	why  error
}

// errNoCgroup is why there is none when nobody made one.
var errNoCgroup = errors.New("not asked for")

// missing is why a process gets no cgroup; nil: it gets one.
func (g *Cgroup) missing() error {
	if g == nil {
		return errNoCgroup
	}
	return g.why
}

func cgroupLayer(err error) tool.Layer {
	if err != nil {
		return tool.Layer{Name: layerCgroup,
			Detail: err.Error() + ": what leaves the session of the plugin is found by other marks"}
	}
	return tool.Layer{Name: layerCgroup, Active: true,
		Detail: "born in a cgroup of its own; whatever it starts, in whatever session, is killed with it"}
}
