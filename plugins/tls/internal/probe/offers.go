package probe

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"

	"github.com/gatehouse-mcp/gatehouse/plugins/tls/internal/hello"
	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// versions are asked for in this order.
var versions = []uint16{hello.TLS13, hello.TLS12, hello.TLS11, hello.TLS10, hello.SSL30}

func versionName(v uint16) string {
	switch v {
	case hello.TLS13, hello.TLS12, hello.TLS11, hello.TLS10:
		return fmt.Sprintf("TLS 1.%d", v-hello.TLS10)
	case hello.SSL30:
		return "SSL 3.0"
	}
	return fmt.Sprintf("0x%04X", v)
}

// maxSilent connections in a row without an answer are enough.
const maxSilent = 2

// offers finds out which versions are spoken, and which suites with each. chain is filled in where the
// handshake brought none: up to TLS 1.2 it is sent in the clear.
func (s *session) offers(chain *[][]byte) error {
	s.report.Protocols = make([]Protocol, len(versions))
	first := make([][]hello.Suite, len(versions))
	for i, v := range versions {
		p := &s.report.Protocols[i]
		p.Version = versionName(v)
		s.tell(float64(i+1)/float64(2*len(versions)+2), "asking for "+p.Version)
		if s.given() {
			p.Why, s.report.Complete = "not asked: nothing was answered before", false
			continue
		}
		chosen, err := s.ask(v, hello.Suites(v), chain)
		if err != nil {
			if over := s.over(); over != nil {
				return over
			}
			s.refusal(p, err)
			continue
		}
		s.report.TLS = true
		p.Offered, first[i] = true, []hello.Suite{chosen}
		p.Suites = described(first[i])
	}
	if s.in.Quick {
		return nil
	}
	return s.suites(first)
}

// given reports whether it is of no use to ask on.
func (s *session) given() bool {
	return s.silent >= maxSilent || !s.report.TLS && s.report.NotTLS != ""
}

// refusal notes why a version is not spoken.
func (s *session) refusal(p *Protocol, err error) {
	p.Why = why(err)
	var foreign *hello.NotTLSError
	if errors.As(err, &foreign) && !s.report.TLS {
		s.report.NotTLS = sdk.Untrusted(foreign.Begins)
		s.report.Failure = "the service does not speak TLS, or not at once"
	}
	if !refused(err) {
		s.report.Complete = false // nobody knows
	}
}

// refused reports whether this is how servers say no.
func refused(err error) bool {
	var alert *hello.Alert
	return errors.As(err, &alert) || closed(err) || errors.Is(err, hello.ErrOtherVersion)
}

// why says in words of our own how an offer was refused.
func why(err error) string {
	var alert *hello.Alert
	var foreign *hello.NotTLSError
	switch {
	case errors.As(err, &alert):
		return alert.Error()
	case errors.As(err, &foreign):
		return "the answer is no TLS"
	case isTimeout(err):
		return "no answer in time"
	case closed(err):
		return "the connection was closed"
	}
	return err.Error()
}

func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

// ask makes one offer, and says what was chosen of it. chain is filled in where it is empty; nil: nobody
// wants it.
func (s *session) ask(version uint16, suites []hello.Suite, chain *[][]byte) (chosen hello.Suite, err error) {
	offer := hello.Offer{Version: version, Suites: suites, ServerName: s.report.ServerName}
	err = s.on(func(conn net.Conn) error {
		if _, err := conn.Write(offer.Record()); err != nil {
			return err
		}
		r := hello.NewReader(conn)
		answer, err := r.ServerHello()
		if err != nil {
			return err
		}
		if version < hello.TLS13 && chain != nil && len(*chain) == 0 {
			*chain, _ = r.Certificates() // what came of it by then
		}
		chosen, err = offer.Check(answer)
		return err
	})
	s.count(err)
	return chosen, err
}

// suites finds out all suites of the versions that are spoken.
func (s *session) suites(first [][]hello.Suite) error {
	for i, v := range versions {
		p := &s.report.Protocols[i]
		if !p.Offered {
			continue
		}
		if err := s.enumerate(v, p, first[i], 0.5+float64(i)/float64(2*len(versions))); err != nil {
			return err
		}
	}
	return nil
}

// enumerate offers what was not chosen yet, until the server refuses.
func (s *session) enumerate(v uint16, p *Protocol, chosen []hello.Suite, part float64) error {
	for {
		s.tell(part, fmt.Sprintf("%s: %d cipher suites so far", p.Version, len(chosen)))
		rest := slices.DeleteFunc(hello.Suites(v), func(x hello.Suite) bool { return slices.Contains(chosen, x) })
		if len(rest) == 0 {
			p.Complete = true
			break
		}
		next, err := s.ask(v, rest, nil)
		if over := s.over(); over != nil {
			return over
		}
		if err != nil {
			if p.Complete = refused(err); !p.Complete {
				p.Why, s.report.Complete = "not all suites were found out: "+why(err), false
			}
			break
		}
		chosen = append(chosen, next)
		p.Suites = described(chosen)
	}
	return s.order(v, p, chosen)
}

// order finds out whose preference decides: what was chosen first is offered last. A server may prefer yet
// another one then, such as by groups; it goes by the client's order when it takes what stands first.
func (s *session) order(v uint16, p *Protocol, chosen []hello.Suite) error {
	if len(chosen) < 2 || !p.Complete {
		return nil
	}
	backwards := slices.Clone(chosen)
	slices.Reverse(backwards)
	got, err := s.ask(v, backwards, nil)
	if over := s.over(); over != nil {
		return over
	}
	if err == nil {
		own := got != backwards[0]
		p.ServerOrder = &own
	}
	return nil
}

func described(suites []hello.Suite) []Suite {
	list := make([]Suite, len(suites))
	for i, x := range suites {
		list[i] = Suite{Name: x.Name, ID: fmt.Sprintf("0x%04X", x.ID), Weak: weakness(x.Name)}
	}
	return list
}
