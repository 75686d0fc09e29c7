package executions

import (
	"database/sql"
	"errors"
	"strings"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// find reads the row of an execution.
func (s *store) find(id string) (look, error) {
	var doc []byte
	var l look
	err := s.reader.QueryRow(`select doc, boot from executions where id = ?`, id).Scan(&doc, &l.boot)
	if errors.Is(err, sql.ErrNoRows) {
		return l, errAbsent
	}
	if err != nil {
		return l, err
	}
	l.x, err = decodeDoc(doc)
	return l, err
}

// report reads the report of one that has ended, without its texts.
func (s *store) report(id string) (tool.Report, error) {
	var raw []byte
	err := s.reader.QueryRow(`select report from executions where id = ?`, id).Scan(&raw)
	if errors.Is(err, sql.ErrNoRows) || err == nil && raw == nil {
		return tool.Report{}, errAbsent
	}
	if err != nil {
		return tool.Report{}, err
	}
	return decodeReport(raw)
}

// read reads the bytes of a part within a range, all of which were there a moment ago.
func (s *store) read(id string, n part, from, to int64) ([]byte, error) {
	rows, err := s.reader.Query(`select start, size, packed, data from chunks
		where n = (select n from executions where id = ?1) and part = ?2 and start < ?4
		and start >= ?3 - ?5 and start + size > ?3 order by start`, id, int(n), from, to, blockSize)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // what went wrong is in Err
	var text []byte
	var first int64
	for rows.Next() {
		var start int64
		var size int
		var packed bool
		var data sql.RawBytes
		if err := rows.Scan(&start, &size, &packed, &data); err != nil {
			return nil, err
		}
		if text == nil {
			first = start
		}
		if text, err = unpack(text, data, packed, size); err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if first > from || first+int64(len(text)) < to {
		return nil, errAbsent // it was deleted meanwhile
	}
	return text[from-first : to-first], nil
}

// list reads the executions that match, the newest first, without those of seen.
func (s *store) list(f *Filter, most int, seen map[string]bool) (list []Execution, err error) {
	query, args := f.query()
	rows, err := s.reader.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close() // what went wrong is in Err
	for len(list) < most && rows.Next() {
		var id string
		var doc sql.RawBytes
		if err := rows.Scan(&id, &doc); err != nil {
			return nil, err
		}
		if seen[id] {
			continue
		}
		if x, err := decodeDoc(doc); err == nil { // one that nobody can read hides no other
			list = append(list, x)
		}
	}
	return list, rows.Err()
}

func (f *Filter) query() (query string, args []any) {
	var where []string
	add := func(wanted bool, condition string, value any) {
		if wanted {
			where, args = append(where, condition), append(args, value)
		}
	}
	add(true, "id < ?", f.before())
	add(f.Client != "", "client = ?", f.Client)
	add(f.Tool != "", "tool = ?", f.Tool)
	add(f.State != "", "state = ?", string(f.State))
	add(f.Target != "", "instr(targets, ?) > 0", "\n"+f.Target+"\n")
	add(strings.Contains(f.Target, "\n"), "?", false) // it would be several
	return `select id, doc from executions where ` + strings.Join(where, " and ") + ` order by id desc`, args
}

// before is greater than every id where there is no cursor.
func (f *Filter) before() string {
	if f.Before == "" {
		return "~"
	}
	return f.Before
}

// pid is the process of a host, or 0.
func (s *store) pid(boot string) (pid int, err error) {
	err = s.reader.QueryRow(`select pid from hosts where boot = ?`, boot).Scan(&pid)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return pid, err
}
