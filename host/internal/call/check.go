package call

import (
	"context"
	"fmt"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/host/internal/catalog"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Bounds of what a refusal repeats of the arguments.
const (
	maxViolations       = 50  // in the metadata
	maxViolationsTold   = 10  // in the message
	maxViolationMessage = 300 // bytes
	maxPointer          = 200 // bytes
)

// check holds the arguments to the tool's schema, and takes the host's own out: the plugin never sees them.
func (r *Router) check(inner next) next {
	return func(ctx context.Context, c *passage) error {
		bad := append(c.bad, r.violations(c)...)
		if len(bad) > 0 {
			return invalid(bad)
		}
		c.req.Arguments = c.args.without(catalog.TimeoutArgument, catalog.CorrelationArgument)
		return inner(ctx, c)
	}
}

// violations holds the arguments to the names that the tool knows, and to its schema.
func (r *Router) violations(c *passage) []catalog.Violation {
	if c.args.raw == nil {
		return nil
	}
	letters := c.args.inOtherLetters(r.properties.of(c.entry))
	return append(letters, withoutPointers(c.bySchema(), letters)...)
}

// bySchema holds the arguments to the schema. A null that the schema does not want counts as a member that
// is not there: many programs write optional fields so.
func (c *passage) bySchema() []catalog.Violation {
	bad := c.entry.Input.Validate(c.args.raw)
	if len(bad) == 0 {
		return nil
	}
	rest, had := c.args.withoutNulls()
	if !had {
		return bad
	}
	c.args = rest
	return c.entry.Input.Validate(rest.raw)
}

// invalid is the error of arguments with violations, all of them at once.
func invalid(bad []catalog.Violation) *tool.Error {
	var told []string
	facts := make([]any, 0, min(len(bad), maxViolations))
	for i, v := range bad[:min(len(bad), maxViolations)] {
		pointer, message := clip(v.Pointer, maxPointer), clip(v.Message, maxViolationMessage)
		facts = append(facts, map[string]any{"pointer": pointer, "message": message})
		switch {
		case i >= maxViolationsTold:
		case pointer == "":
			told = append(told, message)
		default:
			told = append(told, pointer+" "+message)
		}
	}
	if more := len(bad) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	return tool.Errorf(tool.KindValidation, "the arguments are not valid: %s", strings.Join(told, "; ")).
		Suggest("correct what the JSON pointers name, and call again; see the tool's input schema").
		With("violations", facts).With("violations_total", len(bad))
}
