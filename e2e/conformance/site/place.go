package site

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// Place is where one host lives: its plugins, its state, its configuration.
type Place struct {
	// Spare is a second plugin, ready to be moved to Into, a path in the host's directory of plugins.
	Spare, Into string

	dir  string
	site *Site
	bell net.Listener
	done sync.WaitGroup // the goroutine that answers the bell
}

// Place makes a place with the fixture plugin in it. Its name is one of its own.
func (s *Site) Place(name string) (*Place, error) {
	p := &Place{site: s, dir: filepath.Join(s.Dir, name)}
	p.Spare, p.Into = filepath.Join(p.dir, "spare"), filepath.Join(p.plugins(), "spare")
	if err := os.MkdirAll(p.plugins(), 0o755); err != nil {
		return nil, fmt.Errorf("make the directory of plugins: %w", err)
	}
	for _, to := range []string{filepath.Join(p.plugins(), "conformance"), p.Spare} {
		if err := copyProgram(s.plugin, to); err != nil {
			return nil, err
		}
	}
	var err error
	if p.bell, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("hang up a bell: %w", err)
	}
	if err := os.WriteFile(p.config(), []byte(p.configuration()), 0o600); err != nil {
		p.bell.Close()
		return nil, fmt.Errorf("write the configuration: %w", err)
	}
	p.done.Go(p.answer)
	return p, nil
}

func (p *Place) plugins() string { return filepath.Join(p.dir, "plugins") }
func (p *Place) config() string  { return filepath.Join(p.dir, "gatehouse.yaml") }

// configuration is an ordinary one: on loopback, where nobody can be given a token, and with limits that let one
// client through that does everything, and leaves its streams open where it fails.
func (p *Place) configuration() string {
	return fmt.Sprintf(`auth: {mode: none}
server: {max_streams_per_client: 100}
rate_limit: {requests: 1000000, per: 1}
plugins: {config: {conformance: {bell: %q}}}
`, p.bell.Addr())
}

// answer moves the spare plugin in or out for everybody who rings, and hangs up.
func (p *Place) answer() {
	for in := false; ; in = !in {
		conn, err := p.bell.Accept()
		if err != nil {
			return // Close
		}
		from, to := p.Spare, p.Into
		if in {
			from, to = to, from
		}
		if err := os.Rename(from, to); err != nil {
			_, _ = conn.Write([]byte("!")) // who rang reports it
		}
		_ = conn.Close()
	}
}

// Close ends what Place has begun, and removes its files unless the site keeps them. The host has ended before.
func (p *Place) Close() {
	_ = p.bell.Close()
	p.done.Wait()
	if !p.site.cfg.Keep {
		_ = os.RemoveAll(p.dir) // below the site's directory, which goes too
	}
}

// Args are the host's, for a client that launches it; the host is [Place.Program].
func (p *Place) Args() []string { return []string{"--plugins-dir", p.plugins()} }

// Program is the path of the host.
func (p *Place) Program() string { return p.site.cfg.Host }

// Env is what a host is started with, and no more.
func (p *Place) Env() map[string]string {
	return map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": p.dir,
		"TMPDIR":         p.site.Dir, // a short one: the path of a plugin's socket begins with it
		"XDG_STATE_HOME": filepath.Join(p.dir, "state"), "MCP_CONFIG_FILE": p.config(),
	}
}

// Log is the path of the host's log.
func (p *Place) Log() string { return filepath.Join(p.dir, "host.log") }

// LastWords is the end of the host's log.
func (p *Place) LastWords() string {
	const few = 3000
	raw, err := os.ReadFile(p.Log())
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-few):])
}

// command starts the host of this place with more arguments, its log going to Log.
func (p *Place) command(args ...string) *exec.Cmd {
	cmd := exec.Command(p.Program(), append(args, p.Args()...)...)
	cmd.Dir = p.dir
	for name, value := range p.Env() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd
}
