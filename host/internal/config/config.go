// Package config turns flags, environment and file into one validated [Config] value. After [Read] returned
// nil nothing in it can be out of range; nobody else reads the environment or the file.
//
// What is said more closely wins: flags over environment over file over the defaults of [Default]. The
// settings of one tool come from its own section of the file, else from what somebody set for all tools, else
// from what the tool says of itself, else from the defaults; see [Loaded.Settings]. [Loaded] tells besides
// where each value came from, and what was clamped.
//
//	loaded, err := config.Read(config.Source{Environ: os.Environ()})
//	if err != nil {
//		return err // every problem, one in a line, with file, line and key
//	}
//	serve(loaded.Config)
package config

import "time"

// Seconds is a duration as the file and the environment write it.
type Seconds float64

// Duration converts to a duration.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// Config is everything that can be set.
//
// The tags, and the words in about, are the one place where a key is described; loading, the JSON Schema,
// [Loaded.Print] and the documentation are made from them:
//
//	koanf    the key in its section
//	range    "least..most", both allowed: what lies beyond is clamped, with a warning
//	must     "least..most": what lies beyond is an error, because clamping would mean something else
//	enum     the values allowed, separated by commas
//	letters  "any": those values are known in any case of letters
//	form     "switch": of those values, false and true are booleans, as of any switch, and never texts
//	reload   "no": a change waits for the next start
//
// A number that is negative, or zero where the range begins above zero, and one that is not finite, is an
// error in any case: it is no exaggeration but a mistake.
type Config struct {
	Server         Server          `koanf:"server"`
	TLS            TLS             `koanf:"tls"`
	Admin          Admin           `koanf:"admin"`
	Security       Security        `koanf:"security"`
	Scope          Scope           `koanf:"scope"`
	Tool           Tool            `koanf:"tool"`
	Limits         Limits          `koanf:"limits"`
	Sandbox        Sandbox         `koanf:"sandbox"`
	CircuitBreaker CircuitBreaker  `koanf:"circuit_breaker"`
	RateLimit      RateLimit       `koanf:"rate_limit"`
	Plugins        Plugins         `koanf:"plugins"`
	Auth           Auth            `koanf:"auth"`
	OIDC           OIDC            `koanf:"oidc"`
	Health         Health          `koanf:"health"`
	Metrics        Metrics         `koanf:"metrics"`
	Logging        Logging         `koanf:"logging"`
	Audit          Audit           `koanf:"audit"`
	Events         Events          `koanf:"events"`
	MCP            MCP             `koanf:"mcp"`
	Executions     Executions      `koanf:"executions"`
	Tools          map[string]Each `koanf:"tools"`
}

// Server says which door is open, where, to whom, and how wide.
type Server struct {
	Transport               string   `koanf:"transport" enum:"stdio,http" reload:"no"`
	Host                    string   `koanf:"host" reload:"no"`
	Port                    int      `koanf:"port" must:"0..65535" reload:"no"`
	BehindTLSProxy          bool     `koanf:"behind_tls_proxy" reload:"no"`
	TrustedProxies          []string `koanf:"trusted_proxies" reload:"no" split:"commas"`
	AllowedHosts            []string `koanf:"allowed_hosts" reload:"no" split:"commas"`
	AllowedOrigins          []string `koanf:"allowed_origins" reload:"no" split:"commas"`
	MaxConnections          int      `koanf:"max_connections" range:"1..100000" reload:"no"`
	MaxConnectionsPerClient int      `koanf:"max_connections_per_client" range:"1..100000" reload:"no"`
	MaxStreamsPerClient     int      `koanf:"max_streams_per_client" range:"1..10000" reload:"no"`
	ShutdownGracePeriod     Seconds  `koanf:"shutdown_grace_period" range:"0..3600" reload:"no"`
	StateDir                string   `koanf:"state_dir" reload:"no"`
}

// Whether clients show certificates.
const (
	ClientAuthOff      = "off"
	ClientAuthOptional = "optional" // one that is shown must be good
	ClientAuthRequire  = "require"
)

