// Package config turns flags, environment and file into one validated [Config] value. After [Load] returned
// nil nothing in it can be out of range; nobody else reads the environment or the file.
//
// What is said more closely wins: flags over environment over file over the defaults of [Default]. The
// settings of one tool come from its own section of the file, else from what the tool says of itself, else
// from the host's defaults.
//
//	cfg, err := config.Load(config.Source{Environ: os.Environ()})
package config

import (
	"time"
)

// Seconds is a duration as the file and the environment write it.
type Seconds float64

// Duration converts to a duration.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// Config is everything that can be set.
type Config struct {
	Server         Server          `koanf:"server"`
	Security       Security        `koanf:"security"`
	Scope          Scope           `koanf:"scope"`
	Tool           Tool            `koanf:"tool"`
	Limits         Limits          `koanf:"limits"`
	CircuitBreaker CircuitBreaker  `koanf:"circuit_breaker"`
	RateLimit      RateLimit       `koanf:"rate_limit"`
	Plugins        Plugins         `koanf:"plugins"`
	Auth           Auth            `koanf:"auth"`
	Metrics        Metrics         `koanf:"metrics"`
	Logging        Logging         `koanf:"logging"`
	Tools          map[string]Each `koanf:"tools"` // tool name -> its own settings
}

// Server says which door is open, and where.
type Server struct {
	Transport           string  `koanf:"transport"` // stdio or http
	Host                string  `koanf:"host"`      // address to listen on
	Port                int     `koanf:"port"`      // 0: any free one
	MaxConnections      int     `koanf:"max_connections"`
	ShutdownGracePeriod Seconds `koanf:"shutdown_grace_period"` // for calls in flight
	StateDir            string  `koanf:"state_dir"`             // empty: the user's state directory
}

// Security is the policy that plugins apply.
type Security struct {
	AllowIntrusive bool `koanf:"allow_intrusive"`
	MaxNetworkSize int  `koanf:"max_network_size"` // addresses
	MaxPortRanges  int  `koanf:"max_port_ranges"`  // items of one port list
	MaxArgsLength  int  `koanf:"max_args_length"`  // bytes of extra_args
}

// Scope says which targets may be touched, beside the networks of RFC 1918.
type Scope struct {
	AllowLoopback   bool                `koanf:"allow_loopback"`
	AllowedSuffixes []string            `koanf:"allowed_suffixes"`
	Hosts           map[string][]string `koanf:"hosts"` // name -> addresses, before DNS is asked
}

// Tool is what holds for a tool that says nothing of its own.
type Tool struct {
	DefaultTimeout     Seconds  `koanf:"default_timeout"`
	DefaultConcurrency int      `koanf:"default_concurrency"`
	Include            []string `koanf:"include"` // names or globs; empty: all
	Exclude            []string `koanf:"exclude"`
}

// Limits bound what a tool's process may use and print.
type Limits struct {
	MaxStdoutBytes     int64 `koanf:"max_stdout_bytes"`
	MaxStderrBytes     int64 `koanf:"max_stderr_bytes"`
	MaxMemoryMB        int   `koanf:"max_memory_mb"` // MiB of address space
	MaxFileDescriptors int   `koanf:"max_file_descriptors"`
}

// CircuitBreaker is what holds for a tool that says nothing of its own.
type CircuitBreaker struct {
	FailureThreshold int     `koanf:"failure_threshold"` // consecutive failures
	RecoveryTimeout  Seconds `koanf:"recovery_timeout"`
}

// RateLimit is the token bucket of each client and tool.
type RateLimit struct {
	Requests   int     `koanf:"requests"`
	Per        Seconds `koanf:"per"`
	MaxClients int     `koanf:"max_clients"` // buckets kept
}

// Plugins says where plugins are found and how they are started.
type Plugins struct {
	Dirs         []string `koanf:"dirs"` // empty: plugins/ beside the executable
	StartTimeout Seconds  `koanf:"start_timeout"`
}

// The modes of Auth.
const (
	AuthToken = "token"
	AuthNone  = "none" // possible on loopback only
)

// Auth says who may come in over HTTP.
type Auth struct {
	Mode   string  `koanf:"mode"`   // token or none
	Tokens []Token `koanf:"tokens"` // empty: one is generated into the state directory
}

// Token is a credential of a client. Only its hash is kept.
type Token struct {
	Name   string   `koanf:"name"`   // of the client
	SHA256 string   `koanf:"sha256"` // of the token, 64 hexadecimal digits
	Role   string   `koanf:"role"`   // viewer, caller or admin; empty: caller
	Tools  []string `koanf:"tools"`  // names or globs; empty: all
}

// Metrics switches the Prometheus endpoint.
type Metrics struct {
	Enabled bool `koanf:"enabled"`
}

// Logging says what is logged, on stderr.
type Logging struct {
	Level  string `koanf:"level"`  // DEBUG, INFO, WARN or ERROR
	Format string `koanf:"format"` // structured (JSON) or simple
}

// Each is what is set for one tool; nil fields are not set.
type Each struct {
	Enabled          *bool    `koanf:"enabled"`
	Concurrency      *int     `koanf:"concurrency"`
	DefaultTimeout   *Seconds `koanf:"default_timeout"`
	MaxTimeout       *Seconds `koanf:"max_timeout"`
	FailureThreshold *int     `koanf:"failure_threshold"`
	RecoveryTimeout  *Seconds `koanf:"recovery_timeout"`
	RateRequests     *int     `koanf:"rate_requests"`
	RatePer          *Seconds `koanf:"rate_per"`
}

// Default is the one table of defaults.
func Default() Config {
	return Config{
		Server: Server{
			Transport: "stdio", Host: "127.0.0.1", Port: 8080, MaxConnections: 100, ShutdownGracePeriod: 30,
		},
		Security:       Security{MaxNetworkSize: 1024, MaxPortRanges: 100, MaxArgsLength: 2048},
		Scope:          Scope{AllowLoopback: true, AllowedSuffixes: []string{"lab.internal"}},
		Tool:           Tool{DefaultTimeout: 300, DefaultConcurrency: 2},
		Limits:         Limits{MaxStdoutBytes: 1 << 20, MaxStderrBytes: 256 << 10, MaxMemoryMB: 512, MaxFileDescriptors: 256},
		CircuitBreaker: CircuitBreaker{FailureThreshold: 5, RecoveryTimeout: 60},
		RateLimit:      RateLimit{Requests: 10, Per: 60, MaxClients: 1000},
		Plugins:        Plugins{StartTimeout: 10},
		Auth:           Auth{Mode: AuthToken},
		Metrics:        Metrics{Enabled: true},
		Logging:        Logging{Level: "INFO", Format: "structured"},
	}
}
