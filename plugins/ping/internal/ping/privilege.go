package ping

import (
	"fmt"
	"os"
	"slices"
)

// echoSockets says whether the kernel lets one of these groups send echo requests without raw sockets, icmp(7): a
// setting holds the range of groups that may.
func echoSockets(setting string, groups []int) string {
	raw, err := os.ReadFile(setting)
	if err != nil {
		return "" // not Linux
	}
	var low, high int
	if _, err := fmt.Sscan(string(raw), &low, &high); err != nil {
		return ""
	}
	if !slices.ContainsFunc(groups, func(g int) bool { return low <= g && g <= high }) {
		return ""
	}
	return "sockets for echo requests, which the kernel gives to the groups of net.ipv4.ping_group_range"
}
