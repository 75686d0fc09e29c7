package executions

import (
	"context"
	"iter"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Viewer is who looks at executions. The zero Viewer sees none.
type Viewer struct {
	Client string // sees its own; empty: none
	All    bool   // sees those of everybody
}

func (v Viewer) sees(x *Execution) bool { return v.All || v.Client != "" && x.Client == v.Client }

// Window is what one viewer sees of a [Book]. Whatever belongs to another client is not there: the error is
// that of an id that never was. The methods are those of the book.
type Window struct {
	book   *Book
	viewer Viewer
}

// For returns what a viewer sees.
func (b *Book) For(v Viewer) Window { return Window{book: b, viewer: v} }

// Get is [Book.Get].
func (w Window) Get(id string) (Execution, error) {
	x, err := w.book.Get(id)
	if err != nil {
		return Execution{}, err
	}
	if !w.viewer.sees(&x) {
		return Execution{}, noSuch(x.ID)
	}
	return x, nil
}

// Report is [Book.Report].
func (w Window) Report(id string) (tool.Report, error) {
	if _, err := w.Get(id); err != nil {
		return tool.Report{}, err
	}
	return w.book.Report(id)
}

// Read is [Book.Read].
func (w Window) Read(id string, p Part, offset int64, limit int) (Chunk, error) {
	if _, err := w.Get(id); err != nil {
		return Chunk{}, err
	}
	return w.book.Read(id, p, offset, limit)
}

// List is [Book.List]. Of a viewer who does not see all, Filter.Client is the viewer's.
func (w Window) List(f Filter) ([]Execution, string, error) {
	if !w.viewer.All {
		if w.viewer.Client == "" || f.Client != "" && f.Client != w.viewer.Client {
			return nil, "", f.complete()
		}
		f.Client = w.viewer.Client
	}
	return w.book.List(f)
}

// Wait is [Book.Wait].
func (w Window) Wait(ctx context.Context, id string) (Execution, error) {
	if x, err := w.Get(id); err != nil {
		return x, err
	}
	return w.book.Wait(ctx, id)
}

// Follow is [Book.Follow].
func (w Window) Follow(ctx context.Context, id string, from Position) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		if _, err := w.Get(id); err != nil {
			yield(Update{Position: from}, err)
			return
		}
		w.book.Follow(ctx, id, from)(yield)
	}
}

// Cancel is [Book.Cancel].
func (w Window) Cancel(id string, why error) error {
	if _, err := w.Get(id); err != nil {
		return err
	}
	return w.book.Cancel(id, why)
}

// Delete is [Book.Delete].
func (w Window) Delete(id string) error {
	if _, err := w.Get(id); err != nil {
		return err
	}
	return w.book.Delete(id)
}

// RecentTargets is [Book.RecentTargets], of the viewer's own calls.
func (w Window) RecentTargets(n int) []string {
	if w.viewer.Client == "" {
		return nil
	}
	return w.book.RecentTargets(w.viewer.Client, n)
}
