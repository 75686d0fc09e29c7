package plugintest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Peers are what samples may call: servers on ports of 127.0.0.1 that a sample names by a word in braces,
// as a part of a text, or as the whole of it, which then becomes a number.
//
//	{{silent_port}}  TCP: accepts, and never says a word
//	{{flood_port}}   TCP: an answer of HTTP whose body has no end, also to who does not ask
//	{{http_port}}    HTTP: says "hello" at every path
//	{{https_port}}   the same over TLS, with a certificate for localhost that nobody has signed
//	{{dns_port}}     DNS over UDP: every name has the address 127.0.0.1
type Peers struct {
	ports map[string]int // word -> port

	running sync.WaitGroup
	closers []io.Closer
}

// OpenPeers starts the servers. Close them.
func OpenPeers(ctx context.Context) (*Peers, error) {
	p := &Peers{ports: make(map[string]int)}
	side, err := newHostSide()
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{side.pair}, MinVersion: tls.VersionTLS12}
	for name, serve := range map[string]func(net.Listener){
		"silent_port": p.silence,
		"flood_port":  p.flood,
		"http_port":   hello,
		"https_port":  func(l net.Listener) { hello(tls.NewListener(l, secure)) },
	} {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp4", "127.0.0.1:0")
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		p.ports[name] = l.Addr().(*net.TCPAddr).Port
		p.closers = append(p.closers, l)
		p.running.Go(func() { serve(l) })
	}
	packets, err := new(net.ListenConfig).ListenPacket(ctx, "udp4", "127.0.0.1:0")
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("open dns_port: %w", err)
	}
	p.ports["dns_port"] = packets.LocalAddr().(*net.UDPAddr).Port
	p.closers = append(p.closers, packets)
	p.running.Go(func() { answerNames(packets) })
	return p, nil
}

// Close ends the servers.
func (p *Peers) Close() {
	for _, c := range p.closers {
		_ = c.Close() // a listener: nothing is lost
	}
	p.running.Wait()
}

// silence accepts, and holds what it has accepted until it is closed.
func (p *Peers) silence(l net.Listener) { p.hold(l, func(net.Conn) {}) }

// flood talks to whoever it has accepted, for as long as it is held.
func (p *Peers) flood(l net.Listener) { p.hold(l, chatter) }

// chatter writes lines until nobody takes them any more.
func chatter(c net.Conn) {
	_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n")
	for lines := strings.Repeat("a line of a flood\n", 1<<10); err == nil; {
		_, err = io.WriteString(c, lines)
	}
	_ = c.Close() // it is gone
}

// hold accepts, and has each connection served until the listener is closed.
func (p *Peers) hold(l net.Listener, serve func(net.Conn)) {
	var held []net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		held = append(held, c)
		p.running.Go(func() { serve(c) })
	}
	for _, c := range held {
		_ = c.Close() // nothing that is said to it counts
	}
}

func hello(l net.Listener) {
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "hello\n") // who has gone need not hear it
		}),
		ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0),
	}
	_ = server.Serve(l) // until it is closed
	_ = server.Close()
}

// answerNames gives every name one address.
func answerNames(c net.PacketConn) {
	buf := make([]byte, 512)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if reply, err := answerName(buf[:n]); err == nil {
			_, _ = c.WriteTo(reply, from) // UDP: it may be lost
		}
	}
}

func answerName(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	m.Response, m.Authoritative, m.RecursionAvailable = true, true, true
	m.Additionals = nil
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA && q.Class == dnsmessage.ClassINET {
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			})
		}
	}
	return m.Pack()
}

// fill puts the ports in the places of their words. Without peers words stay as they are.
func (p *Peers) fill(args json.RawMessage) (json.RawMessage, error) {
	if p == nil || !bytes.Contains(args, []byte("{{")) {
		return args, nil
	}
	var pairs []string
	for word, port := range p.ports {
		place := "{{" + word + "}}"
		pairs = append(pairs, `"`+place+`"`, strconv.Itoa(port))
	}
	for word, port := range p.ports {
		pairs = append(pairs, "{{"+word+"}}", strconv.Itoa(port))
	}
	filled := strings.NewReplacer(pairs...).Replace(string(args))
	if strings.Contains(filled, "{{") {
		return nil, fmt.Errorf("%s: known words are {{silent_port}}, {{flood_port}}, {{http_port}}, "+
			"{{https_port}} and {{dns_port}}", clip(filled, 100))
	}
	return json.RawMessage(filled), nil
}
