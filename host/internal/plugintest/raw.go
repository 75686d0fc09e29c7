package plugintest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/wire"
)

// raw is a plugin that the tester has executed itself, without what package proc hides: its standard
// streams, the line of its handshake, its connection. Nothing is taken from it but the host's environment.
type raw struct {
	pid     int
	dir     string    // of its socket
	started time.Time // when it was executed
	side    hostSide

	lifeline       *os.File      // the host's end of its stdin
	stdout, stderr *recorder     // what it has written
	done           chan struct{} // closed when it has ended
	state          *os.ProcessState

	line handshake
	conn *grpc.ClientConn
	tap  *tap
	rpc  *wire.Client
}

// start says in what a start differs from a host's.
type start struct {
	cookie   string // in the place of the magic cookie
	stranger bool   // with that cookie, or without any
	versions string // of the protocol, that are offered; "": the one that there is
}

// execute starts a process. Close it.
func (s *subject) execute(o start) (*raw, error) {
	side, err := newHostSide()
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	dir, err := os.MkdirTemp(s.dir, "p")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	r := &raw{dir: dir, side: side, done: make(chan struct{}), stdout: newRecorder(), stderr: newRecorder()}
	cmd := &exec.Cmd{
		Path: s.cfg.Path, Args: []string{s.cfg.Path}, Dir: dir, SysProcAttr: ownSession(), Env: s.environ(o, r),
	}
	if err := r.run(cmd); err != nil {
		_ = os.RemoveAll(dir) // made a moment ago
		return nil, fmt.Errorf("execute %s: %w", s.cfg.Path, err)
	}
	return r, nil
}

// environ is the environment that a host gives a plugin.
func (s *subject) environ(o start, r *raw) []string {
	if o.versions == "" {
		o.versions = fmt.Sprint(wire.ProtocolVersion)
	}
	env := append(proc.DefaultEnv(), "HOME="+r.dir, "TMPDIR="+r.dir, "GATEHOUSE_PLUGIN_FILE="+s.cfg.Path,
		"PLUGIN_MIN_PORT=0", "PLUGIN_MAX_PORT=0", "PLUGIN_PROTOCOL_VERSIONS="+o.versions,
		"PLUGIN_CLIENT_CERT="+r.side.pem, "PLUGIN_UNIX_SOCKET_DIR="+r.dir)
	switch {
	case !o.stranger:
		o.cookie = wire.CookieValue
	case o.cookie == "":
		return env
	}
	return append(env, wire.CookieKey+"="+o.cookie)
}

// run starts the command with pipes in the places of its standard streams.
func (r *raw) run(cmd *exec.Cmd) error {
	var pipes [6]*os.File
	for i := 0; i < len(pipes); i += 2 {
		var err error
		if pipes[i], pipes[i+1], err = os.Pipe(); err != nil {
			closeAll(pipes[:i]...)
			return err
		}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pipes[0], pipes[3], pipes[5]
	r.lifeline = pipes[1]
	began := make(chan error)
	go r.live(cmd, began, pipes[2], pipes[4])
	err := <-began
	closeAll(pipes[0], pipes[3], pipes[5]) // the process has its own
	if err != nil {
		closeAll(pipes[1], pipes[2], pipes[4])
	}
	return err
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // pipes: nothing is lost
	}
}

// lastWords is how long the streams of an ended process are read on, which a descendant may hold open for
// ever.
const lastWords = 200 * time.Millisecond

// live is the life of the process, on a thread of its own: the kernel ends the process with the thread that
// forked it.
func (r *raw) live(cmd *exec.Cmd, began chan<- error, stdout, stderr *os.File) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.started = time.Now()
	if err := cmd.Start(); err != nil {
		began <- err
		return
	}
	r.pid = cmd.Process.Pid
	var readers sync.WaitGroup
	readers.Go(func() { r.stdout.read(stdout) })
	readers.Go(func() { r.stderr.read(stderr) })
	began <- nil
	_ = cmd.Wait() // how it ended is in its state
	r.state = cmd.ProcessState
	end := time.Now().Add(lastWords)
	_ = stdout.SetReadDeadline(end) // pipes take deadlines
	_ = stderr.SetReadDeadline(end)
	readers.Wait()
	closeAll(stdout, stderr)
	close(r.done)
}

