package httpdoor

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/gorilla/mux"

	"github.com/gatehouse-mcp/gatehouse/host/internal/executions"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

const plainText = "text/plain; charset=utf-8"

// partPiece is how much of a part is in hand while it is written, in bytes.
const partPiece = 256 << 10

// maxOffset is the largest offset that is taken; no part is as long.
const maxOffset = 1 << 40

// readPart answers with a part of an execution, or a range of it. A range of the data is no JSON by itself, and
// goes as text.
func (d *Door) readPart(p executions.Part) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		offset, limit, bad := readRange(r)
		if bad != nil {
			d.refuse(w, r, http.StatusBadRequest, bad)
			return
		}
		c := &cutting{all: d.cfg.Executions(r.Context()), id: mux.Vars(r)["id"], part: p}
		if err := c.begin(offset, limit); err != nil {
			d.refuseExecution(w, r, err)
			return
		}
		media := plainText
		if p == executions.Data && c.whole() {
			media = "application/json"
		}
		c.tell(w.Header(), limit)
		begin(w, http.StatusOK, media)
		c.write(w)
	}
}

// readRange is what of a part is wanted; a limit of 0 is all of it.
func readRange(r *http.Request) (offset int64, limit int, bad *tool.Error) {
	q, bad := readQuery(r, "offset", "limit")
	if bad != nil {
		return 0, 0, bad
	}
	offset, bad = q.number("offset", 0, 0, maxOffset)
	if bad != nil {
		return 0, 0, bad
	}
	most, bad := q.number("limit", 0, 1, executions.MaxChunk)
	return offset, int(most), bad
}

// cutting is a range of a part on its way to a client.
type cutting struct {
	all  Executions
	id   string
	part executions.Part

	chunk executions.Chunk // the one in hand
	start int64            // where the range begins, and where it ends
	end   int64
}

// begin reads the first piece. A part only grows, so that all of what there is now can be read later.
func (c *cutting) begin(offset int64, limit int) (err error) {
	piece := limit
	if limit == 0 {
		piece = partPiece
	}
	if c.chunk, err = c.all.Read(c.id, c.part, offset, piece); err != nil {
		return err
	}
	if c.part == executions.Data && c.chunk.Total == 0 {
		return c.noData()
	}
	c.start, c.end = c.chunk.Offset, c.chunk.Next()
	if limit == 0 {
		c.end = c.chunk.Total
	}
	return nil
}

func (c *cutting) noData() error {
	e := tool.Errorf(tool.KindValidation, "execution %s has no data", c.id).With("reason", reasonNoData)
	when := ""
	if !c.chunk.Complete {
		when = "its data are there when it has ended; "
	}
	return e.Suggest("%sits output is at %s/%s/stdout", when, executionsPath, c.id)
}

// reasonNoData is in the metadata of the error of an execution that has none.
const reasonNoData = "no_data"

func (c *cutting) whole() bool { return c.start == 0 && c.end == c.chunk.Total }

// tell says in the headers what of the part it is, and where to go on.
func (c *cutting) tell(h http.Header, limit int) {
	h.Set("Content-Length", strconv.FormatInt(c.end-c.start, 10))
	h.Set("X-Offset", strconv.FormatInt(c.start, 10))
	h.Set("X-Next-Offset", strconv.FormatInt(c.end, 10))
	h.Set("X-Total-Bytes", strconv.FormatInt(c.chunk.Total, 10))
	h.Set("X-Complete", strconv.FormatBool(c.chunk.Complete))
	if c.end < c.chunk.Total {
		at := fmt.Sprintf("%s/%s/%s?offset=%d&limit=%d", executionsPath, c.id, c.part, c.end, limit)
		h.Set("Link", "<"+at+`>; rel="next"`)
	}
}

// write writes piece by piece. What fails on the way, as an execution that is forgotten meanwhile, leaves the
// answer shorter than it was said to be, which clients see.
func (c *cutting) write(w http.ResponseWriter) {
	for {
		if _, err := w.Write(c.chunk.Data); err != nil || c.chunk.Next() >= c.end {
			return
		}
		next := c.chunk.Next()
		var err error
		c.chunk, err = c.all.Read(c.id, c.part, next, int(min(c.end-next, partPiece)))
		if err != nil || len(c.chunk.Data) == 0 {
			return
		}
	}
}
