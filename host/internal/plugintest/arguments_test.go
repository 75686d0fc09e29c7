package plugintest

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestATypicalToolMustRefuseEveryHostileRequest(t *testing.T) {
	sm := Sample{Tool: "PortTool", Quick: json.RawMessage(`{"target": "127.0.0.1"}`)}
	s, err := described(t, plainSchema(), sm)
	if err != nil {
		t.Fatal(err)
	}
	all := s.exercises[0].hostileRequests()
	for _, h := range all {
		if h.free {
			t.Errorf("%s may be answered", h)
		}
		if len(h.request.Targets) > 0 {
			t.Errorf("%s has a pinned target", h)
		}
	}
	if last := all[len(all)-1]; string(last.request.Arguments) != string(sm.Quick) {
		t.Errorf("the last is %s, want the quick call with nothing pinned", last)
	}
}

func TestAToolThatTakesAnythingMayAnswer(t *testing.T) {
	s := &subject{}
	if err := s.learn(tool.Manifest{Name: "any", Tools: []tool.Spec{{
		Name: "AnyTool", Description: "Takes anything.",
		InputSchema: json.RawMessage(`{"type": "object", "additionalProperties": true}`),
	}}}); err != nil {
		t.Fatal(err)
	}
	free := make(map[string]bool)
	for _, h := range s.exercises[0].hostileRequests() {
		free[h.what] = h.free
	}
	if !free["an unknown argument"] || free["an array"] || free["bytes that are no JSON"] {
		t.Errorf("%v may be answered, want what the schema takes", free)
	}
}

func TestAnAnswerToAHostileRequestIsJudgedByItsKind(t *testing.T) {
	for _, row := range []struct {
		err              error
		free             bool
		accepted, broken int
	}{
		{tool.Errorf(tool.KindValidation, "no"), false, 0, 0},
		{tool.Errorf(tool.KindToolNotFound, "no"), false, 0, 0},
		{nil, false, 1, 0},
		{nil, true, 0, 0},
		{tool.Errorf(tool.KindTimeout, "late"), false, 1, 0},
		{tool.Errorf(tool.KindExecution, "broke"), true, 0, 0},
		{tool.Errorf(tool.KindUnknown, "panic"), true, 0, 1},
		{tool.Errorf(tool.KindUnavailable, "gone"), false, 0, 1},
		{tool.Errorf(tool.KindUnknown, "the plugin failed: grpc: string field contains invalid UTF-8"), false, 0,
			0}, // another check's
		{tool.Errorf(tool.KindUnknown, "UnicodeError: it is no UTF-8"), false, 0, 1},
		{tool.Errorf(tool.KindValidation, "string field contains invalid UTF-8"), false, 0, 0},
		{errors.New("a bug"), false, 0, 1},
	} {
		var g reception
		g.judge("Call", hostileRequest{free: row.free}, "it was run", row.err)
		if len(g.accepted) != row.accepted || len(g.broken) != row.broken {
			t.Errorf("judge(%v, free: %t) = %+v, want %d accepted, %d broken", row.err, row.free, g, row.accepted,
				row.broken)
		}
	}
}
