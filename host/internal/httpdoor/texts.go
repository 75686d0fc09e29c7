package httpdoor

// texts describe the members of types that are made elsewhere: name of the schema -> member -> description.
var texts = map[string]map[string]string{
	"Health": {
		"status":    "of the whole",
		"timestamp": "when the checks were weighed, UTC",
		"transport": "how clients reach the host",
		"checks":    "by name; only with a valid token",
		"summary":   "how many checks came out how",
	},
	"Check": {
		"status":   "how it came out",
		"priority": "how much it weighs",
		"message":  "what was found, for people",
		"fix":      "what a person does about it; left out when there is nothing to do",
	},
	"Report": {
		"stdout":              "what the program printed, valid UTF-8",
		"stderr":              "what the program printed as errors, valid UTF-8",
		"returncode":          "of the program; 124 after a timeout, -1 when none was returned",
		"truncated_stdout":    "whether more came than is kept",
		"truncated_stderr":    "whether more came than is kept",
		"timed_out":           "whether the deadline ended it",
		"error":               "what went wrong, for people; null: nothing",
		"error_type":          "what went wrong, for programs; null: nothing",
		"execution_time":      "seconds, waiting included",
		"correlation_id":      "the caller's, or the execution id",
		"execution_id":        "UUIDv7 of the call",
		"metadata":            "facts about the run",
		"content":             "blocks of content, as MCP has them; left out when there are none",
		"data":                "the parsed result; left out when there is none",
		"recovery_suggestion": "what to do next",
		"timestamp":           "when it went wrong, UTC",
		"tool":                "the tool that was called",
		"target":              "the target as it was written",
		"retry_after":         "seconds after which it is worth trying again",
	},
	"Plan": {
		"verdict":        "what policy says",
		"rule":           "the rule that decided",
		"tool":           "the tool that was asked for",
		"program":        "absolute path of what would be executed",
		"argv":           "exactly what would be executed",
		"targets":        "what each target argument was pinned to",
		"tokens":         "the verdict on each piece of the arguments",
		"notes":          "defaults that were added, and the like",
		"timeout_sec":    "seconds that the call would have",
		"correlation_id": "the caller's, or the execution id",
		"execution_id":   "UUIDv7 of the plan",
		"error":          "why it would be refused; left out when it would not",
	},
	"Target": {
		"argument": "the argument that has it",
		"label":    "as the caller wrote it",
		"prefix":   "the addresses that it stands for",
	},
	"Layer": {
		"name":   "of the layer",
		"active": "whether it is in force on this machine",
		"detail": "what it does, or what is missing",
	},
	"Refusal": {
		"error_type":          "what went wrong, for programs",
		"message":             "what went wrong, for people",
		"recovery_suggestion": "what to do next",
		"timestamp":           "when it was decided, UTC",
		"tool":                "the tool that was asked for",
		"target":              "the target as it was written",
		"metadata":            "facts about the refusal",
	},
}

const (
	exampleID   = "01a204df-c702-7c3e-9a51-3b0c5d2e8f10"
	exampleTime = "2026-11-22T20:08:24.067181098Z"
	exampleHash = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
)

// examples show what answers look like, by the name of the schema.
var examples = map[string]object{
	"Status": {"status": "ready"},
	"Report": {
		"stdout": "1 packets transmitted, 1 received", "stderr": "", "returncode": 0, "truncated_stdout": false,
		"truncated_stderr": false, "timed_out": false, "error": nil, "error_type": nil, "execution_time": 0.021,
		"correlation_id": "demo-1", "execution_id": exampleID, "metadata": object{"max_rss": 3145728},
	},
	"Execution": {
		"execution_id": exampleID, "correlation_id": exampleID, "tool": "NmapTool", "plugin": "nmap",
		"plugin_version": "v1.0.0", "client": "ci", "door": "rest", "arguments": object{"target": "10.0.3.7"},
		"target": "10.0.3.7", "detached": true, "state": "running", "created": exampleTime, "started": exampleTime,
		"timeout_sec": 600, "progress": object{"task": "Connect Scan", "percent": 41.5, "done": 0},
		"stdout_bytes": 412, "stderr_bytes": 0, "truncated_stdout": false, "truncated_stderr": false, "data_bytes": 0,
	},
	"Plan": {
		"verdict": "accept", "rule": "every flag is in the table and within its bounds, and nothing conflicts",
		"tool": "PingTool", "program": "/usr/bin/ping", "argv": []string{"/usr/bin/ping", "-n", "--", "127.0.0.1"},
		"timeout_sec": 30, "execution_id": exampleID, "correlation_id": exampleID,
	},
	"Problem": {
		"type": "urn:gatehouse:error:out_of_scope", "title": "Forbidden", "status": 403,
		"detail": "192.0.2.1 is outside of the allowed networks", "error_type": "out_of_scope",
		"recovery_suggestion": "ask for a target inside of the allowed networks", "timestamp": exampleTime,
		"tool": "PingTool", "target": "192.0.2.1", "correlation_id": exampleID, "execution_id": exampleID,
	},
	"Plugin": {
		"name": "ping", "version": "v1.0.0", "path": "/usr/lib/gatehouse/plugins/ping", "sha256": exampleHash,
		"state": "ready", "reason": "", "error": "", "recovery_suggestion": "", "since": exampleTime, "pid": 4711,
		"restarts": 0, "launch": "eager", "pinned": true, "tools": []string{"PingTool"}, "filtered": []string{},
		"clashes": []string{}, "resident_memory_bytes": 15204352, "draining": 0, "successor_error": "",
		"layers": []object{}, "sandbox": []object{{"name": "landlock", "active": true, "detail": "ABI 7"}},
	},
	"VerifyReport": {"ok": false, "findings": []object{{
		"path": "/usr/lib/gatehouse/plugins/ping", "status": "not_pinned", "expected": "", "actual": exampleHash,
		"fix": "gatehouse plugins pin",
	}}},
	"Health": {
		"status": "healthy", "timestamp": exampleTime, "transport": "http",
		"summary": object{"total_checks": 9, "healthy": 9, "degraded": 0, "unhealthy": 0},
	},
}
