package fleet

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/discover"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// attach makes the fleet one of a single plugin that a person has started and the host is attached to. Its
// socket stands in the place of a file: as long as it is there, so is the plugin; another socket is another
// process of it, which takes over.
func (f *Fleet) attach() {
	f.start = attached
	f.scan = func() discover.Result { return lookAt(f.cfg.Attach) }
	f.watch = func(ctx context.Context, news func(why string)) error {
		return discover.Watch(ctx, []string{filepath.Dir(f.cfg.Attach)}, discover.WatchConfig{
			News: news, Rescan: f.cfg.Rescan, Logger: f.cfg.Logger,
		})
	}
}

func attached(ctx context.Context, b birth) (*process, error) {
	p, err := proc.Attach(ctx, b.candidate.Path)
	if err != nil {
		return nil, err
	}
	return &process{Handler: p, life: p, done: p.Done(), layers: p.Layers()}, nil
}

// lookAt is a scan that finds one socket, or says what is wrong with it.
func lookAt(path string) discover.Result {
	refused := discover.Refusal{Path: path, Fix: "start the plugin with --debug, as yourself; it says where it waits"}
	dir := filepath.Dir(path)
	stamp, err := discover.StampOf(path)
	if err != nil {
		refused.Reason = "no plugin waits for a host: " + err.Error()
		return discover.Result{Missing: []discover.Refusal{refused}, Dirs: []string{dir}}
	}
	if err := wire.CheckDebugSocket(path); err != nil {
		refused.Reason = err.Error()
		return discover.Result{Refusals: []discover.Refusal{refused}, Dirs: []string{dir}}
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return discover.Result{
		Candidates: []discover.Candidate{{Name: name, Path: path, Dir: dir, Stamp: stamp}}, Dirs: []string{dir},
	}
}
