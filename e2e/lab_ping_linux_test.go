package e2e

import (
	"math"
	"slices"
	"testing"
	"time"
)

// echoes is what these tests read of the data of PingTool.
type echoes struct {
	Address                                      string
	Transmitted, Received, Duplicates, Corrupted int
	Errs                                         int     `json:"error_count"`
	Loss                                         float64 `json:"loss_percent"`
	RTT                                          *struct {
		Min float64 `json:"min_ms"`
		Max float64 `json:"max_ms"`
	}
	Replies []struct {
		Seq, TTL, Bytes int
		Time            float64 `json:"time_ms"`
		Duplicate       bool
		From            string
	}
	Lost   []int
	Errors []struct {
		From, Message string
		Seq           int
	}
	Complete, Truncated bool
}

// ping pings, which must not fail, and must end with the code given. No machine of the lab damages a reply,
// or replies in the name of another.
func (s *site) ping(t *testing.T, arguments args, code int) echoes {
	t.Helper()
	var d echoes
	rep := s.call(t, "PingTool", arguments, &d)
	if rep.ReturnCode != code || !d.Complete || d.Address != arguments["target"] {
		t.Fatalf("ping %v = %d, %+v; want %d and a complete report", arguments, rep.ReturnCode, d, code)
	}
	if d.Corrupted != 0 || d.Truncated {
		t.Errorf("ping %v = %+v, want nothing corrupted or left out", arguments, d)
	}
	for _, r := range d.Replies {
		if r.From != "" {
			t.Errorf("ping %v has a reply of another: %+v", arguments, r)
		}
	}
	return d
}

// seqs are the numbers of the requests that were answered, and of those that were answered again.
func (e echoes) seqs() (first, again []int) {
	for _, r := range e.Replies {
		if r.Duplicate {
			again = append(again, r.Seq)
		} else {
			first = append(first, r.Seq)
		}
	}
	return first, again
}

func (s *site) testPing(t *testing.T) {
	t.Run("of one that answers", func(t *testing.T) {
		t.Parallel()
		d := s.ping(t, args{"target": serverAddress, "count": 3, "interval_sec": 0.2, "size": 100}, 0)
		first, again := d.seqs()
		if !slices.Equal(first, []int{1, 2, 3}) || again != nil {
			t.Errorf("replies to %d, again to %d; want three", first, again)
		}
		if d.Transmitted != 3 || d.Received != 3 || d.Duplicates != 0 || d.Loss != 0 || len(d.Lost) != 0 {
			t.Errorf("the report is %+v, want three replies", d)
		}
		for _, r := range d.Replies {
			if r.TTL != 64 || r.Bytes != 108 { // the ICMP header has 8
				t.Errorf("the reply is %+v, want 108 bytes and a time to live of 64", r)
			}
		}
	})
	t.Run("of one that is slow, forgets and repeats itself", func(t *testing.T) {
		t.Parallel()
		s.checkSlow(t, s.ping(t, args{"target": slowAddress, "extra_args": "-c 7 -i 0.3 -W 2"}, 0))
	})
	t.Run("of one that is silent", func(t *testing.T) {
		t.Parallel()
		d := s.ping(t, args{"target": dropperAddress, "extra_args": "-c 2 -i 0.2 -W 1"}, 1)
		if d.Received != 0 || d.Loss != 100 || d.RTT != nil || len(d.Replies)+len(d.Errors) != 0 {
			t.Errorf("the report is %+v, want nothing back", d)
		}
		if len(d.Lost) != d.Transmitted || d.Lost[0] != 1 {
			t.Errorf("of %d requests %d are lost, want all", d.Transmitted, d.Lost)
		}
	})
	t.Run("of an address that nobody has", func(t *testing.T) {
		t.Parallel()
		d := s.ping(t, args{"target": nobodyAddress, "count": 1, "wait_sec": 5}, 1)
		if d.Received != 0 || d.Loss != 100 || len(d.Errors) == 0 || d.Errs != len(d.Errors) {
			t.Fatalf("the report is %+v, want an error", d)
		}
		const unreachable = "Destination Host Unreachable"
		if e := d.Errors[0]; e.From != "10.77.0.1" || e.Message != unreachable || e.Seq != 1 {
			t.Errorf("the error is %+v, want the scanner's own: %s", e, unreachable)
		}
	})
}

// checkSlow holds a report to what slowEcho does.
func (s *site) checkSlow(t *testing.T, d echoes) {
	first, again := d.seqs()
	if len(first) == 0 || d.Transmitted < 7 {
		t.Fatalf("the report is %+v, want replies to seven requests or more", d)
	}
	var want, lost []int
	for seq := 1; seq <= first[len(first)-1]; seq++ {
		if len(slowEcho(seq)) > 0 {
			want = append(want, seq)
		} else {
			lost = append(lost, seq)
		}
	}
	if !slices.Equal(first, want) || d.Received != len(first) {
		t.Errorf("replies to %d, %d counted; want %d", first, d.Received, want)
	}
	// A request that was on its way at the end may be among the lost ones.
	if n := len(lost); len(d.Lost) < n || !slices.Equal(d.Lost[:n], lost) {
		t.Errorf("lost are %d, want %d", d.Lost, lost)
	}
	if !slices.Equal(again, []int{2}) || d.Duplicates != 1 {
		t.Errorf("duplicates of %d, %d counted; want the second alone", again, d.Duplicates)
	}
	share := 100 * float64(d.Transmitted-d.Received) / float64(d.Transmitted)
	if math.Abs(d.Loss-share) > 0.001 {
		t.Errorf("%v%% are lost, want %v", d.Loss, share)
	}
	least := float64(slowDelay) / float64(time.Millisecond)
	if d.RTT == nil || d.RTT.Min < least || d.RTT.Max < d.RTT.Min {
		t.Errorf("the times are %+v, want at least %v ms", d.RTT, least)
	}
	for _, r := range d.Replies {
		if r.Time < least {
			t.Errorf("the reply %+v came before it was sent, after %v ms", r, least)
		}
	}
}