// TLS says by which certificate clients know the host, and by which the host knows clients. The files are read
// again when they change.
type TLS struct {
	CertFile     string `koanf:"cert_file" reload:"no"`
	KeyFile      string `koanf:"key_file" reload:"no"`
	ClientCAFile string `koanf:"client_ca_file" reload:"no"`
	ClientAuth   string `koanf:"client_auth" enum:"off,optional,require" reload:"no"`
}

// On reports whether the door speaks TLS.
func (t TLS) On() bool { return t.CertFile != "" }

// Admin says where the administrative routes are.
type Admin struct {
	Listen string `koanf:"listen" reload:"no"` // empty: with the others; unix:/path or host:port: there alone
}

// Intrusive says whether what can disturb a target is allowed. Whatever is not [IntrusiveYes] allows nothing
// by itself.
type Intrusive string

// Whether what can disturb a target is allowed. Files and JSON have the first two as booleans.
const (
	IntrusiveNo  Intrusive = "false"
	IntrusiveYes Intrusive = "true"
	IntrusiveAsk Intrusive = "ask" // when a person says so for the one call
)

// Security is the policy that plugins apply.
type Security struct {
	AllowIntrusive Intrusive `koanf:"allow_intrusive" enum:"false,true,ask" form:"switch"`
	AllowedTargets []string  `koanf:"allowed_targets"`
	MaxNetworkSize int       `koanf:"max_network_size" range:"1..65536"`
	MaxPortRanges  int       `koanf:"max_port_ranges" range:"1..1000"`
	MaxArgsLength  int       `koanf:"max_args_length" range:"1..2048"`
}

// Scope says which targets may be touched.
type Scope struct {
	AllowedNetworks []string            `koanf:"allowed_networks"`
	AllowLoopback   bool                `koanf:"allow_loopback"`
	AllowedSuffixes []string            `koanf:"allowed_suffixes"`
	Hosts           map[string][]string `koanf:"hosts"`
}

// Tool is what holds for every tool whose section says nothing else. As defaults, the first two yield to what
// a tool says of itself.
type Tool struct {
	DefaultTimeout     Seconds  `koanf:"default_timeout" range:"1..3600"`
	DefaultConcurrency int      `koanf:"default_concurrency" range:"1..1000"`
	QueueLength        int      `koanf:"queue_length" range:"0..10000"`
	MaxQueuedPerClient int      `koanf:"max_queued_per_client" range:"0..10000"` // 0: no number, yet a fair share
	Include            []string `koanf:"include"`
	Exclude            []string `koanf:"exclude"`
}

// Limits bound what a tool's process may use and print.
type Limits struct {
	MaxStdoutBytes     int64 `koanf:"max_stdout_bytes" range:"1..67108864"`
	MaxStderrBytes     int64 `koanf:"max_stderr_bytes" range:"1..67108864"`
	MaxMemoryMB        int   `koanf:"max_memory_mb" range:"64..1048576"`
	MaxFileDescriptors int   `koanf:"max_file_descriptors" range:"16..1048576"`
}

// Sandbox says how plugins run programs.
type Sandbox struct {
	RunAs   string   `koanf:"run_as"`
	Require []string `koanf:"require"`
}

// CircuitBreaker is what holds for every tool whose section says nothing else. As defaults, the first two
// yield to what a tool says of itself.
type CircuitBreaker struct {
	FailureThreshold         int     `koanf:"failure_threshold" range:"1..10"`
	RecoveryTimeout          Seconds `koanf:"recovery_timeout" range:"30..600"`
	HalfOpenSuccessThreshold int     `koanf:"half_open_success_threshold" range:"1..10"`
	RecoveryMultiplier       float64 `koanf:"recovery_multiplier" range:"1..10"`
	MaxRecoveryTimeout       Seconds `koanf:"max_recovery_timeout" range:"30..3600"`
	RecoveryJitter           float64 `koanf:"recovery_jitter" range:"0..0.5"`
}

// RateLimit is the token bucket of each client and tool.
type RateLimit struct {
	Requests   int     `koanf:"requests" range:"1..1000000"`
	Per        Seconds `koanf:"per" range:"1..86400"`
	MaxClients int     `koanf:"max_clients" range:"1..1000000"`
}

