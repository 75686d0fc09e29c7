package command

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

const maxPort = 65535

// Ports is a list of ports and ranges, 1..65535, each perhaps with one of some prefixes such as "U:";
// or "-", all ports. It has at most most items, or fewer if the policy's MaxPortRanges says so.
// Value.Int counts the ports.
func Ports(most int, prefixes ...string) Grammar {
	want := fmt.Sprintf("up to %d ports or ranges from 1 to %d separated by commas, such as 22,80,8000-8100",
		most, maxPort)
	if len(prefixes) > 0 {
		want += ", each perhaps behind " + strings.Join(prefixes, " or ")
	}
	return Grammar{
		Want:   want,
		Schema: texts("0123456789,-"+strings.Join(prefixes, ""), most*len("65535-65535,")+most*8*len(prefixes)),
		Read: func(text string, p sdk.Policy) (Value, error) {
			if text == "-" {
				return Value{Text: "1-" + strconv.Itoa(maxPort), Int: maxPort}, nil
			}
			items := 1 + strings.Count(text, ",")
			if limit := min(most, p.MaxPortRanges); items > limit {
				return Value{}, fmt.Errorf("%d items; allowed are %d", items, limit)
			}
			v := Value{Text: text}
			for item := range strings.SplitSeq(text, ",") {
				n, err := portItem(item, prefixes)
				if err != nil && items > 1 && item != "" {
					err = fmt.Errorf("in %s: %w", quoted(item), err)
				}
				if err != nil {
					return Value{}, err
				}
				v.Int += n
			}
			return v, nil
		},
	}
}

// portItem counts the ports of one item.
func portItem(item string, prefixes []string) (int64, error) {
	if item == "" {
		return 0, errEmptyItem
	}
	i := slices.IndexFunc(prefixes, func(p string) bool { return strings.HasPrefix(item, p) })
	if i >= 0 {
		item = item[len(prefixes[i]):]
	}
	from, to, isRange := strings.Cut(item, "-")
	if isRange && (from == "" || to == "") {
		return 0, openRange(from, to)
	}
	first, err := port(from)
	if err != nil || !isRange {
		return 1, err
	}
	last, err := port(to)
	if err == nil && last < first {
		err = fmt.Errorf("range %s runs backwards", item)
	}
	return last - first + 1, err
}

// openRange is the error of a range that lacks an end. Programs put the first port or the last there.
func openRange(from, to string) error {
	from, to = cmp.Or(from, "1"), cmp.Or(to, strconv.Itoa(maxPort))
	if !digits(from) || !digits(to) {
		return errors.New("an open range; write both of its ends, such as 80-443")
	}
	return fmt.Errorf("an open range; write %s-%s", clipped(from), clipped(to))
}

func port(text string) (int64, error) {
	n, err := number(text)
	if err != nil || n < 1 || n > maxPort {
		return 0, errors.New("a port is a whole number from 1 to 65535")
	}
	return n, nil
}
