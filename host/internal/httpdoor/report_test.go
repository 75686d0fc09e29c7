package httpdoor

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestAReportIsTheSameWrittenWholeAndInPieces(t *testing.T) {
	for name, text := range map[string]string{
		"short":               "a\"b\n",
		"long":                strings.Repeat("line of output\n", 20_000),
		"all escaped":         strings.Repeat("\x00", 3*piece),
		"wide characters":     strings.Repeat("\u20ac\u00fc", 2*piece),
		"just over one piece": strings.Repeat("x", inOnePiece+1),
	} {
		want := tool.NewReport(tool.Result{Stdout: text, Stderr: "e" + text, ReturnCode: 3, Data: []byte(`{"a":1}`)}, nil)
		w := httptest.NewRecorder()
		writeReport(w, want)
		var got tool.Report
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v in %.100s", name, err, w.Body)
		}
		if w.Code != 200 || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: the report of %d bytes came back as one of %d", name, len(want.Stdout), len(got.Stdout))
		}
	}
}

// Output is repaired long before it comes here; what is not must still end, and be JSON.
func TestAReportOfBytesThatAreNoTextIsStillJSON(t *testing.T) {
	w := httptest.NewRecorder()
	writeReport(w, tool.NewReport(tool.Result{Stdout: strings.Repeat("\x80", 3*piece)}, nil))
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("report = %.100q, want JSON", w.Body)
	}
}
