package httpdoor

import (
	"net/http"
	"strconv"
	"strings"
)

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// document puts the operation beside the others of its path.
func (r route) document(paths object) {
	path, _ := paths[r.path].(object)
	if path == nil {
		path = object{}
		paths[r.path] = path
	}
	path[strings.ToLower(r.method)] = r.operation()
}

func (r route) operation() object {
	op := object{
		"operationId": r.id, "tags": []string{r.tag}, "summary": r.summary, "responses": r.responses(),
		"description": strings.TrimSpace(r.text + "\n\n" + r.roleText()),
	}
	if r.role == everybody {
		op["security"] = []object{{}, {"token": []string{}}}
	}
	if len(r.params) > 0 {
		var params []object
		for _, p := range r.params {
			params = append(params, ref("parameters", p))
		}
		op["parameters"] = params
	}
	if r.body != nil {
		op["requestBody"] = object{
			"required": r.body.required,
			"content":  object{"application/json": object{"schema": ref("schemas", r.body.schema)}},
		}
	}
	return op
}

func (r route) roleText() string {
	if r.role == everybody {
		return "Open to everybody."
	}
	return "Needs the role " + string(r.role) + "."
}

func (r route) responses() object {
	responses := object{}
	for _, a := range r.answers {
		media := a.media
		if media == "" {
			media = "application/json"
		}
		status := strconv.Itoa(a.status)
		known, again := responses[status].(object)
		if again { // the same in another form
			known["content"].(object)[media] = object{"schema": ref("schemas", a.schema)}
			continue
		}
		response := object{
			"description": a.text, "content": object{media: object{"schema": ref("schemas", a.schema)}},
		}
		if len(a.headers) > 0 {
			headers := object{}
			for _, name := range a.headers {
				headers[headerNames[name]] = ref("headers", name)
			}
			response["headers"] = headers
		}
		responses[status] = response
	}
	statuses := append([]int{
		http.StatusForbidden, http.StatusTooManyRequests, http.StatusInternalServerError,
	}, r.problems...)
	if r.body != nil {
		statuses = append(statuses, http.StatusRequestTimeout)
	}
	if r.role != everybody {
		statuses = append(statuses, http.StatusUnauthorized, http.StatusServiceUnavailable)
	}
	for _, status := range statuses {
		responses[strconv.Itoa(status)] = ref("responses", problemTexts[status][0])
	}
	return responses
}
