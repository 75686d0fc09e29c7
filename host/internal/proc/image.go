package proc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// ErrUnfinished is in the chain of the error of a start whose file is not whole yet: it is worth another try
// when the file has been left alone for a moment.
var ErrUnfinished = errors.New("the file is still being written")

// ErrChanged is in the chain of the error of a start whose file has other bytes than Config.SHA256 says.
var ErrChanged = errors.New("the file has changed")

// image is the file of a plugin, held so that the bytes that were hashed are the bytes that run. On Linux the
// descriptor is what is executed, and nobody can write to what it stands for; elsewhere there is none, and
// the path is executed.
type image struct {
	name, path  string
	file        *os.File // nil: the path is executed
	sum         string   // SHA-256 of the bytes, in hex
	script      bool     // begins with "#!", and interpreter runs it
	leased      bool     // nobody can write to the file, or who tries is seen
	copied      bool     // file is a sealed copy in memory
	interpreter string
	link        string // the path by which the descriptor is executed; "": none yet, or removed
}

// wanted checks a checksum of the configuration, and gives it as image.sum has it.
func (c Config) wanted() (string, error) {
	sum := strings.ToLower(c.SHA256)
	if b, err := hex.DecodeString(sum); sum != "" && (err != nil || len(b) != 32) {
		return "", failed(c.Name, "has a checksum, %q, that is not hex of 32 bytes", c.SHA256).
			Suggest("write the checksum as sha256sum prints it")
	}
	return sum, nil
}

// compare fails when the bytes are not those that were wanted.
func (im *image) compare(want string) error {
	if want == "" || im.sum == want {
		return nil
	}
	return failed(im.name, "has other bytes than were expected, sha256 %.12s… and not %.12s…: %w",
		im.sum, want, ErrChanged).
		Suggest("if you exchanged %s yourself, have it read again; if not, find out who did", im.path)
}

func (im *image) unfinished(why string) *tool.Error {
	return failed(im.name, "is not tried yet, as %s: %w", why, ErrUnfinished).
		Suggest("wait until %s has been written; better, write it elsewhere on the same file system and "+
			"rename it into place", im.path)
}

// judged has the open file judged by who chose its path. One that is another by now is not tried: somebody must
// look at it first.
func (im *image) judged(info fs.FileInfo, judge func(fs.FileInfo) error) error {
	if judge == nil {
		return nil
	}
	if err := judge(info); err != nil {
		return im.unfinished(err.Error())
	}
	return nil
}

func (im *image) unreadable(err error) *tool.Error {
	return failed(im.name, "cannot be read: %w", err).
		Suggest("see that %s is there and that the host's user can read it", im.path)
}

func (im *image) notExecutable() *tool.Error {
	return failed(im.name, "is not executable for the host's user").
		Suggest("chmod u+x %s, and see that its file system is not mounted noexec", im.path)
}

// hash copies from to to and gives the SHA-256 of what it copied.
func hash(ctx context.Context, to io.Writer, from io.Reader) (string, error) {
	sum := sha256.New()
	// Each hidden behind its interface: a faster way that a file knows would go round the hash.
	both := io.MultiWriter(sum, struct{ io.Writer }{to})
	_, err := io.CopyBuffer(both, until{ctx, from}, make([]byte, 128<<10))
	return hex.EncodeToString(sum.Sum(nil)), err
}

// until is a reader until its context ends.
type until struct {
	ctx context.Context
	io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if err := context.Cause(u.ctx); err != nil {
		return 0, err
	}
	return u.Reader.Read(p)
}
