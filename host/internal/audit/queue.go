package audit

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// job is a line on its way into the file.
type job struct {
	encoder // its members

	event    Event
	class    class
	from, to time.Time // when it came; two times when it sums up several
	count    int64     // lines that it stands for

	done atomic.Bool // set when err says what became of it; then the writer does not touch it any more
	err  error
}

// jobs are used again; their members are made outside of the lock.
var jobs = sync.Pool{New: func() any { return &job{encoder: encoder{b: make([]byte, 0, 2048)}} }}

// newJob makes the line of an entry.
func newJob(e *Entry) *job {
	j := jobs.Get().(*job)
	j.b, j.cut, j.err = j.b[:0], nil, nil
	j.event, j.class, j.from, j.to, j.count = e.Event, e.Event.class(), e.Time, e.Time, 1
	j.done.Store(false)
	j.entry(e)
	return j
}

func (j *job) free() {
	if cap(j.b) <= 16<<10 { // large ones are rare, and not worth their memory
		jobs.Put(j)
	}
}

// queue is the lines of those who wait while another writes. Whoever gets Trail.writing next writes them all
// at once: for many of them the disk is asked once.
type queue struct {
	mu   sync.Mutex // guards jobs; never held during a write
	jobs []*job     // in the order in which they came

	batch []*job   // guarded by Trail.writing, like lines
	lines [][]byte // members of batch
}

func (q *queue) add(more ...*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, more...)
}

func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs) == 0
}

// take takes the next batch out.
func (q *queue) take() {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.jobs), maxBatch)
	q.batch = append(q.batch[:0], q.jobs[:n]...)
	q.jobs = slices.Delete(q.jobs, 0, n)
}

// put brings lines into the file, or into what waits. It returns when each of them says what became of it.
func (t *Trail) put(all ...*job) {
	t.queue.add(all...)
	last := &all[len(all)-1].done // they are taken in order
	runtime.Gosched()             // who is about to append too comes with this batch
	if last.Load() {
		return
	}
	t.writing.Lock()
	changed, err := false, error(nil)
	for !last.Load() { // the first batch has it nearly always
		now, cause := t.writeBatch()
		changed, err = changed != now, cause
	}
	t.writing.Unlock()
	if changed {
		t.cfg.Changed(err)
	}
}

// writeBatch writes what is in the queue, after what waits in memory. Each line that could not be written is
// treated as its event asks.
func (t *Trail) writeBatch() (changed bool, err error) {
	q := &t.queue
	q.take()
	q.lines = q.lines[:0]
	for _, j := range q.batch {
		q.lines = append(q.lines, j.b)
	}
	if t.closed {
		for _, j := range q.batch {
			j.err = ErrClosed
		}
	} else {
		changed, err = t.write(q.batch, q.lines)
	}
	for _, j := range q.batch {
		j.done.Store(true) // from here on it is another's
	}
	clear(q.batch)
	clear(q.lines)
	return changed, err
}

// write writes a batch, and notes with each line what became of it.
func (t *Trail) write(batch []*job, lines [][]byte) (changed bool, err error) {
	written := 0
	if err = t.settle(); err == nil {
		written, err = t.chain.add(lines)
	}
	for i, j := range batch {
		switch {
		case i >= written:
			j.err = t.pending.take(j, err)
		case errors.Is(err, errNotSynced):
			j.err = err
		}
	}
	return t.publish(err), err
}
