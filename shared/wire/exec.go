package wire

import (
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/shared/internal/toolpb"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// Limits of what is told of an execution: more than any tool needs, and little enough to be kept for ever.
const (
	maxArgv      = 4096      // items
	maxArgvBytes = 128 << 10 // in all
	maxProgram   = 4096      // bytes, as the kernel has it
)

func execToPB(e tool.Exec) *toolpb.CallResponse {
	e = boundedExec(e)
	return &toolpb.CallResponse{Kind: &toolpb.CallResponse_Exec{
		Exec: &toolpb.Exec{Program: e.Program, Argv: e.Argv},
	}}
}

func execFromPB(pb *toolpb.Exec) *tool.Exec {
	e := boundedExec(tool.Exec{Program: pb.GetProgram(), Argv: pb.GetArgv()})
	return &e
}

// boundedExec repairs and bounds what is told of an execution. Where something is left out the last item says
// so: a trail that is cut must not look whole.
func boundedExec(e tool.Exec) tool.Exec {
	out := tool.Exec{Program: cut(text(e.Program), maxProgram)}
	room := maxArgvBytes
	for i, arg := range e.Argv {
		note := fmt.Sprintf("(%d more arguments were left out)", len(e.Argv)-i)
		last := i == len(e.Argv)-1
		arg = text(arg)
		need, items := len(arg), 1
		if !last { // room for the note stays
			need, items = need+len(note), 2
		}
		if need > room || len(out.Argv)+items > maxArgv {
			out.Argv = append(out.Argv, note)
			break
		}
		out.Argv = append(out.Argv, arg)
		room -= len(arg)
	}
	return out
}
