package command

import (
	"bytes"
	"io"

	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

// Reader makes a parsed result of what one run of a program prints. The bytes come from whatever the program
// talked to: bound everything, and believe nothing. Any function may be nil. Stdout, Stderr and Report run at
// the same time as each other, Data after they have ended.
type Reader struct {
	// Stdout gets the program's output in chunks, up to 4 MiB or what the caller asked for, whichever
	// is more.
	Stdout func(chunk []byte)
	// Stderr gets the program's complaints likewise.
	Stderr func(chunk []byte)
	// Report reads what the program writes to descriptor 3, up to the end. Its error is put into the
	// metadata.
	Report func(r io.Reader) error
	// Data returns the result, of the type of Definition.Output; nil: there is none. It is asked after
	// a run that failed or was cut short as well, for what came by then. An *sdk.Error makes the call
	// fail; another error is not the program's fault, and is put into the metadata.
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
