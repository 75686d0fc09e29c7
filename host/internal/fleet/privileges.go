package fleet

import (
	"os"
	"slices"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// NoNewPrivs says whether the programs that a plugin starts can gain rights from their files, as Debian's ping
// does from its file capability.
type NoNewPrivs string

// The answers.
const (
	Auto NoNewPrivs = "auto" // no, unless a tool cannot do without a capability that the host cannot hand on
	On   NoNewPrivs = "on"   // no
	Off  NoNewPrivs = "off"  // yes
)

// noNewPrivs decides for a plugin. Of one that has not described itself yet nothing is known, and it starts
// without; see member.bear.
func (f *Fleet) noNewPrivs(m tool.Manifest) bool {
	switch f.cfg.NoNewPrivs {
	case On:
		return true
	case Off:
		return false
	}
	return !slices.ContainsFunc(m.Tools, func(s tool.Spec) bool {
		return slices.ContainsFunc(s.Needs, func(n tool.Need) bool {
			return n.Kind == tool.NeedCapability && !n.Optional && !f.handsOn(n.Name)
		})
	})
}

// handsOn reports whether what the host starts has a capability without a file's help. Root's children have
// all that root has.
func handsOn(capability string) bool {
	return os.Geteuid() == 0 || ambient(capability)
}
