package executions

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"time"
)

// sweep makes what dead hosts ran interrupted.
func (s *store) sweep(ctx context.Context, now time.Time) error {
	dir := filepath.Dir(s.path)
	unlock, err := lockDir(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	boots, err := s.others(ctx)
	if err != nil {
		return err
	}
	locks, err := filepath.Glob(bootLock(dir, "*"))
	if err != nil {
		return err
	}
	for _, lock := range locks { // hosts of a database that was moved away are in no table
		boots = append(boots, strings.TrimSuffix(filepath.Base(lock), filepath.Ext(lock)))
	}
	for _, boot := range boots {
		if boot == s.boot {
			continue
		}
		gone, err := dead(dir, boot)
		if err == nil && gone {
			err = s.bury(ctx, boot, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// others are the boot ids of the other hosts that the database knows.
func (s *store) others(ctx context.Context) (boots []string, err error) {
	rows, err := s.writer.QueryContext(ctx, `select boot from hosts where boot <> ?1
		union select boot from executions where finished is null and boot <> ?1`, s.boot)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // what went wrong is in Err
	for rows.Next() {
		var boot string
		if err := rows.Scan(&boot); err != nil {
			return nil, err
		}
		boots = append(boots, boot)
	}
	return boots, rows.Err()
}

// bury makes what a dead host ran interrupted. Its last sign of life is the last that it wrote.
func (s *store) bury(ctx context.Context, boot string, now time.Time) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	left, err := leftBy(tx, boot)
	if err != nil {
		return err
	}
	for _, l := range left {
		if err := l.interrupt(tx, now); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(`delete from hosts where boot = ?`, boot); err != nil {
		return err
	}
	return tx.Commit()
}

type leftover struct {
	n, touched int64
	x          Execution
	unreadable bool
}

// interrupt writes that an execution ended with its host. What nobody can read is deleted.
func (l leftover) interrupt(tx *sql.Tx, now time.Time) error {
	l.x.interrupt(time.Unix(0, min(l.touched, now.UnixNano())).UTC())
	doc, err := encodeDoc(l.x)
	if err != nil || l.unreadable {
		_, err = tx.Exec(`delete from executions where n = ?`, l.n)
		return err
	}
	_, err = tx.Exec(`update executions set state = ?, finished = ?, doc = ?, bytes = octet_length(?) +
		(select ifnull(sum(length(data)), 0) from chunks where chunks.n = executions.n) where n = ?`,
		string(Interrupted), l.x.Finished.UnixNano(), string(doc), string(doc), l.n)
	return err
}

func leftBy(tx *sql.Tx, boot string) (left []leftover, err error) {
	rows, err := tx.Query(`select n, touched, doc from executions where boot = ? and finished is null`, boot)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // what went wrong is in Err
	for rows.Next() {
		var l leftover
		var doc []byte
		if err := rows.Scan(&l.n, &l.touched, &doc); err != nil {
			return nil, err
		}
		l.x, err = decodeDoc(doc)
		l.unreadable = err != nil
		left = append(left, l)
	}
	return left, rows.Err()
}
