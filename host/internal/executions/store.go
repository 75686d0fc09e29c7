package executions

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"modernc.org/sqlite"
)

const (
	fileName      = "executions.db"
	schemaVersion = 1
	applicationID = 0x47486578      // "GHex": what the file is, for file(1) and for us
	busyTimeout   = 5 * time.Second // of what writes; a context may end it before
	readTimeout   = time.Second     // of what reads, which waits for a host that mends the log at most
	maxReaders    = 4
)

// schema is that of version 1. A row of executions is one JSON document with what is asked for beside it;
// chunks are what it printed (part 0 and 1), and its parsed result (2). While an execution runs, a chunk is
// what was printed within a second; when it has ended there, its parts are in blocks, deflated where that is
// shorter.
const schema = `
create table hosts (
	boot    text primary key,
	pid     integer not null,
	started integer not null -- Unix time in ns
) strict, without rowid;
create table executions (
	n        integer primary key,
	id       text not null unique,
	boot     text not null,    -- of the host that ran it
	state    text not null,
	detached integer not null,
	client   text not null,
	tool     text not null,
	targets  text not null,    -- each between line feeds
	finished integer,          -- Unix time in ns; null: it has not ended
	touched  integer not null, -- likewise: the last write
	bytes    integer not null, -- what it takes, outputs and all
	doc      text not null,    -- JSON: record
	report   text              -- JSON: storedReport; null: it has not ended, or was interrupted
) strict;
create index by_end on executions (detached, finished, bytes) where finished is not null;
create index alive on executions (boot) where finished is null;
create index by_client on executions (client, id);
create table chunks (
	n      integer not null references executions on delete cascade,
	part   integer not null,
	start  integer not null,
	size   integer not null, -- bytes of it, inflated
	packed integer not null, -- 1: data is deflated
	data   blob not null,
	primary key (n, part, start)
) strict, without rowid;
`

// store is the database in a directory.
type store struct {
	path string
	boot string
	lock *os.File    // of this host, locked for its life
	file os.FileInfo // of the database when it was opened

	announced bool // there is a row of this host; it and lock are guarded by Book.flushing

	moved string // where a corrupt one was moved to make place for this; empty: there was none

	writer *sql.DB // one connection
	reader *sql.DB // which cannot write

	writing sync.Mutex // guards pack
	pack    packer

	suspect atomic.Bool // a reader found it corrupt
}

var errCorrupt = errors.New("the database of executions is corrupt")

// isCorrupt reports whether an error says that a file is no database, or a broken one.
func isCorrupt(err error) bool {
	const corrupt, notADB = 11, 26 // https://www.sqlite.org/rescode.html
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()&0xff == corrupt || e.Code()&0xff == notADB
	}
	return errors.Is(err, errCorrupt)
}

// openStore opens the database in a directory, or makes one. Hosts do it one after another. One that is
// corrupt is moved aside.
func openStore(ctx context.Context, dir, boot string) (*store, error) {
	if err := prepareDir(dir); err != nil {
		return nil, err
	}
	unlock, err := lockDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, err := openLocked(ctx, dir, boot)
	if !isCorrupt(err) {
		return s, err
	}
	moved, failed := rename(dir, time.Now())
	if failed != nil {
		return nil, errors.Join(err, failed)
	}
	if s, err = openLocked(ctx, dir, boot); err == nil {
		s.moved = moved
	}
	return s, err
}

func openLocked(ctx context.Context, dir, boot string) (*store, error) {
	s := &store{path: filepath.Join(dir, fileName), boot: boot}
	var err error
	if s.lock, err = holdBoot(dir, boot); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", s.path, err), s.close())
	}
	return s, nil
}

// open writes nothing into a database that is there: it can be read when it is locked, or the disk full.
func (s *store) open(ctx context.Context) error {
	if err := makeFile(s.path); err != nil {
		return err
	}
	var err error
	if s.file, err = os.Stat(s.path); err != nil {
		return err
	}
	if s.writer, err = connect(s.path, "_txlock=immediate", busyTimeout, 1); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	s.reader, err = connect(s.path, "_query_only=1", readTimeout, maxReaders)
	return err
}

