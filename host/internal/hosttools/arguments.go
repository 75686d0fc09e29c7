package hosttools

import (
	"encoding/json"
	"fmt"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of the arguments, and of what a refusal repeats of them.
const (
	maxArguments  = 128 << 10 // bytes; those of a tool that is started are among them
	maxViolations = 20
	maxRepeated   = 200 // characters of a pointer or a message
)

// read takes arguments that the schema allows. A null counts as a member that is not there.
func read[A any](schema *catalog.Schema, raw json.RawMessage) (args A, err error) {
	raw, err = object(raw)
	if err != nil {
		return args, err
	}
	if bad := schema.Validate(raw); len(bad) > 0 {
		return args, invalid(bad)
	}
	if err := jsonv2.Unmarshal(raw, &args); err != nil {
		return args, invalid([]catalog.Violation{{Message: err.Error()}})
	}
	return args, nil
}

// object is the arguments without their nulls. They must be one object of strict JSON.
func object(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) > maxArguments {
		return nil, invalid([]catalog.Violation{{
			Message: fmt.Sprintf("the arguments have %d bytes; allowed are %d", len(raw), maxArguments),
		}})
	}
	if len(raw) == 0 {
		return json.RawMessage("{}"), nil
	}
	var members map[string]jsontext.Value
	if err := jsonv2.Unmarshal(raw, &members); err != nil {
		return nil, invalid([]catalog.Violation{{Message: "they are not one object of JSON: " + err.Error()}})
	}
	nulls := 0
	for name, value := range members {
		if value.Kind() == jsontext.KindNull {
			delete(members, name)
			nulls++
		}
	}
	if nulls == 0 && members != nil {
		return raw, nil
	}
	return jsonv2.Marshal(members)
}

// invalid is the error of arguments with violations, all of them at once.
func invalid(bad []catalog.Violation) *tool.Error {
	told := make([]string, 0, maxViolations)
	facts := make([]any, 0, maxViolations)
	for _, v := range bad[:min(len(bad), maxViolations)] {
		pointer, _ := excerpt.Text(v.Pointer, maxRepeated)
		message, _ := excerpt.Text(v.Message, maxRepeated)
		facts = append(facts, map[string]any{"pointer": pointer, "message": message})
		told = append(told, strings.TrimSpace(pointer+" "+message))
	}
	if more := len(bad) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	return tool.Errorf(tool.KindValidation, "the arguments are not valid: %s", strings.Join(told, "; ")).
		Suggest("correct what the JSON pointers name, and call again; see the tool's input schema").
		With("violations", facts).With("violations_total", len(bad))
}

// refuse is the error of one argument that the schema allows and that is wrong all the same.
func refuse(pointer, format string, args ...any) *tool.Error {
	return invalid([]catalog.Violation{{Pointer: pointer, Message: fmt.Sprintf(format, args...)}})
}
