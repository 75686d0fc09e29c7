package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	slowClients = 500             // connections that never come to the end of a header
	slowRounds  = 5               // each a time without them and a time with them; the median counts
	slowPause   = time.Second     // between two bytes of one, and before one that was closed comes back
	slowTime    = 2 * time.Second // of calls on each side
)

// measureSlow sets a client that works beside many that only hold connections against the same client alone.
func measureSlow(ctx context.Context, s *site) ([]row, error) {
	h, err := s.startHTTP(ctx, s.lab)
	if err != nil {
		return nil, err
	}
	defer h.close()
	kept, err := besideSlow(ctx, h, h.noop)
	if err != nil {
		return nil, fmt.Errorf("one connection: %w", err)
	}
	fresh, err := besideSlow(ctx, h, h.freshNoop)
	if err != nil {
		return nil, fmt.Errorf("a connection for each call: %w", err)
	}
	return []row{
		slowRow("one connection", kept), slowRow("a connection for each call", fresh),
	}, nil
}

func slowRow(how string, ratios []float64) row {
	m := median(ratios)
	return row{
		what: fmt.Sprintf("no-op beside %d slow connections : alone, median latency, %s", slowClients, how),
		got:  fmt.Sprintf("%.2fx", m), spread: fmt.Sprintf("%.2f..%.2f", slices.Min(ratios), slices.Max(ratios)),
		aim: "<= 2x", reached: atMost(2).verdict(m),
	}
}

func besideSlow(ctx context.Context, h *httpHost, call subject) (ratios []float64, err error) {
	for range slowRounds {
		alone, err := medianLatency(ctx, call, slowTime)
		if err != nil {
			return nil, err
		}
		stop, err := h.holdSlow(ctx)
		if err != nil {
			return nil, err
		}
		beside, err := medianLatency(ctx, call, slowTime)
		stop()
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, beside/alone)
	}
	return ratios, nil
}

// freshNoop calls the no-op over a connection of its own.
func (h *httpHost) freshNoop(ctx context.Context, text string) error {
	_, body, err := post(ctx, h.url+"/tools/NoopTool/execute", http.Header{
		"Authorization": {"Bearer " + h.token}, "Content-Type": {"application/json"}, "Connection": {"close"},
	}, `{"text":"`+text+`"}`)
	if err != nil {
		return err
	}
	return expect(body, noopData(text), `"error":null`)
}

// holdSlow opens the slow connections, and opens each again that is closed, until stop is called.
func (h *httpHost) holdSlow(ctx context.Context) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var all, opened sync.WaitGroup
	address := strings.TrimPrefix(h.url, "http://")
	for range slowClients {
		opened.Add(1)
		all.Go(func() {
			first := sync.OnceFunc(opened.Done)
			defer first()
			for ctx.Err() == nil {
				dripHeader(ctx, address, first)
			}
		})
	}
	opened.Wait()
	return func() {
		cancel()
		all.Wait()
	}, ctx.Err()
}

// dripHeader sends a header without an end until the host has had enough.
func dripHeader(ctx context.Context, address string, opened func()) {
	tick := time.NewTicker(slowPause)
	defer tick.Stop()
	wait := func() bool {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
			return true
		}
	}
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	opened()
	if err != nil {
		wait()
		return
	}
	defer c.Close()
	_, err = c.Write([]byte("GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "))
	for err == nil && wait() {
		_, err = c.Write([]byte("x"))
	}
}
