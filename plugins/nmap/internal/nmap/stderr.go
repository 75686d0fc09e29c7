package nmap

import (
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
)

// complaints listens to what nmap says on stderr. Its library for connections reports there that it ran out
// of descriptors, goes on with what it has, and nmap ends as if all were well: with services and scripts
// missing from the report. Such a run has failed.
type complaints struct {
	lines func(chunk []byte)
	said  string // the first line that tells of it
}

func newComplaints() *complaints {
	c := new(complaints)
	c.lines = command.Lines(1<<10, func(line string) {
		if c.said == "" && strings.HasPrefix(line, "NSOCK ERROR") &&
			strings.Contains(line, "Too many open files") {
			c.said = line
		}
	})
	return c
}

// chunk takes what came on stderr.
func (c *complaints) chunk(p []byte) { c.lines(p) }

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
