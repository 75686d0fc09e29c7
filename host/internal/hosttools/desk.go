package hosttools

import (
	"context"
	"sync"

	"github.com/gatehouse-mcp/gatehouse/host/internal/excerpt"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// desk is where searches wait for their turn: one of each client runs at a time, and so many of all. Who asks
// for many at once so waits for itself, and not others for it.
type desk struct {
	places chan struct{} // holds one for each search that runs

	mu      sync.Mutex
	clients map[string]*visits // client -> its searches, while it has any
}

// visits are the searches of one client.
type visits struct {
	turn chan struct{} // holds one while a search runs, or waits for a place
	all  int           // those that wait for their turn too
}

func newDesk() *desk {
	return &desk{places: make(chan struct{}, maxSearches), clients: make(map[string]*visits)}
}

// enter waits until a search of the client may run. It is over with leave.
func (d *desk) enter(ctx context.Context, client string) (leave func(), err error) {
	v, err := d.register(client)
	if err != nil {
		return nil, err
	}
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		d.gone(client, v)
		return nil, context.Cause(ctx)
	}
	select {
	case d.places <- struct{}{}:
	case <-ctx.Done():
		<-v.turn
		d.gone(client, v)
		return nil, context.Cause(ctx)
	}
	return func() {
		<-d.places
		<-v.turn
		d.gone(client, v)
	}, nil
}

func (d *desk) register(client string) (*visits, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.clients[client]
	if v == nil {
		v = &visits{turn: make(chan struct{}, 1)}
		d.clients[client] = v
	}
	if v.all > maxWaiting {
		return nil, crowded(client, v.all)
	}
	v.all++
	return v, nil
}

func (d *desk) gone(client string, v *visits) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.all--; v.all == 0 {
		delete(d.clients, client)
	}
}

func crowded(client string, all int) *tool.Error {
	e := tool.Errorf(tool.KindOverloaded, "%d searches of %s run or wait; one runs at a time, and %d more "+
		"may wait", all, excerpt.Clean(client), maxWaiting).
		Suggest("wait for the answers to those, then search again; one pattern such as a|b finds both")
	e.RetryAfter = maxSearch
	return e
}
