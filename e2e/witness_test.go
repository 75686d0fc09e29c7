package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// witness is who says what WitnessTool prints, and when it has ended.
type witness struct {
	t *testing.T
	l *net.TCPListener
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return &witness{t, l.(*net.TCPListener)}
}

// arguments are those of a call that meets the witness, and prints so many lines; 0: nobody knows.
func (w *witness) arguments(lines int) string {
	return fmt.Sprintf(`{"witness":%q,"lines":%d}`, w.l.Addr(), lines)
}

// run is one run of WitnessTool.
type run struct {
	t    *testing.T
	conn net.Conn
}

// meet waits for the next run.
func (w *witness) meet() run {
	w.t.Helper()
	if err := w.l.SetDeadline(time.Now().Add(patience)); err != nil {
		w.t.Fatal(err)
	}
	conn, err := w.l.Accept()
	if err != nil {
		w.t.Fatalf("the tool does not run: %v", err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	return run{w.t, conn}
}

// say has it print a line.
func (r run) say(line string) {
	r.t.Helper()
	if _, err := io.WriteString(r.conn, line+"\n"); err != nil {
		r.t.Fatalf("the tool does not listen any more: %v", err)
	}
}

// hangUp has it end well.
func (r run) hangUp() { _ = r.conn.Close() }

// ended waits for its end, and returns the moment.
func (r run) ended() time.Time {
	r.t.Helper()
	if err := r.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		r.t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, r.conn); errors.Is(err, os.ErrDeadlineExceeded) {
		r.t.Fatal("the tool does not end")
	}
	return time.Now()
}
