package clients

import (
	"errors"
	"strings"
	"testing"
)

func TestTheTableCountsWhatDidWell(t *testing.T) {
	outcomes := []Outcome{
		{Client: "go-sdk", Transport: stdio, Check: checkList, Run: 1},
		{Client: "go-sdk", Transport: stdio, Check: checkList, Run: 2, Err: errors.New("it was silent")},
	}
	for _, tt := range []struct {
		name     string
		outcomes []Outcome
		good     bool
		want     string
	}{
		{"everything", outcomes[:1], true, "1/1"},
		{"not everything", outcomes, false, "1/2"},
		{"not everything, and why", outcomes, false, "FAILED go-sdk over stdio, run 2, list: it was silent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			if got := Print(&out, tt.outcomes); got != tt.good {
				t.Errorf("Print = %t, want %t", got, tt.good)
			}
			if !strings.Contains(out.String(), tt.want) {
				t.Errorf("it printed %q, want %q in it", out.String(), tt.want)
			}
		})
	}
}

func TestWhatAClientPrintsIsRead(t *testing.T) {
	steps, err := readSteps([]byte(`{"check":"list","ms":12}` + "\n" + `{"check":"call","ms":3,"error":"no"}` + "\n"))
	if err != nil || len(steps) != 2 {
		t.Fatalf("readSteps = %v, %v; want two", steps, err)
	}
	if steps[0].err != nil || steps[0].took.Milliseconds() != 12 || steps[1].err == nil {
		t.Errorf("readSteps = %v; want list well after 12 ms, and call not", steps)
	}
	if _, err := readSteps([]byte("Debugger attached.\n")); err == nil {
		t.Error("a line that is no JSON was accepted")
	}
}
