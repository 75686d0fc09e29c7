package httpdoor

import (
	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
)

// executionHeaders are the headers of answers about executions, for the document.
func executionHeaders() object {
	count := func(description string, example int) object {
		return object{
			"description": description,
			"schema":      object{"type": "integer", "minimum": 0, "examples": []int{example}},
		}
	}
	return object{
		"Location":   textHeader("Where the execution is.", executionsPath+"/"+exampleID),
		"Offset":     count("Where the text begins in the whole, in bytes.", 0),
		"NextOffset": count("The offset of what follows, in bytes.", 65536),
		"TotalBytes": count("Bytes of the whole, as far as it is there.", 70312),
		"Complete": object{
			"description": "Whether the execution has ended, so that the whole does not grow any more.",
			"schema":      object{"type": "boolean", "examples": []bool{true}},
		},
		"NextPage": textHeader("Where to go on, when a range was asked for and more is there.",
			"<"+executionsPath+"/"+exampleID+"/stdout?offset=65536&limit=65536>; rel=\"next\""),
	}
}

// executionParameters are the parameters of their routes.
func executionParameters() object {
	in := func(name, description string, schema object) object {
		return object{"name": name, "in": "query", "description": description, "schema": schema}
	}
	text := func(example string) object { return object{"type": "string", "examples": []string{example}} }
	number := func(least, most int64, def, example int) object {
		s := object{"type": "integer", "minimum": least, "maximum": most, "examples": []int{example}}
		if def >= 0 {
			s["default"] = def
		}
		return s
	}
	return object{
		"ExecutionID": object{
			"name": "id", "in": "path", "required": true, "description": "The `execution_id`.",
			"schema": object{"type": "string", "format": "uuid", "examples": []string{exampleID}},
		},
		"ByTool": in("tool", "Of this tool alone.", text("NmapTool")),
		"ByTarget": in("target", "Of this target alone, as the caller wrote it, or the address that it stood for.",
			text("10.0.3.7")),
		"ByState": in("state", "In this state alone.", object{"type": "string", "enum": executions.States()}),
		"PageLimit": in("limit", "How many there are on a page.",
			number(1, maxPage, defaultPage, 50)),
		"Cursor": in("cursor", "The `next_cursor` of the page before.", text(exampleID)),
		"Offset": in("offset", "Where to begin, in bytes.", number(0, maxOffset, 0, 65536)),
		"RangeLimit": in("limit", "How many bytes at most; without it all.",
			number(1, executions.MaxChunk, -1, 65536)),
	}
}

// executionSchemas are those that no Go type stands behind.
func executionSchemas() object {
	return object{
		"NewExecution": object{
			"type": "object", "description": "A call to begin.", "additionalProperties": false,
			"required": []string{"tool"},
			"properties": object{
				"tool": object{
					"type": "string", "pattern": "^" + namePattern + "$", "description": "the tool to run",
				},
				"arguments": object{
					"$ref": "#/components/schemas/Arguments", "description": "as its `input_schema` has them",
				},
			},
			"examples": []any{object{"tool": "NmapTool", "arguments": object{"target": "10.0.3.7"}}},
		},
		"Content": object{
			"type": "object", "description": "A block of content, as MCP has it.", "required": []string{"type"},
			"additionalProperties": true,
			"properties": object{"type": object{
				"type": "string", "description": "text, image, audio, resource_link or resource",
			}},
			"examples": []any{object{"type": "text", "text": "3 hosts are up"}},
		},
		"Anything": object{"description": "A JSON value, by the `output_schema` of the tool."},
	}
}