// When plugins are started.
const (
	LaunchEager = "eager" // with the host
	LaunchLazy  = "lazy"  // on the first call of one of their tools
)

// What a file must show before it is run.
const (
	TrustDirectory = "directory" // that it lies in a directory nobody else can write to
	TrustPinned    = "pinned"    // that a plugins.lock has its hash
)

// Whether a plugin's process, and what it starts, can never gain rights, as through a setuid program.
const (
	NoNewPrivsAuto = "auto" // where the plugin's tools allow it
	NoNewPrivsOn   = "on"
	NoNewPrivsOff  = "off"
)

// Whether Landlock confines the files of a plugin's process.
const (
	LandlockAuto    = "auto" // where the kernel has it
	LandlockOff     = "off"
	LandlockRequire = "require" // without it no plugin is started
)

// Plugins says where plugins are found, which of them are run, and how.
type Plugins struct {
	Dirs           []string                  `koanf:"dirs" reload:"no"`
	Launch         string                    `koanf:"launch" enum:"eager,lazy" reload:"no"`
	IdleTimeout    Seconds                   `koanf:"idle_timeout" range:"1..86400" reload:"no"`
	StartTimeout   Seconds                   `koanf:"start_timeout" range:"1..300" reload:"no"`
	MaxRSS         int                       `koanf:"max_rss" range:"0..1048576"` // MiB; 0: no limit
	Trust          string                    `koanf:"trust" enum:"directory,pinned" reload:"no"`
	RescanInterval Seconds                   `koanf:"rescan_interval" range:"1..3600" reload:"no"`
	NoNewPrivs     string                    `koanf:"no_new_privs" enum:"auto,on,off" reload:"no"`
	Landlock       string                    `koanf:"landlock" enum:"auto,off,require" reload:"no"`
	RunAs          string                    `koanf:"run_as" reload:"no"` // empty: the host's own user
	Config         map[string]map[string]any `koanf:"config"`
}

// The modes of Auth.
const (
	AuthToken = "token"
	AuthNone  = "none" // possible on loopback only
)

// Auth says who may come in over HTTP.
type Auth struct {
	Mode         string        `koanf:"mode" enum:"token,none" reload:"no"`
	Tokens       []Token       `koanf:"tokens"`
	Certificates []Certificate `koanf:"certificates"`
	MaxFailures  int           `koanf:"max_failures" range:"1..100000" reload:"no"`
	FailuresPer  Seconds       `koanf:"failures_per" range:"1..86400" reload:"no"`
}

// OIDC says which issuer's tokens are believed, and what they make of their bearer.
type OIDC struct {
	Issuer      string   `koanf:"issuer" reload:"no"` // empty: nobody's
	Audience    []string `koanf:"audience" reload:"no" split:"commas"`
	NameClaim   string   `koanf:"name_claim" reload:"no"`
	RoleClaim   string   `koanf:"role_claim" reload:"no"`
	Admins      []string `koanf:"admins" reload:"no" split:"commas"`
	Callers     []string `koanf:"callers" reload:"no" split:"commas"`
	Viewers     []string `koanf:"viewers" reload:"no" split:"commas"`
	DefaultRole string   `koanf:"default_role" enum:"none,viewer,caller" reload:"no"`
	CAFile      string   `koanf:"ca_file" reload:"no"`
}

// Secret is a text that is never shown: it prints, and is written as JSON, as [Redacted].
type Secret string

// Redacted stands where a secret would.
const Redacted = "[redacted]"

// String hides the secret from %v and %s.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return Redacted
}

// GoString hides it from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides it from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Token is a credential of a client. Only its hash is kept, and that is not shown either: who has the hash
// can try tokens against it in peace.
type Token struct {
	Name         string   `koanf:"name"`
	SHA256       Secret   `koanf:"sha256"`
	Role         string   `koanf:"role" enum:"viewer,caller,admin"`
	Tools        []string `koanf:"tools"`
	RateRequests int      `koanf:"rate_requests" range:"0..1000000" zero:"unset"` // 0: as for others
	RatePer      Seconds  `koanf:"rate_per" range:"0..86400" zero:"unset"`        // 0: as for others
	Expires      string   `koanf:"expires" zero:"unset"`                          // RFC 3339; empty: never
}

