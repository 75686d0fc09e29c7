package command

import (
	"encoding/binary"
	"slices"
	"testing"
)

func TestPermittedCapabilitiesOfAFile(t *testing.T) {
	attribute := func(words ...uint32) (raw []byte) {
		for _, w := range words {
			raw = binary.LittleEndian.AppendUint32(raw, w)
		}
		return raw
	}
	for _, row := range []struct {
		says string
		raw  []byte
		want []uint
	}{
		{"cap_net_raw=ep, revision 2", attribute(0x02000001, 1<<13, 0, 0, 0), []uint{13}},
		{"inheritable alone", attribute(0x02000001, 0, 1<<13, 0, 0), nil},
		{"a high one, with a root user, revision 3", attribute(0x03000000, 1, 0, 1<<7, 0, 1000), []uint{0, 39}},
		{"revision 1", attribute(0x01000000, 1<<13, 0), []uint{13}},
		{"nothing", nil, nil},
		{"cut off", attribute(0x02000001, 1<<13)[:6], nil},
	} {
		if got := permitted(row.raw); !slices.Equal(got, row.want) {
			t.Errorf("%s: permitted = %v, want %v", row.says, got, row.want)
		}
	}
}
