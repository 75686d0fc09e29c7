package command

import (
	"bytes"
	"io"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Reader makes a parsed result of what a program prints during one call. The bytes come from whatever the
// program talked to: bound everything, and believe nothing. Any function may be nil. Stdout, Stderr and
// Report run at the same time as each other, Data after they have ended.
type Reader struct {
	// Stdout gets the program's output in chunks, up to 4 MiB of each run or what the caller asked for, whichever
	// is more.
	Stdout func(chunk []byte)
	// Stderr gets the program's complaints likewise.
	Stderr func(chunk []byte)
	// Next is told that another run begins, of which number (2, 3, ...): what comes from now on is its output.
	// The output of the run before has been read to its end then. See Definition.Again.
	Next func(run int)
	// Report reads what the program writes to descriptor 3, up to the end; once for each run. Its error is put
	// into the metadata.
	Report func(r io.Reader) error
	// Data returns the result, of the type of Definition.Output; nil: there is none. It is asked once, after the
	// last run, also after one that failed or was cut short, for what came by then. The outcome is that of the
	// last run, with the bytes and times of all of them. An *sdk.Error makes the call fail; another error is not
	// the program's fault, and is put into the metadata.
	Data func(o sandbox.Outcome) (any, error)
}

// Lines makes a Reader.Stdout that calls f for each line, without its end. Of a line longer than most
// bytes only the beginning is kept.
func Lines(most int, f func(line string)) func(chunk []byte) {
	var line []byte
	keep := func(part []byte) { line = append(line, part[:min(len(part), most-len(line))]...) }
	return func(chunk []byte) {
		for {
			end := bytes.IndexByte(chunk, '\n')
			if end < 0 {
				keep(chunk)
				return
			}
			keep(chunk[:end])
			f(string(line))
			line, chunk = line[:0], chunk[end+1:]
		}
	}
}