// Certificate is a client that is known by the subject of its certificate.
type Certificate struct {
	Name         string   `koanf:"name"`
	Subject      string   `koanf:"subject"` // cn:, dns:, uri: or email:, and the exact text
	Role         string   `koanf:"role" enum:"viewer,caller,admin"`
	Tools        []string `koanf:"tools"`
	RateRequests int      `koanf:"rate_requests" range:"0..1000000" zero:"unset"`
	RatePer      Seconds  `koanf:"rate_per" range:"0..86400" zero:"unset"`
}

// Health says how the host looks after itself.
type Health struct {
	Enabled         bool     `koanf:"enabled"`
	CheckInterval   Seconds  `koanf:"check_interval" range:"1..3600"`
	Timeout         Seconds  `koanf:"timeout" range:"1..300"`
	CPUThreshold    float64  `koanf:"cpu_threshold" range:"1..100"`
	MemoryThreshold float64  `koanf:"memory_threshold" range:"1..100"`
	DiskThreshold   float64  `koanf:"disk_threshold" range:"1..100"`
	Dependencies    []string `koanf:"dependencies"`
}

// Metrics says where the Prometheus endpoint is.
type Metrics struct {
	Enabled        bool   `koanf:"enabled" reload:"no"`
	PrometheusPort int    `koanf:"prometheus_port" must:"0..65535" reload:"no"`
	PrometheusHost string `koanf:"prometheus_host" reload:"no"`
}

// Logging says what is logged, on stderr or into a file.
type Logging struct {
	Level       string `koanf:"level" enum:"DEBUG,INFO,WARN,WARNING,ERROR" letters:"any"`
	Format      string `koanf:"format" enum:"structured,simple" reload:"no"`
	FilePath    string `koanf:"file_path" reload:"no"`
	MaxFileSize int64  `koanf:"max_file_size" range:"4096..10737418240" reload:"no"`
	BackupCount int    `koanf:"backup_count" range:"0..1000" reload:"no"`
}

// What becomes of calls when the audit trail cannot be written.
const (
	AuditRefuse   = "refuse"   // they are refused
	AuditContinue = "continue" // they run, and leave no trace but in log and metrics
)

// Audit says how the trail of decisions is kept.
type Audit struct {
	Enabled     bool   `koanf:"enabled" reload:"no"`
	Dir         string `koanf:"dir" reload:"no"`
	MaxFileSize int64  `koanf:"max_file_size" range:"65536..10737418240" reload:"no"`
	MaxFiles    int    `koanf:"max_files" range:"0..100000" reload:"no"`
	Sync        string `koanf:"sync" enum:"always,interval,never" reload:"no"`
	OnFailure   string `koanf:"on_failure" enum:"refuse,continue" reload:"no"`
}

// Events bounds the stream of GET /events.
type Events struct {
	History    int `koanf:"history" range:"0..100000" reload:"no"`
	MaxStreams int `koanf:"max_streams" range:"1..10000" reload:"no"`
}

// MCP bounds what a model is given to read.
type MCP struct {
	MaxText int `koanf:"max_text" range:"4000..1000000"` // characters
}

// Executions bounds the calls that go on without their client, and what is kept of those that ended. Of
// MaxAge, MaxCount and MaxSize, the first that is reached counts.
type Executions struct {
	MaxAge              Seconds `koanf:"max_age" range:"60..31536000" reload:"no"`
	MaxCount            int     `koanf:"max_count" range:"10..100000" reload:"no"`
	MaxSize             int64   `koanf:"max_size" range:"1048576..10737418240" reload:"no"` // bytes
	MaxRunning          int     `koanf:"max_running" range:"1..1000" reload:"no"`
	MaxRunningPerClient int     `koanf:"max_running_per_client" range:"1..1000" reload:"no"`
}

