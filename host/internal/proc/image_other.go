//go:build !linux

package proc

import (
	"context"
	"io"
	"os"
	"os/exec"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// openImage hashes the file. It is executed by its path later: who may write to its directory, which is root
// and the host's user, can exchange it in between.
func openImage(ctx context.Context, cfg Config) (*image, error) {
	want, err := cfg.wanted()
	if err != nil {
		return nil, err
	}
	im := &image{name: cfg.Name, path: cfg.Path}
	f, err := os.Open(cfg.Path)
	if err != nil {
		return nil, im.unreadable(err)
	}
	defer f.Close() // only read
	info, err := f.Stat()
	if err != nil {
		return nil, im.unreadable(err)
	}
	if err := im.judged(info, cfg.Judge); err != nil {
		return nil, err
	}
	if err := checkWhole(f, info.Size()); err != nil {
		return nil, im.unfinished(err.Error())
	}
	if im.sum, err = hash(ctx, io.Discard, f); err != nil {
		return nil, im.unreadable(err)
	}
	return im, im.compare(want)
}

func (im *image) place(string) error      { return nil }
func (im *image) clearOf(*exec.Cmd) error { return nil }
func (im *image) exec() string            { return im.path }
func (im *image) extra() []*os.File       { return nil }
func (im *image) intact() error           { return nil }
func (im *image) executed()               {}
func (im *image) close()                  {}

// layer says what is missing.
func (im *image) layer() tool.Layer {
	return tool.Layer{Name: layerBytes, Detail: "the file is hashed and then executed by its path, " +
		"and could be exchanged in between: this takes Linux"}
}
