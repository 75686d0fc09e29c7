package cookbook

import (
	"encoding/json"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

var zones = sdk.Plugin{Name: "zone", Version: "1.0.0", Tools: []sdk.Tool{ZoneTool}, Prompts: zonePrompts}

func TestAPersonIsAsked(t *testing.T) {
	answer := sdk.Answer{Action: sdk.AnswerAccept, Content: json.RawMessage(`{"zone": "lab.internal"}`)}
	bench := sdktest.New(t, zones, sdktest.Options{Answer: func(sdk.Question) sdk.Answer { return answer }})
	res, err := bench.Call(t.Context(), "ZoneTool", `{"target": "10.0.3.53"}`)
	if err != nil || string(res.Data) != `{"looked":"lab.internal"}` || len(res.Content) != 1 {
		t.Errorf("Call() = %s, %+v, %v", res.Data, res.Content, err)
	}
	answer = sdk.Answer{Action: sdk.AnswerDecline}
	if _, err := bench.Call(t.Context(), "ZoneTool", `{"target": "10.0.3.53"}`); sdk.KindOf(err) != sdk.KindValidation {
		t.Errorf("Call, declined = %v, want %s", err, sdk.KindValidation)
	}
}

func TestWhatIsABurdenNeedsLeave(t *testing.T) {
	args := `{"target": "10.0.3.53", "rate": 500}`
	for allowed, want := range map[bool]sdk.Kind{true: "", false: sdk.KindIntrusiveDenied} {
		bench := sdktest.New(t, zones, sdktest.Options{AllowIntrusive: allowed})
		if _, err := bench.Call(t.Context(), "ZoneTool", args); sdk.KindOf(err) != want {
			t.Errorf("Call, allow_intrusive %t = %v, want %q", allowed, err, want)
		}
	}
}

func TestZoneConforms(t *testing.T) { sdktest.Conformance(t, zones, sdktest.Sample{Tool: "ZoneTool"}) }
