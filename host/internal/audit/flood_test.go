package audit

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// refusals counts what the trail tells of refusals and plans: lines, and what others sum up.
func refusals(t *testing.T, dir string) (single, sums, repeats int) {
	t.Helper()
	for _, l := range lines(t, dir) {
		if l["event"] != string(Refuse) && l["event"] != string(Plan) {
			continue
		}
		if n, ok := l["repeats"].(float64); ok {
			sums++
			repeats += int(n)
		} else {
			single++
		}
	}
	return single, sums, repeats
}

func keys(f *floods) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.keys)
}

func refused(client, name, gate string) Entry {
	e := typical(Refuse)
	e.Origin.Client, e.Tool, e.Gate, e.ErrorType = client, name, gate, "out_of_scope"
	return e
}

func TestAFloodOfRefusalsIsSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		trail := open(t, Config{Dir: dir})
		begun := time.Now()
		for range 5000 {
			appendAll(t, trail, refused("ci", "NmapTool", "scope"))
		}
		appendAll(t, trail, refused("ops", "NmapTool", "scope"), typical(Accept)) // another client has lines
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if single, sums, repeats := refusals(t, dir); single != 101 || sums != 1 || repeats != 4900 {
			t.Errorf("%d lines and %d that sum up %d, want 101, and 1 of 4900", single, sums, repeats)
		}
		last := lines(t, dir)[102]
		for name, want := range map[string]any{
			"event": "refuse", "repeats": 4900.0, "client": "ci", "remote": "10.0.0.9", "door": "rest",
			"tool": "NmapTool", "gate": "scope", "error_type": "out_of_scope", "arguments": nil,
			"from": begun.UTC().Format(timeFormat), "to": begun.UTC().Format(timeFormat),
		} {
			if last[name] != want {
				t.Errorf("%s = %v, want %v", name, last[name], want)
			}
		}
		for range 50 {
			appendAll(t, trail, refused("ci", "NmapTool", "scope"))
		}
		closeTrail(t, trail)
		if single, _, repeats := refusals(t, dir); single+repeats != 5051 {
			t.Errorf("%d lines and %d repeats, want 5051 in all", single, repeats)
		}
		if r, s := wantUnbroken(t, dir), trail.Status(); r.Summed != s.Summed || s.Summed < 4900 {
			t.Errorf("Verify = %+v, Status = %+v, want the same sums", r, s)
		}
	})
}

func TestNoInventedNamesKeepAFloodFromBeingSummedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		trail := open(t, Config{Dir: dir})
		const all = 20_000
		for i := range all {
			e := refused("", fmt.Sprint("Tool", i), "lookup")
			e.Origin.Remote = fmt.Sprint("2001:db8::", i%5000)
			if i%2 == 0 {
				e.Plugin = ""
			}
			appendAll(t, trail, e)
		}
		if n := keys(trail.floods); n > maxFloods+10 {
			t.Errorf("%d keys, want at most about %d", n, maxFloods)
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		single, sums, repeats := refusals(t, dir)
		if single > allBurst+allRate || sums > maxFloods+10 || single+repeats != all {
			t.Errorf("%d lines and %d that sum up %d, want %d, most of them summed up", single, sums, repeats, all)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := keys(trail.floods); n != 0 {
			t.Errorf("%d keys after a minute without any, want 0", n)
		}
		closeTrail(t, trail)
	})
}

func TestWhatWasSummedUpAndCannotBeWrittenIsInTheGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b broken
		dir := t.TempDir()
		trail := open(t, Config{Dir: dir, disk: b.disk()})
		for i := range 300 {
			if i == 200 {
				b.set(func() { b.write = syscall.ENOSPC })
			}
			appendAll(t, trail, refused("ci", "NmapTool", "scope"))
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if s := trail.Status(); s.Lost != 200 || s.Err == nil {
			t.Errorf("Status() = %+v, want 200 lost", s)
		}
		b.set(func() { b.write = nil })
		closeTrail(t, trail)
		if r := wantUnbroken(t, dir); r.Lost != 200 || r.Summed != 0 {
			t.Errorf("Verify = %+v, want 200 in the gap", r)
		}
		if gap := lines(t, dir)[100]; gap["lost_refuse"] != 200.0 {
			t.Errorf("the gap is %v, want 200 refusals", gap)
		}
	})
}

