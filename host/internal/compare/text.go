package compare

import (
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// maxLines is the most lines of differences of a text.
const maxLines = 200

var signs = map[Kind]string{Came: "+", Went: "-", Changed: "~", NotScannedBefore: "?", NotScannedAfter: "?"}

// Text is the difference for people, a line each: + came, - went, ~ changed, ? cannot be compared. Foreign
// texts are on one line and cleaned as [tool.Untrusted] does.
func (d Diff) Text() string {
	var b strings.Builder
	b.WriteString(d.headline())
	lines := make([]string, 0, maxLines)
	for _, h := range d.Hosts {
		if len(lines) > maxLines {
			break
		}
		lines = h.lines(lines)
	}
	for _, l := range lines[:min(len(lines), maxLines)] {
		b.WriteString(l)
		b.WriteByte('\n')
	}
	if len(lines) > maxLines || d.LeftOut > 0 {
		b.WriteString("... and more, see the counts\n")
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

func (d Diff) headline() string {
	n := d.Counts
	if d.Empty() && n.NotComparable == 0 {
		return "no difference\n"
	}
	text := fmt.Sprintf("hosts: %d came, %d went, %d changed; ports: %d came, %d went, %d changed",
		n.HostsCame, n.HostsWent, n.HostsChanged, n.PortsCame, n.PortsWent, n.PortsChanged)
	if n.NotComparable > 0 {
		text += fmt.Sprintf("; %d cannot be compared", n.NotComparable)
	}
	return text + "\n"
}

func (h *Host) lines(lines []string) []string {
	lines = append(lines, sign(h.Change, h.Comparable)+" "+line(h.Address)+because(h.Why))
	for _, f := range h.Facts {
		lines = append(lines, fmt.Sprintf("    ~ %s: %s -> %s", f.Name, line(f.Before), line(f.After)))
	}
	for i := range h.Ports {
		lines = h.Ports[i].lines(lines)
	}
	return scriptLines(lines, "    ", h.Scripts)
}

func (p *Port) lines(lines []string) []string {
	before, after := say(p.Before, p.WasService), say(p.After, p.Service)
	text := fmt.Sprintf("    %s %d/%s ", sign(p.Change, p.Comparable), p.Port, line(p.Protocol))
	switch {
	case before == after || before == "":
		text += after
	case after == "":
		text += "was " + before
	default:
		text += before + " -> " + after
	}
	return scriptLines(append(lines, text+because(p.Why)), "        ", p.Scripts)
}

func scriptLines(lines []string, indent string, scripts []Script) []string {
	for _, s := range scripts {
		text := fmt.Sprintf("%s%s script %s", indent, signs[s.Change], line(s.ID))
		if s.Change == Changed {
			text += fmt.Sprintf(": %s -> %s", line(s.Before), line(s.After))
		}
		lines = append(lines, text)
	}
	return lines
}

func sign(k Kind, comparable bool) string {
	if !comparable {
		return "?"
	}
	return signs[k]
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return " (" + why + ")"
}

// say is a state and a service.
func say(state, service tool.Untrusted) string {
	return strings.TrimSpace(line(state) + " " + line(service))
}
