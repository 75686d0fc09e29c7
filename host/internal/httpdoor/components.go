package httpdoor

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
)

var referenceRE = regexp.MustCompile(`"#/components/([a-z]+)/([^/"]+)[^"]*"`)

// prune drops components that nothing refers to: which routes there are is the operator's choice.
func prune(components, paths object) error {
	used := map[string]bool{} // kind/name
	var mark func(part any) error
	mark = func(part any) error {
		raw, err := encode(part)
		if err != nil {
			return fmt.Errorf("write a part of the document: %w", err)
		}
		for _, m := range referenceRE.FindAllSubmatch(raw, -1) {
			kind, name := string(m[1]), string(m[2])
			if list, _ := components[kind].(object); !used[kind+"/"+name] && list[name] != nil {
				used[kind+"/"+name] = true
				if err := mark(list[name]); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if err := mark(paths); err != nil {
		return err
	}
	for kind, list := range components {
		maps.DeleteFunc(list.(object), func(name string, _ any) bool { return !used[kind+"/"+name] })
	}
	return nil
}

// problemTexts are the errors, status -> name in components/responses and description.
var problemTexts = map[int][2]string{
	400:             {"BadRequest", "The arguments, the target or the body are wrong, or two have the name."},
	401:             {"Unauthorized", "No valid bearer token."},
	403:             {"Forbidden", "Not for this client, this target, this Host or this Origin; or switched off."},
	404:             {"NotFound", "There is no such tool, plugin, token or execution."},
	406:             {"NotAcceptable", "Not there in the form that the header Accept asks for."},
	408:             {"RequestTimeout", "The body did not come in time."},
	409:             {"Conflict", "The execution is not in a state for it, or another host runs it."},
	413:             {"ContentTooLarge", "The body is too large."},
	415:             {"UnsupportedMediaType", "The body is not plain application/json."},
	429:             {"TooManyRequests", "Too many calls, streams, connections, or credentials that are not valid."},
	statusCancelled: {"Cancelled", "The client went away; nobody reads this."},
	500:             {"InternalServerError", "A bug of the host or of a plugin."},
	502:             {"BadGateway", "The plugin could not answer."},
	503:             {"ServiceUnavailable", "Too much to do, the tool failed too often, or it is not up."},
}

func problemResponses() object {
	responses := object{}
	for status, text := range problemTexts {
		response := object{
			"description": text[1],
			"content":     object{"application/problem+json": object{"schema": ref("schemas", "Problem")}},
		}
		switch status {
		case http.StatusUnauthorized:
			response["headers"] = object{"WWW-Authenticate": ref("headers", "Challenge")}
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			response["headers"] = object{"Retry-After": ref("headers", "RetryAfter")}
		}
		responses[text[0]] = response
	}
	return responses
}

// headerNames are the headers of answers, by their names in components/headers.
var headerNames = map[string]string{
	"CorrelationID": "X-Correlation-ID", "Location": "Location", "Offset": "X-Offset", "NextOffset": "X-Next-Offset",
	"TotalBytes": "X-Total-Bytes", "Complete": "X-Complete", "NextPage": "Link",
}

func textHeader(description, example string) object {
	return object{"description": description, "schema": object{"type": "string", "examples": []string{example}}}
}

func headers() object {
	all := object{
		"RetryAfter": object{
			"description": "Seconds after which it is worth trying again; left out when nobody knows.",
			"schema":      object{"type": "integer", "minimum": 1, "examples": []int{3}},
		},
		"Challenge":     textHeader("How to authenticate.", `Bearer realm="gatehouse"`),
		"CorrelationID": textHeader("Under which the call stands in log and audit trail.", "demo-1"),
	}
	maps.Copy(all, executionHeaders())
	return all
}

func parameters() object {
	id := object{"type": "string", "maxLength": maxLastID, "examples": []string{"5f3a9c01d2e4-42"}}
	all := object{
		"ToolName": object{
			"name": "name", "in": "path", "required": true, "description": "Name of the tool.",
			"schema": object{"type": "string", "pattern": "^" + namePattern + "$", "examples": []string{"PingTool"}},
		},
		"TokenName": object{
			"name": "name", "in": "path", "required": true, "description": "Name of the token.",
			"schema": object{"type": "string", "pattern": "^" + namePattern + "$", "examples": []string{"ci"}},
		},
		"PluginName": object{
			"name": "name", "in": "path", "required": true, "description": "Name of the plugin, or of its file.",
			"schema": object{"type": "string", "pattern": "^" + pluginNamePattern + "$", "examples": []string{"nmap"}},
		},
		"LastEventID": object{
			"name": "Last-Event-ID", "in": "header", "schema": id,
			"description": "Id of the last event that was received; what came after it comes first.",
		},
		"LastEventIDQuery": object{
			"name": "last_event_id", "in": "query", "schema": id,
			"description": "The same, for programs that cannot set the header.",
		},
	}
	maps.Copy(all, executionParameters())
	return all
}