// Each is what is set for one tool; nil fields are not set.
type Each struct {
	Enabled                  *bool    `koanf:"enabled"`
	Concurrency              *int     `koanf:"concurrency" range:"1..1000"`
	QueueLength              *int     `koanf:"queue_length" range:"0..10000"`
	DefaultTimeout           *Seconds `koanf:"default_timeout" range:"1..3600"`
	MaxTimeout               *Seconds `koanf:"max_timeout" range:"1..3600"`
	FailureThreshold         *int     `koanf:"failure_threshold" range:"1..10"`
	RecoveryTimeout          *Seconds `koanf:"recovery_timeout" range:"30..600"`
	HalfOpenSuccessThreshold *int     `koanf:"half_open_success_threshold" range:"1..10"`
	RecoveryMultiplier       *float64 `koanf:"recovery_multiplier" range:"1..10"`
	MaxRecoveryTimeout       *Seconds `koanf:"max_recovery_timeout" range:"30..3600"`
	RecoveryJitter           *float64 `koanf:"recovery_jitter" range:"0..0.5"`
	RateRequests             *int     `koanf:"rate_requests" range:"1..1000000"`
	RatePer                  *Seconds `koanf:"rate_per" range:"1..86400"`
}

// Default is the one table of defaults.
func Default() Config {
	return Config{
		Server: Server{
			Transport: "stdio", Host: "127.0.0.1", Port: 8080, MaxConnections: 100, MaxConnectionsPerClient: 90,
			MaxStreamsPerClient: 16, ShutdownGracePeriod: 30,
		},
		TLS: TLS{ClientAuth: ClientAuthOff},
		Security: Security{
			AllowIntrusive: IntrusiveNo, MaxNetworkSize: 1024, MaxPortRanges: 100, MaxArgsLength: 2048,
		},
		Scope: Scope{AllowLoopback: true, AllowedSuffixes: []string{"lab.internal"}},
		Tool:  Tool{DefaultTimeout: 300, DefaultConcurrency: 2, QueueLength: 16},
		Limits: Limits{
			MaxStdoutBytes: 1 << 20, MaxStderrBytes: 256 << 10, MaxMemoryMB: 512, MaxFileDescriptors: 256,
		},
		Sandbox: Sandbox{RunAs: "auto"},
		CircuitBreaker: CircuitBreaker{
			FailureThreshold: 5, RecoveryTimeout: 60, HalfOpenSuccessThreshold: 1, RecoveryMultiplier: 1.5,
			MaxRecoveryTimeout: 300, RecoveryJitter: 0.1,
		},
		RateLimit: RateLimit{Requests: 10, Per: 60, MaxClients: 1000},
		Plugins: Plugins{
			Launch: LaunchEager, IdleTimeout: 300, StartTimeout: 10, MaxRSS: 512, Trust: TrustDirectory,
			RescanInterval: 10, NoNewPrivs: NoNewPrivsAuto, Landlock: LandlockAuto,
		},
		Auth: Auth{Mode: AuthToken, MaxFailures: 30, FailuresPer: 60},
		OIDC: OIDC{NameClaim: "sub", DefaultRole: "none"},
		Health: Health{
			Enabled: true, CheckInterval: 30, Timeout: 10, CPUThreshold: 80, MemoryThreshold: 80, DiskThreshold: 80,
		},
		Metrics: Metrics{Enabled: true, PrometheusHost: "127.0.0.1"},
		Logging: Logging{Level: "INFO", Format: "structured", MaxFileSize: 10 << 20, BackupCount: 5},
		Audit: Audit{
			Enabled: true, MaxFileSize: 64 << 20, MaxFiles: 16, Sync: "interval", OnFailure: AuditRefuse,
		},
		Events: Events{History: 1024, MaxStreams: 32},
		MCP:    MCP{MaxText: 20_000},
		Executions: Executions{
			MaxAge: 7 * 24 * 3600, MaxCount: 1000, MaxSize: 256 << 20, MaxRunning: 64, MaxRunningPerClient: 16,
		},
	}
}
