package wire

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestAnExecutionIsToldBeforeItsOutput(t *testing.T) {
	sent := tool.Exec{Program: "/usr/bin/nmap", Argv: []string{"/usr/bin/nmap", "-p", "22", "", "gr\xfc"}}
	c := serve(t, &fake{call: func(_ context.Context, _ tool.Request, emit func(tool.Event)) (tool.Result, error) {
		emit(tool.Event{Exec: &sent})
		emit(tool.Event{Output: &tool.Output{Data: []byte("out")}})
		return tool.Result{}, nil
	}})
	var events []string
	_, err := c.Call(t.Context(), tool.Request{}, func(ev tool.Event) {
		if ev.Exec != nil {
			events = append(events, fmt.Sprintf("%s %q", ev.Exec.Program, ev.Exec.Argv))
		}
		if ev.Output != nil {
			events = append(events, string(ev.Output.Data))
		}
	})
	want := []string{`/usr/bin/nmap ["/usr/bin/nmap" "-p" "22" "" "gr` + "\ufffd" + `"]`, "out"}
	if err != nil || !slices.Equal(events, want) {
		t.Errorf("events = %q, %v, want %q", events, err, want)
	}
}

func TestAnExecutionThatIsCutSaysSo(t *testing.T) {
	long := strings.Repeat("x", maxArgvBytes)
	many := strings.Split(strings.Repeat("a ", 5000), " ")[:5000]
	for _, row := range []struct {
		says string
		argv []string
		want string // the last item
		n    int
	}{
		{"one item as long as all may be", []string{long}, long, 1},
		{"one item that is too long", []string{long + "x"}, "(1 more arguments were left out)", 1},
		{"a second item that does not fit", []string{"nmap", long, "-sV"}, "(2 more arguments were left out)", 2},
		{"as many items as there may be", many[:maxArgv], "a", maxArgv},
		{"too many items", many, "(905 more arguments were left out)", maxArgv},
	} {
		got := boundedExec(tool.Exec{Argv: row.argv}).Argv
		if len(got) != row.n || got[len(got)-1] != row.want {
			t.Errorf("%s: boundedExec keeps %d items, the last %.60q; want %d and %.60q",
				row.says, len(got), got[len(got)-1], row.n, row.want)
		}
	}
}

func FuzzExec(f *testing.F) {
	f.Add("/bin/sh", "-c true", 1)
	f.Add("\xff", "gr\xc3\xbc \xe2\x82 x", 3000)
	f.Fuzz(func(t *testing.T, program, words string, times int) {
		argv := slices.Repeat(strings.Split(words, " "), min(max(times, 0), 5000))
		got := *execFromPB(execToPB(tool.Exec{Program: program, Argv: argv}).Kind.(*toolpb.CallResponse_Exec).Exec)
		size := 0
		for _, arg := range append(got.Argv, got.Program) {
			size += len(arg)
			if !utf8.ValidString(arg) {
				t.Errorf("%q came through", arg)
			}
		}
		if len(got.Argv) > maxArgv || size > maxArgvBytes+maxProgram {
			t.Errorf("%d items of %d bytes came through", len(got.Argv), size)
		}
		if again := boundedExec(got); !reflect.DeepEqual(again, got) {
			t.Error("what was bounded once is changed when it is bounded again")
		}
		if utf8.ValidString(words) && len(argv) < maxArgv && len(argv)*len(words) < maxArgvBytes/2 &&
			!slices.Equal(got.Argv, argv) {
			t.Errorf("%d short arguments were changed", len(argv))
		}
	})
}

func TestTheFilesOfAnExecutionAreToldAndBounded(t *testing.T) {
	var many []tool.File
	for range maxFiles + 1 {
		many = append(many, tool.File{Path: "/usr/bin/x\xff", SHA256: strings.Repeat("a", 65)})
	}
	got := execFromPB(execToPB(tool.Exec{Program: "/p", Argv: []string{"/p"}, Files: many}).GetExec()).Files
	want := tool.File{Path: "/usr/bin/x\ufffd", SHA256: strings.Repeat("a", 64)}
	if len(got) != maxFiles || got[0] != want {
		t.Errorf("files = %d of %+v, want %d of %+v", len(got), got[:min(len(got), 1)], maxFiles, want)
	}
}

func TestLayersAreBounded(t *testing.T) {
	list := slices.Repeat([]tool.Layer{{Name: strings.Repeat("n", 99), Active: true, Detail: strings.Repeat("d", 9999)}},
		maxLayers+1)
	got := boundedLayers(list)
	if len(got) != maxLayers || len(got[0].Name) != tool.MaxNameLength || len(got[0].Detail) != tool.MaxHealthText ||
		!got[0].Active {
		t.Errorf("boundedLayers keeps %d, of %d and %d bytes", len(got), len(got[0].Name), len(got[0].Detail))
	}
}
