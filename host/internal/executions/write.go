package executions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// write writes pages, and deletes rows of what is no more, all or nothing.
func (s *store) write(ctx context.Context, d due) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	w, err := newPen(tx, s)
	if err != nil {
		return err
	}
	for i := range d.pages {
		if err := w.page(&d.pages[i]); err != nil {
			return fmt.Errorf("execution %s: %w", d.pages[i].x.ID, err)
		}
	}
	for _, id := range d.orphans {
		if _, err := tx.Exec(`delete from executions where id = ?`, id); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// pen writes within a transaction, which closes its statements.
type pen struct {
	pack       *packer
	boot       string
	now        int64
	row, chunk *sql.Stmt
	clear      *sql.Stmt
	size       *sql.Stmt
}

func newPen(tx *sql.Tx, s *store) (*pen, error) {
	w := &pen{pack: &s.pack, boot: s.boot, now: time.Now().UnixNano()}
	for _, p := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&w.row, `insert into executions
			(id, boot, state, detached, client, tool, targets, finished, touched, bytes, doc, report)
			values (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)
			on conflict (id) do update set boot = excluded.boot, state = excluded.state,
			finished = excluded.finished, touched = excluded.touched, doc = excluded.doc,
			report = excluded.report
			where executions.finished is null or excluded.finished is not null returning n`},
		{&w.chunk, `insert or replace into chunks (n, part, start, size, packed, data)
			values (?, ?, ?, ?, ?, ?)`},
		{&w.clear, `delete from chunks where n = ?`},
		{&w.size, `update executions set bytes = octet_length(doc) + ifnull(octet_length(report), 0) +
			(select ifnull(sum(length(data)), 0) from chunks where chunks.n = executions.n) where n = ?`},
	} {
		st, err := tx.Prepare(p.sql)
		if err != nil {
			return nil, err
		}
		*p.to = st
	}
	return w, nil
}

// page writes one execution. The chunks of one that runs are added to those that are there. Of one that runs,
// but that another host has found dead, nothing is written until its end, which then takes the place of that
// one: a reader may see an end become a better one, but never what has ended run again.
func (w *pen) page(p *page) error {
	n, err := w.head(p)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	if p.from == [2]int64{} {
		if _, err := w.clear.Exec(n); err != nil {
			return err
		}
	}
	end := p.x.State.Ended()
	if err := w.parts(n, p, end); err != nil || !end {
		return err
	}
	_, err = w.size.Exec(n)
	return err
}

// head writes the row, and returns its number.
func (w *pen) head(p *page) (n int64, err error) {
	x := &p.x
	doc, err := encodeDoc(*x)
	if err != nil {
		return 0, err
	}
	var report, finished any // null
	if x.State.Ended() {
		finished = x.Finished.UnixNano()
		raw, err := encodeReport(p.entry)
		if err != nil {
			return 0, err
		}
		if raw != nil {
			report = string(raw)
		}
	}
	err = w.row.QueryRow(x.ID, w.boot, string(x.State), x.class(), x.Client, x.Tool, targetList(x), finished,
		w.now, string(doc), report).Scan(&n)
	return n, err
}

func (w *pen) parts(n int64, p *page, end bool) error {
	for s := range p.out {
		if err := w.blocks(n, s, p.from[s], p.out[s], end); err != nil {
			return err
		}
	}
	if !end {
		return nil
	}
	return w.blocks(n, int(dataPart), 0, p.entry.result.Data, true)
}

// blocks writes a text from a place on.
func (w *pen) blocks(n int64, part int, start int64, text []byte, pack bool) error {
	for len(text) > 0 {
		size := min(len(text), blockSize)
		data, packed := text[:size], false
		if pack {
			var err error
			if data, packed, err = w.pack.pack(data); err != nil {
				return err
			}
		}
		if _, err := w.chunk.Exec(n, part, start, size, packed, data); err != nil {
			return err
		}
		start, text = start+int64(size), text[size:]
	}
	return nil
}

// remove deletes an execution that has ended, and reports whether there was one.
func (s *store) remove(ctx context.Context, id string) (found bool, err error) {
	r, err := s.writer.ExecContext(ctx, `delete from executions where id = ? and finished is not null`, id)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// retain deletes what is too old or too much, the oldest end first, and returns what is left.
func (s *store) retain(ctx context.Context, l Limits, now time.Time) (room, error) {
	oldest := now.Add(-l.MaxAge).UnixNano()
	if _, err := s.writer.ExecContext(ctx, `delete from executions where finished < ?`, oldest); err != nil {
		return room{}, err
	}
	r, err := s.room(ctx)
	if err != nil {
		return r, err
	}
	if _, over := l.victim(r); !over {
		return r, nil
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return r, err
	}
	defer tx.Rollback() // after a commit it does nothing
	if r, err = makeRoom(tx, l, r); err != nil {
		return r, err
	}
	return r, tx.Commit()
}

// room is what the executions that have ended take.
func (s *store) room(ctx context.Context) (room, error) {
	var r room
	rows, err := s.writer.QueryContext(ctx, `select detached, count(*), sum(bytes) from executions
		where finished is not null group by detached`)
	if err != nil {
		return r, err
	}
	defer rows.Close() // what went wrong is in Err
	for rows.Next() {
		var class, n int
		var bytes int64
		if err := rows.Scan(&class, &n, &bytes); err != nil {
			return r, err
		}
		r.add(class&1, n, bytes)
	}
	return r, rows.Err()
}

func makeRoom(tx *sql.Tx, l Limits, r room) (room, error) {
	oldest, err := tx.Prepare(`delete from executions where n = (select n from executions
		where detached = ? and finished is not null order by finished limit 1) returning bytes`)
	if err != nil {
		return r, err
	}
	for {
		class, over := l.victim(r)
		if !over {
			return r, nil
		}
		var bytes int64
		if err := oldest.QueryRow(class).Scan(&bytes); err != nil {
			return r, err
		}
		r.add(class, -1, -bytes)
	}
}

// Bounds of the free pages of the file, of 4 KiB.
const (
	freePages = 256  // that are left for what comes
	dropPages = 4096 // that are given back at a time
)

// tidy gives what the file has too much back to the system.
func (s *store) tidy(ctx context.Context) error {
	var free int
	if err := s.writer.QueryRowContext(ctx, `select freelist_count from pragma_freelist_count`).Scan(&free); err != nil {
		return err
	}
	if free <= freePages {
		return nil
	}
	vacuum := fmt.Sprintf(`pragma incremental_vacuum(%d)`, min(free-freePages, dropPages))
	if _, err := s.writer.ExecContext(ctx, vacuum); err != nil {
		return err
	}
	// The file is cut when the log is copied into it. Who reads at the moment keeps that from being done; it
	// is no matter.
	_, err := s.writer.ExecContext(ctx, `pragma wal_checkpoint(truncate)`)
	return err
}