func TestPlansAreSummedUpAndNothingElseIs(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	trail.floods.all.SetBurst(0)
	for range 3 {
		appendAll(t, trail, typical(Plan), typical(Accept), typical(Finish), typical(Admin))
	}
	closeTrail(t, trail)
	if got := events(t, dir); len(got) != 10 || count(got, Plan) != 1 {
		t.Errorf("the trail has %q, want one line for the 3 plans", got)
	}
	if r := wantUnbroken(t, dir); r.Summed != 3 {
		t.Errorf("Verify = %+v, want 3 summed up", r)
	}
}

func TestARefusalOfTheRateGateHasNoArguments(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	appendAll(t, trail, refused("ci", "NmapTool", "rate"), refused("ci", "NmapTool", "scope"))
	if l := lines(t, dir); l[0]["arguments"] != nil || l[1]["arguments"] == nil {
		t.Errorf("the trail has %v, want arguments in the second line only", l)
	}
}

func TestNoCallerForgesASum(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	e := refused(`x","event":"refuse","repeats":7,"y":"`, "NmapTool", "scope")
	e.ExecutionID = `","event":"refuse","repeats":7,`
	appendAll(t, trail, e)
	closeTrail(t, trail)
	if r := wantUnbroken(t, dir); r.Summed != 0 || !strings.Contains(string(read(t, dir, 1)), "repeats") {
		t.Errorf("Verify = %+v, want nothing summed up", r)
	}
}

// TestStrangersCostTheTrailOfKnownClientsNothing has many addresses without a credential knock, and then one
// refusal of a client.
func TestStrangersCostTheTrailOfKnownClientsNothing(t *testing.T) {
	dir := t.TempDir()
	trail := open(t, Config{Dir: dir})
	for i := range 5000 {
		e := typical(Refuse)
		e.Gate, e.ErrorType, e.Plugin = "door", tool.KindUnauthenticated, ""
		e.Origin = origin.Origin{Door: origin.REST, Remote: fmt.Sprintf("10.0.%d.%d", i/250, i%250)}
		appendAll(t, trail, e)
	}
	e := typical(Refuse)
	e.ExecutionID = "the one of a client"
	appendAll(t, trail, e)
	closeTrail(t, trail)
	wantUnbroken(t, dir)
	found := false
	for _, l := range lines(t, dir) {
		found = found || l["execution_id"] == e.ExecutionID
	}
	if !found {
		t.Error("the refusal of the client has no line of its own")
	}
	single, sums, repeats := refusals(t, dir)
	if single+sums > 1000 || single+repeats != 5001 {
		t.Errorf("%d lines and %d sums of %d; want few, for 5001", single, sums, repeats)
	}
}

// TestWhoHasTooManyAddressesSharesOneSum holds that a sum names client and tool for as long as it can.
func TestWhoHasTooManyAddressesSharesOneSum(t *testing.T) {
	f := newFloods()
	now := time.Now()
	for i := range 5000 {
		e := typical(Refuse)
		e.Origin.Client, e.Origin.Remote = "ci", fmt.Sprintf("10.0.%d.%d", i/250, i%250)
		f.takes(&e, now)
	}
	if n := len(f.keys); n > maxFloods+8 {
		t.Errorf("%d keys, want at most %d", n, maxFloods)
	}
	for k := range f.keys {
		if k.client != "ci" || k.tool == "" {
			t.Errorf("a key without client or tool: %+v", k)
		}
	}
}
