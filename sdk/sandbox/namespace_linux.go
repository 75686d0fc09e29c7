//go:build amd64 || arm64

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox/internal/supervisor"
)

// namespaces tries once whether supervisors can have PID namespaces of their own, and is why not. The trial
// goes all the way to an exec, of what cannot be executed.
var namespaces = sync.OnceValue(func() error {
	if !own().held.has(capSysAdmin) {
		return errors.New("this process has no CAP_SYS_ADMIN")
	}
	w, err := startWorker(os.TempDir(), true)
	if err != nil {
		return err
	}
	defer w.end()
	return w.trial()
})

// errShared is why a pool of the tests has none.
var errShared = errors.New("this pool shares the PID namespace of its process")

// trialPatience bounds the trial; it takes milliseconds.
const trialPatience = 5 * time.Second

// trial reports why w cannot start a program, as far as exec.
func (w *worker) trial() error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	job := supervisor.Job{Argv: []string{"/"}, FileSize: 0, Processes: supervisor.NotSet,
		OpenFiles: supervisor.NotSet, CPU: 1, AddressSpace: supervisor.NotSet}
	packet, err := job.Append(nil)
	if err != nil {
		return err
	}
	if err := w.send(packet, []int{int(null.Fd()), int(null.Fd())}); err != nil {
		return err
	}
	if err := w.conn.SetReadDeadline(time.Now().Add(trialPatience)); err != nil {
		return err
	}
	var m supervisor.Message
	for m.Kind != supervisor.KindDone {
		pidfd, err := w.receive(&m)
		if err != nil {
			return fmt.Errorf("its trial: %w", err)
		}
		closeFd(pidfd)
	}
	if m.Stage != supervisor.StageExec {
		return fmt.Errorf("its trial: %v: %w", m.Stage, m.Errno)
	}
	return nil
}