// shake waits for the handshake and reads it.
func (r *raw) shake(ctx context.Context, limit time.Duration) error {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-r.stdout.line:
	case <-r.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return fmt.Errorf("no line on stdout within %s of the start%s", limit, r.said())
	}
	line, ok := r.stdout.firstLine()
	if !ok {
		return fmt.Errorf("it ended before the handshake: %s%s", r.how(), r.said())
	}
	var err error
	r.line, err = parseHandshake(line, r.dir)
	return err
}

// how says how the process ended.
func (r *raw) how() string {
	select {
	case <-r.done:
		return r.state.String()
	default:
		return "it runs"
	}
}

// said is the last line on stderr, to stand at the end of a message.
func (r *raw) said() string {
	if text := r.stderr.last(); text != "" {
		return fmt.Sprintf("; it said %q", clip(text, 160))
	}
	return ""
}

// dial makes a connection, of a caller with a certificate or without any.
func (r *raw) dial(own ...tls.Certificate) (*grpc.ClientConn, error) {
	secure := insecure.NewCredentials()
	if r.line.certificate != nil {
		secure = credentials.NewTLS(toPlugin(r.line.certificate, own...))
	}
	to := func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", r.line.socket)
	}
	options := append(wire.DialOptions(), grpc.WithContextDialer(to), grpc.WithTransportCredentials(secure))
	return grpc.NewClient("passthrough:///"+wire.CertificateName, options...)
}

// connect shakes hands, and makes the connection of a host.
func (r *raw) connect(ctx context.Context) error {
	if err := r.shake(ctx, startLimit); err != nil {
		return err
	}
	var err error
	if r.conn, err = r.dial(r.side.pair); err != nil {
		return err
	}
	r.tap = &tap{ClientConn: r.conn}
	r.rpc = wire.NewClient(r.tap)
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return r.ready(ctx)
}

// ready waits until the connection stands.
func (r *raw) ready(ctx context.Context) error {
	for {
		switch state := r.conn.GetState(); state {
		case connectivity.Ready:
			return nil
		case connectivity.TransientFailure, connectivity.Shutdown:
			_, err := r.rpc.Describe(ctx) // says why
			return fmt.Errorf("no connection to its socket: %w", err)
		default:
			r.conn.Connect()
			if !r.conn.WaitForStateChange(ctx, state) {
				return fmt.Errorf("no connection to its socket: %w", context.Cause(ctx))
			}
		}
	}
}

// shutdown asks the process to end, as a host does.
func (r *raw) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	return r.conn.Invoke(ctx, "/plugin.GRPCController/Shutdown", new(emptypb.Empty), new(emptypb.Empty))
}

// ends waits for the end of the process.
func (r *raw) ends(ctx context.Context, limit time.Duration) bool {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-r.done:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// close kills the process and its group, if they live, and waits for it.
func (r *raw) close() {
	if r.conn != nil {
		_ = r.conn.Close() // nothing is under way
	}
	_ = syscall.Kill(-r.pid, syscall.SIGKILL) // it may have ended
	<-r.done
	_ = r.lifeline.Close() // may be closed already
	_ = os.RemoveAll(r.dir)
}

// maxRecorded is how much is kept of what a process writes; the rest is counted.
const maxRecorded = 64 << 10

// recorder keeps the beginning of what a process writes.
type recorder struct {
	line chan struct{} // closed at the end of the first line

	mu    sync.Mutex // guards what follows
	text  []byte
	total int64
	once  sync.Once
}

func newRecorder() *recorder { return &recorder{line: make(chan struct{})} }

func (r *recorder) read(from io.Reader) {
	chunk := make([]byte, 4<<10)
	for {
		n, err := from.Read(chunk)
		r.add(chunk[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) || err != nil {
			return
		}
	}
}

func (r *recorder) add(chunk []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total += int64(len(chunk))
	r.text = append(r.text, chunk[:min(len(chunk), maxRecorded-len(r.text))]...)
	if bytes.IndexByte(r.text, '\n') >= 0 || len(r.text) == maxRecorded {
		r.once.Do(func() { close(r.line) })
	}
}

// firstLine is the first line, without its end.
func (r *recorder) firstLine() (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line, _, whole := bytes.Cut(r.text, []byte("\n"))
	return string(line), whole
}

// more is what came after the first line, and how many bytes that were.
func (r *recorder) more() (text string, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line, rest, _ := bytes.Cut(r.text, []byte("\n"))
	return string(rest), max(r.total-int64(len(line))-1, 0)
}

// last is the last line of what was kept.
func (r *recorder) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(r.text), []byte("\n"))
	return string(lines[len(lines)-1])
}
