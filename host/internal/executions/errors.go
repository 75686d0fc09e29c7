package executions

import (
	"errors"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// ErrMemoryOnly is what Begin returns for a detached execution when the database cannot be written, or not at
// once. The execution is in the book all the same, in memory alone, until the database can be written: who
// goes on has what a host without a state directory has.
var ErrMemoryOnly = errors.New("the execution is kept in memory only, because the database cannot be written")

// ErrClosed is what Begin returns after Interrupt and Close.
var ErrClosed = errors.New("the book of executions is closed")

// errBusy is why somebody lost patience.
var errBusy = errors.New("the database is busy: this process or another one writes it, or has it locked")

// Reasons are in the metadata of errors, as "reason".
const (
	ReasonNoSuch     = "no_such_execution"
	ReasonBadID      = "bad_execution_id"
	ReasonEnded      = "execution_ended"
	ReasonNotEnded   = "execution_not_ended"
	ReasonOtherHost  = "execution_of_another_host"
	ReasonBadRange   = "bad_range"
	ReasonStoreFails = "executions_unreadable"
)

// errAbsent is the store's word for an execution that it has not.
var errAbsent = errors.New("no such execution")

func noSuch(id string) *tool.Error {
	return tool.Errorf(tool.KindValidation, "there is no execution %s", id).
		Suggest("look at the list of executions: the oldest ones that have ended are not kept").
		With("reason", ReasonNoSuch)
}

func ended(x Execution) *tool.Error {
	return tool.Errorf(tool.KindValidation, "execution %s has ended already: it is %s", x.ID, x.State).
		Suggest("read its result").With("reason", ReasonEnded).With("state", string(x.State))
}

func notEnded(x Execution) *tool.Error {
	e := tool.Errorf(tool.KindValidation, "execution %s is %s; only one that has ended can be deleted",
		x.ID, x.State)
	return e.Suggest("cancel it, and wait until it has ended").
		With("reason", ReasonNotEnded).With("state", string(x.State))
}

func ofOtherHost(x Execution, pid int) *tool.Error {
	e := tool.Errorf(tool.KindUnavailable, "execution %s is run by another host process (pid %d)", x.ID, pid).
		Suggest("cancel it through that host")
	return e.With("reason", ReasonOtherHost).With("pid", pid)
}

func unreadable(err error) *tool.Error {
	return tool.Errorf(tool.KindUnavailable, "the database of executions cannot be read: %w", err).
		Suggest("see the host's log and health; executions that run now are not affected").
		With("reason", ReasonStoreFails)
}

func badRange(format string, args ...any) *tool.Error {
	return tool.Errorf(tool.KindValidation, format, args...).With("reason", ReasonBadRange)
}

// checkID refuses what is no UUID, and returns the id as it is stored. It is on the way of every call.
func checkID(id string) (string, error) {
	if !validID(id) {
		return "", tool.Errorf(tool.KindValidation, "the execution id %q is no UUID", clip(id, 64)).
			Suggest("give an execution_id as the start of an execution or the list of them has it").
			With("reason", ReasonBadID)
	}
	return strings.ToLower(id), nil
}

func validID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// clip cuts a text that somebody else chose, at a whole character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return string(wholeRunes([]byte(s[:most])))
}
