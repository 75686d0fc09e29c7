package nmap

import (
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// complaints listens to what nmap says on stderr: why it could not begin, and what a report does not tell.
// Its library for connections says there that it ran out of descriptors, goes on with what it has, and nmap
// ends as if all were well: with services and scripts missing from the report. Such a run has failed.
type complaints struct {
	lines func(chunk []byte)
	said  string // the first line that tells of missing descriptors
	first string // the first line that is not empty, nor a warning if there is another
}

func newComplaints() *complaints {
	c := new(complaints)
	c.lines = command.Lines(1<<10, c.line)
	return c
}

// chunk takes what came on stderr.
func (c *complaints) chunk(p []byte) { c.lines(p) }

func (c *complaints) line(line string) {
	if c.said == "" && strings.HasPrefix(line, "NSOCK ERROR") &&
		strings.Contains(line, "Too many open files") {
		c.said = line
	}
	line = strings.TrimSpace(line)
	if line != "" && (c.first == "" || isWarning(c.first) && !isWarning(line)) {
		c.first = line
	}
}

func isWarning(line string) bool { return strings.HasPrefix(strings.ToLower(line), "warning") }

// firstLine is what nmap complained of first, fit for a message. It is asked when nmap has ended.
func (c *complaints) firstLine() string {
	c.lines([]byte("\n")) // the last line may have no end
	return quotable(c.first)
}

// quotable is a line of nmap's as part of a message: bounded, and with all that cannot be seen written out,
// for it may repeat what somebody else chose.
func quotable(line string) string {
	const most = 300 // bytes
	return cut(sdk.Untrusted(line).Clean(), most)
}

// err is the failure of the run, or nil. It is asked when nmap has ended.
func (c *complaints) err() error {
	if c.said == "" {
		return nil
	}
	return sdk.Errorf(sdk.KindResourceExhausted,
		"nmap ran out of open files, and left out services or scripts: %s", c.said).
		Suggest("ask for less at a time (fewer hosts, ports or scripts, a lower --max-parallelism), or let "+
			"the operator raise limits.max_file_descriptors").
		With("limit", "open files")
}
