package excerpt_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestTheNewMembersAreAsTheirSchemaSays(t *testing.T) {
	raw, err := json.Marshal(map[string]any{"type": "object", "properties": excerpt.Properties()})
	if err != nil {
		t.Fatal(err)
	}
	schema, err := catalog.CompileSchema(raw)
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 30000)
	rep := tool.Report{ExecutionID: "1", Stdout: long, Stderr: long, Data: json.RawMessage(`{`), Metadata: map[string]any{"x": long}}
	s := excerpt.Report(rep, excerpt.Options{})
	if bad := schema.Validate(s.JSON); len(bad) > 0 || len(s.LeftOut) != 4 {
		t.Errorf("violations %+v of %+v", bad, s.LeftOut)
	}
	if bad := schema.Validate(json.RawMessage(`{"left_out":[{"part":"x"}]}`)); len(bad) < 3 {
		t.Errorf("violations %+v of a bad one", bad)
	}
}
