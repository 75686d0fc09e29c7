package nmap

import (
	"cmp"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// data is what has come, and why the run is none to rely on.
func (d *document) data(o sandbox.Outcome) (any, error) {
	failure := d.failure(o)
	if !d.begun {
		return nil, failure
	}
	return d.report, failure
}

// failure is an error when nmap could not do its work: it did not begin, or ended without having scanned
// anybody, which it may call a success. A scan that began and was cut, or failed later, has a report that says
// so.
func (d *document) failure(o sandbox.Outcome) error {
	said := ""
	if d.complaints != nil {
		if err := d.complaints.err(); err != nil {
			return err
		}
		said = d.complaints.firstLine()
	}
	r := &d.report
	switch {
	case !d.begun && o.ExitCode != 0:
		return sdk.Errorf(sdk.KindExecution, "nmap ended with %d before it began to scan: %s", o.ExitCode,
			cmp.Or(said, "it does not say why")).
			Suggest("stderr has all that it said; plan shows the command that ran; if no request works, the " +
				"operator can look with gatehouse doctor")
	case !d.ended || r.Totals.Total > 0 || len(r.Hosts) > 0:
		return nil
	case r.Complete && d.excluding: // the caller's doing, and no failure of the tool's
		return sdk.Errorf(sdk.KindValidation, "nmap scanned no host at all: --exclude leaves nothing of the target").
			Suggest("exclude less")
	case r.Complete:
		return sdk.Errorf(sdk.KindExecution, "nmap scanned no host at all").
			Suggest("see stderr for its reason")
	}
	return sdk.Errorf(sdk.KindExecution, "nmap gave up before it had scanned a host: %s",
		cmp.Or(quotable(r.Error), said, "it does not say why")).
		Suggest("stderr has all that it said; plan shows the command that ran: leave out what it complains of")
}
