package nmap

import "encoding/json"

// budget shares out what a report may hold. No host is to keep the others out of it: each that is still to
// come has room set aside for the least that is told of it, and of what is free beyond that, the ports and
// scripts of one host get at most half.
type budget struct {
	spent  int   // bytes of JSON that the report has by now, but for its frame
	closed int64 // hosts that have been read
	share  int   // what ports and scripts of the open host may still take
	taken  int   // what they have taken
}

// minHost is what a host takes of which only the least is told: its address, its status and times.
const minHost = 512

// free is what nothing has taken and no host of the target's total waits for.
func (b *budget) free(total int64) int {
	waiting := min(max(total-b.closed, 0), maxData/2/minHost)
	return maxData - b.spent - int(waiting)*minHost
}

// openHost gives the next host its share.
func (b *budget) openHost(total int64) { b.share, b.taken = b.free(total)/2, 0 }

// closeHost ends the wait for a host.
func (b *budget) closeHost() { b.closed++ }

// take counts a piece of the open host in, unless that has had its share.
func (b *budget) take(v any) bool {
	n := size(v)
	if n > b.share {
		return false
	}
	b.share, b.taken, b.spent = b.share-n, b.taken+n, b.spent+n
	return true
}

// refund gives back what the pieces of the last host took, which is then without them.
func (b *budget) refund() { b.spent, b.taken = b.spent-b.taken, 0 }

// spend counts a piece in, unless it takes more than there is room for.
func (b *budget) spend(v any, room int) bool {
	n := size(v)
	if n > room {
		return false
	}
	b.spent += n
	return true
}

// size is how many bytes of JSON a piece takes in the report.
func size(v any) int {
	const separators = 16 // commas; a null becomes an array, which is shorter
	raw, err := json.Marshal(v)
	if err != nil {
		return maxData + 1 // nothing of a report fails to marshal
	}
	return len(raw) + separators
}

// keep puts a host into the report, with as much of it as there is room for. What matters most is that it is
// there, and then its ports.
func (d *document) keep(h Host) {
	ports, scripts := h.Ports, h.Scripts
	h.Ports, h.Scripts = nil, nil // counted already
	if !d.budget.spend(h, d.budget.free(d.total)) {
		d.report.Truncated = true
		h = h.least()
		if !d.budget.spend(h, maxData-d.budget.spent) { // only when more hosts come than the target has
			d.budget.refund()
			h.PortsLeftOut += len(ports)
			if ports, scripts = nil, nil; !d.budget.spend(h, maxData-d.budget.spent) {
				return
			}
		}
	}
	h.Ports, h.Scripts = ports, scripts
	d.report.Hosts = append(d.report.Hosts, h)
}

// least is what is told of a host in any case; in nmap's own words it takes less than minHost.
func (h Host) least() Host {
	return Host{
		Address: cut(h.Address, maxWord), Status: cut(h.Status, maxWord), Reason: cut(h.Reason, maxWord),
		Started: h.Started, Finished: h.Finished, TimedOut: h.TimedOut, PortsLeftOut: h.PortsLeftOut,
	}
}