// connect makes a pool of connections. Nothing is opened yet. A connection writes nothing when it is opened:
// what a file has for its life (the log, the kind of vacuum) is not in here, for SQLite takes the lock of a
// writer to look after it.
func connect(path, more string, patience time.Duration, most int) (*sql.DB, error) {
	timeout := fmt.Sprintf("_busy_timeout=%d", patience.Milliseconds())
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: timeout +
		"&_synchronous=full&_foreign_keys=1" +
		"&_defensive=1&_dqs=0&_error_rc=1&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)" +
		"&_pragma=secure_delete(fast)&_pragma=journal_size_limit(4194304)&" + more}
	c, err := sqlite.NewConnector(dsn.String())
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(most)
	db.SetMaxIdleConns(most)
	return db, nil
}

// makeFile makes the file of the database, for nobody else to read, where there is none; SQLite gives what
// it puts beside it the same mode. A file that is there is not opened: closing it would give back the locks
// that other connections of this process have on it.
func makeFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err == nil {
		return f.Close()
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is no regular file; take it away")
	}
	if info.Mode().Perm()&0o077 != 0 {
		return os.Chmod(path, 0o600)
	}
	return nil
}

// prepareDir makes the directory, and refuses one into which others can write.
func prepareDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the state directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("open the state directory: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("the state directory %s belongs to user %d; type: chown %d %s",
			dir, st.Uid, os.Geteuid(), dir)
	}
	mode := info.Mode().Perm()
	if mode&0o022 != 0 {
		return fmt.Errorf("others may write into %s (mode %04o); type: chmod go-w %s", dir, mode, dir)
	}
	switch err := unix.Access(dir, unix.W_OK|unix.X_OK); {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("user %d may not write into the state directory %s (mode %04o); type: chmod u+rwx %s",
			os.Geteuid(), dir, mode, dir)
	case err != nil: // a file system that is read only
		return fmt.Errorf("the state directory %s cannot be written: %w", dir, err)
	}
	return nil
}

// migrate makes the tables of a new database, and refuses one that is not ours or comes from a newer version.
// The directory is locked, so that nobody else does it at the same time.
func (s *store) migrate(ctx context.Context) error {
	var version, application, tables int
	var journal string
	err := s.writer.QueryRowContext(ctx, `select (select user_version from pragma_user_version),
		(select application_id from pragma_application_id), (select count(*) from sqlite_schema),
		(select journal_mode from pragma_journal_mode)`).Scan(&version, &application, &tables, &journal)
	switch {
	case err != nil:
		return err
	case tables > 0 && application != applicationID:
		return errors.New("it is the database of another program; move it away")
	case version > schemaVersion:
		return fmt.Errorf("it has schema %d, and this version of Gatehouse knows %d at most; "+
			"update Gatehouse, or move the file away", version, schemaVersion)
	case version == schemaVersion && journal == "wal":
		return nil
	}
	// The kind of vacuum can be chosen only before there is a page, and the log only outside a transaction.
	_, err = s.writer.ExecContext(ctx, `pragma auto_vacuum = incremental; pragma journal_mode = wal`)
	if err != nil || version == schemaVersion {
		return err
	}
	return s.makeTables(ctx)
}

func (s *store) makeTables(ctx context.Context) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	_, err = tx.Exec(schema + fmt.Sprintf("pragma user_version = %d; pragma application_id = %d;",
		schemaVersion, applicationID))
	if err != nil {
		return err
	}
	return tx.Commit()
}

// inPlace reports whether the database is still the file at its path.
func (s *store) inPlace() bool {
	now, err := os.Stat(s.path)
	return err == nil && os.SameFile(now, s.file)
}

// leave closes the database and says that this host is no more. It has nothing that runs. Where there is no
// time left to say so, other hosts find its lock gone.
func (s *store) leave(ctx context.Context) error {
	var errs []error
	if s.inPlace() && ctx.Err() == nil {
		_, err := s.writer.ExecContext(ctx, `delete from hosts where boot = ?`, s.boot)
		errs = append(errs, err)
	}
	errs = append(errs, s.close())
	if err := os.Remove(bootLock(filepath.Dir(s.path), s.boot)); !errors.Is(err, fs.ErrNotExist) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// close gives everything back; the file of the lock stays.
func (s *store) close() error {
	var errs []error
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}
