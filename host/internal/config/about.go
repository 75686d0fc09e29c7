package config

// forAll is of keys that a tool may bring a number of its own for.
const forAll = "; when set: of every tool without a section that says otherwise, whatever the tool wishes"

// about says in one line for people what each key means; loading, the JSON Schema and the documentation are
// made from it and from the tags of [Config]. "*" stands for a name that the operator chooses, "[]" for an
// element of a list.
var about = map[string]string{
	"server.transport": "how clients reach the host",
	"server.host":      "address to listen on; beyond loopback with TLS, or a proxy for it, and credentials",
	"server.port":      "port to listen on; 0: any free one",
	"server.behind_tls_proxy": "whether a proxy in front ends TLS, so that a door that others can reach may do " +
		"without",
	"server.trusted_proxies": "addresses of proxies whose forwarded headers are believed, or networks (IPv4 from /8, IPv6 from /16)",
	"server.allowed_hosts": "names or addresses that requests may have as Host, beside those that " +
		"server.host implies",
	"server.allowed_origins":            "origins of web pages that may call, as browsers write them",
	"server.max_connections":            "HTTP connections at a time",
	"server.max_connections_per_client": "of them, those of one address over which something is served; more are answered 429",
	"server.max_streams_per_client":     "streams of one client at a time",
	"server.shutdown_grace_period":      "seconds for calls in flight at the end",
	"server.state_dir":                  "absolute path for what outlives a restart; empty: the user's own",

	"tls.cert_file":      "absolute path of the certificate and its chain, in PEM; empty: no TLS",
	"tls.key_file":       "absolute path of its key, in PEM",
	"tls.client_ca_file": "absolute path of the authorities that sign clients' certificates, in PEM",
	"tls.client_auth": "whether clients show certificates: off; optional, one that is shown must be good; " +
		"require, nobody comes in without",

	"admin.listen": "where the administrative routes are: empty, with the others; unix:/absolute/path or " +
		"host:port, there alone",

	"security.allow_intrusive": "whether what can disturb a target is allowed: false; ask, when a person says so " +
		"for the one call; true",
	"security.allowed_targets":  "scope in the old form (RFC1918, networks, .suffixes)",
	"security.max_network_size": "addresses of one target network",
	"security.max_port_ranges":  "items of one port list",
	"security.max_args_length":  "bytes of extra_args",

	"scope.allowed_networks": "networks inside of RFC 1918 that may be touched; empty: all of RFC 1918",
	"scope.allow_loopback":   "whether 127.0.0.0/8 may be touched",
	"scope.allowed_suffixes": "names below these may be touched when every address of theirs may",
	"scope.hosts":            "name -> addresses, before DNS is asked",

	"tool.default_timeout":       "seconds of a call that asks for none" + forAll,
	"tool.default_concurrency":   "calls of one tool at a time" + forAll,
	"tool.queue_length":          "calls of one tool that may wait for a slot",
	"tool.max_queued_per_client": "of them, those of one client; 0: no number, yet a full queue is shared out",
	"tool.include":               "names or globs of the tools to offer; empty: all",
	"tool.exclude":               "names or globs of the tools not to offer",

	"limits.max_stdout_bytes":     "bytes of stdout that are kept",
	"limits.max_stderr_bytes":     "bytes of stderr that are kept",
	"limits.max_memory_mb":        "MiB of address space of a tool's process",
	"limits.max_file_descriptors": "open files of a tool's process",

	"sandbox.run_as": "user of programs when the host is root's: auto (nobody), none (root), a name, or uid:gid",
	"sandbox.require": "layers without which no program is run, as gatehouse doctor names them; " +
		"empty: those that cannot be done without",

	"circuit_breaker.failure_threshold":           "failures in a row that open the breaker of a tool" + forAll,
	"circuit_breaker.recovery_timeout":            "seconds that an open breaker rests before a trial" + forAll,
	"circuit_breaker.half_open_success_threshold": "trials in a row that must succeed to close it",
	"circuit_breaker.recovery_multiplier":         "by how much the rest grows after each failed trial",
	"circuit_breaker.max_recovery_timeout":        "seconds that the rest grows to at most; when set: whatever a tool wishes",
	"circuit_breaker.recovery_jitter":             "part of the rest that is random",

	"rate_limit.requests":    "calls of one client and tool within the period",
	"rate_limit.per":         "seconds of the period",
	"rate_limit.max_clients": "buckets that are kept, one for each client and tool",

	"plugins.dirs": "directories with plugins; empty: plugins/ beside the executable, then the system's",
	"plugins.launch": "when plugins are started: eager, all with the host; lazy, each on the first call of " +
		"one of its tools",
	"plugins.idle_timeout":  "seconds without a call after which a plugin is ended; with lazy only",
	"plugins.start_timeout": "seconds that a plugin has to start",
	"plugins.max_rss": "MiB of resident memory from which a plugin's process is replaced, between two calls; " +
		"0: no limit",
	"plugins.trust": "directory: whoever can write the directory is trusted, except where a plugins.lock says " +
		"which bytes may run; pinned: nothing runs that no plugins.lock pins",
	"plugins.rescan_interval": "seconds between two looks into the directories, whatever is heard of changes",
	"plugins.no_new_privs": "whether plugins and what they start can never gain rights: auto, where their " +
		"tools allow it; on; off",
	"plugins.landlock": "whether Landlock confines the files of a plugin: auto, where the kernel has it; off; " +
		"require, without it none is started",
	"plugins.run_as": "user of plugins when the host is root's: a name, or uid:gid; empty: the host's own",
	"plugins.config": "plugin name -> its own section, handed to it as it is",

	"auth.mode":   "what clients of HTTP must show; none is possible on loopback only, without a proxy",
	"auth.tokens": "who may come in; empty: one token is generated into the state directory",

	"auth.tokens[].name":   "name of the client",
	"auth.tokens[].sha256": "hash of the token, 64 hexadecimal digits",
	"auth.tokens[].role":   "what the client may do; empty: caller",
	"auth.tokens[].tools":  "names or globs of the tools that it may call; empty: all",

	"auth.tokens[].rate_requests": "calls of each tool within the period; empty: as for others",
	"auth.tokens[].rate_per":      "seconds of the period; empty: as for others",
	"auth.tokens[].expires":       "time (RFC 3339) from which the token is void; empty: never",

	"auth.certificates":                 "clients that are known by their certificates",
	"auth.certificates[].name":          "name of the client",
	"auth.certificates[].subject":       "cn:, dns:, uri: or email:, and the exact text that stands there",
	"auth.certificates[].role":          "what the client may do; empty: caller",
	"auth.certificates[].tools":         "names or globs of the tools that it may call; empty: all",
	"auth.certificates[].rate_requests": "calls of each tool within the period; empty: as for others",
	"auth.certificates[].rate_per":      "seconds of the period; empty: as for others",

	"auth.max_failures": "wrong credentials of one address within the period, after which it has to wait",
	"auth.failures_per": "seconds of the period",

	"oidc.issuer":       "URL of an OpenID Connect issuer whose tokens are believed; empty: nobody's",
	"oidc.audience":     "whom a token must be meant for: one of these",
	"oidc.name_claim":   "claim that names the client",
	"oidc.role_claim":   "claim that says what the client may do; a text, or a list of texts",
	"oidc.admins":       "values of that claim that make an admin",
	"oidc.callers":      "values of that claim that make a caller",
	"oidc.viewers":      "values of that claim that make a viewer",
	"oidc.default_role": "role of a client whom no value gives one; none: it may not come in",
	"oidc.ca_file":      "absolute path of the authorities for its certificate, in PEM; empty: the system's",

	"health.enabled":          "whether the checks run in the background",
	"health.check_interval":   "seconds between two rounds of checks",
	"health.timeout":          "seconds that one check has",
	"health.cpu_threshold":    "percent of CPU time in use from which the host is degraded",
	"health.memory_threshold": "percent of memory in use, likewise",
	"health.disk_threshold":   "percent of the state directory's disk in use, likewise",
	"health.dependencies":     "programs or absolute paths that must be on this machine",

	"metrics.enabled":         "whether /metrics answers in the Prometheus format; without it only in JSON",
	"metrics.prometheus_port": "a port of its own for /metrics, beside the door's; 0: none",
	"metrics.prometheus_host": "address of that port",

	"logging.level":         "what is logged from; in any case of letters",
	"logging.format":        "structured (JSON) or simple (text)",
	"logging.file_path":     "absolute path of a file to log into, in place of stderr",
	"logging.max_file_size": "bytes of that file before the next is begun",
	"logging.backup_count":  "full files that are kept",

	"audit.enabled":       "whether every decision is written down",
	"audit.dir":           "absolute path of the trail's directory; empty: audit in the state directory",
	"audit.max_file_size": "bytes of a file before the next is begun",
	"audit.max_files":     "files that are kept; 0: all",
	"audit.sync":          "when it is forced to disk: each line, each second, or as the system likes",
	"audit.on_failure":    "what becomes of calls while the trail cannot be written",

	"events.history":     "events that a client which comes back can still get",
	"events.max_streams": "clients that listen at a time",

	"mcp.max_text": "characters of a result's text for a model; what is left out can be read in pieces",

	"executions.max_age":                "seconds that an execution is kept after its end",
	"executions.max_count":              "executions that are kept",
	"executions.max_size":               "bytes that are kept of all executions together",
	"executions.max_running":            "detached executions that have not ended, at a time",
	"executions.max_running_per_client": "of them, those of one client",

	"tools":                               "settings of one tool, by its name",
	"tools.*.enabled":                     "whether the tool can be called",
	"tools.*.concurrency":                 "calls at a time",
	"tools.*.queue_length":                "calls that may wait for a slot",
	"tools.*.default_timeout":             "seconds of a call that asks for none",
	"tools.*.max_timeout":                 "seconds that a call may ask for at most",
	"tools.*.failure_threshold":           "failures in a row that open the breaker",
	"tools.*.recovery_timeout":            "seconds that an open breaker rests before a trial",
	"tools.*.half_open_success_threshold": "trials in a row that must succeed to close it",
	"tools.*.recovery_multiplier":         "by how much the rest grows after each failed trial",
	"tools.*.max_recovery_timeout":        "seconds that the rest grows to at most",
	"tools.*.recovery_jitter":             "part of the rest that is random",
	"tools.*.rate_requests":               "calls of one client within the period",
	"tools.*.rate_per":                    "seconds of the period",
}
