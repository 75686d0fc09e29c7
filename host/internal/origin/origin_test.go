package origin

import (
	"context"
	"strings"
	"testing"
)

func TestTheOriginTravelsInTheContext(t *testing.T) {
	ctx := context.Background()
	if got := From(ctx); got != (Origin{}) {
		t.Errorf("From = %+v, want nobody", got)
	}
	inner := Origin{Client: "inner", Door: REST, Remote: "10.0.0.9", Trace: Trace{ID: "a", Parent: "b"}}
	outer := With(ctx, Origin{Client: "outer", Door: Stdio})
	if got := From(With(outer, inner)); got != inner {
		t.Errorf("From = %+v, want %+v", got, inner)
	}
	if got := From(outer).Client; got != "outer" {
		t.Errorf("From of the outer context = %q, want it untouched", got)
	}
}

func TestATraceIsExactlyWhatTheSpecificationAllows(t *testing.T) {
	const (
		id     = "4bf92f3577b34da6a3ce929d0e0e4736"
		parent = "00f067aa0ba902b7"
		good   = "00-" + id + "-" + parent + "-01"
	)
	for _, row := range []struct {
		says, header string
		ok           bool
	}{
		{"the specification's own example", good, true},
		{"not sampled", "00-" + id + "-" + parent + "-00", true},
		{"flags of tomorrow", "00-" + id + "-" + parent + "-ff", true},
		{"a version of tomorrow", "01-" + id + "-" + parent + "-01", true},
		{"a version of tomorrow with more behind", "01-" + id + "-" + parent + "-01-what-ever", true},
		{"this version with more behind", good + "-x", false},
		{"this version with an empty rest", good + "-", false},
		{"the forbidden version", "ff-" + id + "-" + parent + "-01", false},
		{"a version of one digit", "0-" + id + "-" + parent + "-01", false},
		{"nothing", "", false},
		{"dashes", "---", false},
		{"no flags", "00-" + id + "-" + parent, false},
		{"capitals", strings.ToUpper(good), false},
		{"an id of zeros", "00-" + strings.Repeat("0", 32) + "-" + parent + "-01", false},
		{"a parent of zeros", "00-" + id + "-" + strings.Repeat("0", 16) + "-01", false},
		{"a short id", "00-" + id[1:] + "-" + parent + "-01", false},
		{"a long parent", "00-" + id + "-" + parent + "0-01", false},
		{"a letter that is no digit", "00-g" + id[1:] + "-" + parent + "-01", false},
		{"blanks around", " " + good + " ", false},
		{"a line's end", good + "\n", false},
		{"without end", "01-" + id + "-" + parent + "-01" + strings.Repeat("-x", 256), false},
	} {
		want := Trace{}
		if row.ok {
			want = Trace{ID: id, Parent: parent}
		}
		if got := ParseTraceparent(row.header); got != want {
			t.Errorf("%s: ParseTraceparent(%.80q) = %+v, want %+v", row.says, row.header, got, want)
		}
	}
}

// Whatever is taken for a trace can stand in a log line as it is, and reads the same again.
func FuzzParseTraceparent(f *testing.F) {
	f.Add("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	f.Add("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more")
	f.Add("00-00000000000000000000000000000000-0000000000000000-00")
	f.Fuzz(func(t *testing.T, header string) {
		got := ParseTraceparent(header)
		if got == (Trace{}) {
			return
		}
		if !hexadecimal(got.ID, 32) || !hexadecimal(got.Parent, 16) || !strings.Contains(header, got.ID) {
			t.Errorf("ParseTraceparent(%q) = %+v, want two numbers of the header", header, got)
		}
		if again := ParseTraceparent("00-" + got.ID + "-" + got.Parent + "-01"); again != got {
			t.Errorf("ParseTraceparent of %+v = %+v, want the same", got, again)
		}
	})
}
