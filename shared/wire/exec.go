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
	maxFiles     = 16
)

func execToPB(e tool.Exec) *toolpb.CallResponse {
	e = boundedExec(e)
	pb := &toolpb.Exec{Program: e.Program, Argv: e.Argv}
	for _, f := range e.Files {
		pb.Files = append(pb.Files, &toolpb.File{Path: f.Path, Sha256: f.SHA256})
	}
	return &toolpb.CallResponse{Kind: &toolpb.CallResponse_Exec{Exec: pb}}
}

func execFromPB(pb *toolpb.Exec) *tool.Exec {
	e := tool.Exec{Program: pb.GetProgram(), Argv: pb.GetArgv()}
	for _, f := range pb.GetFiles() {
		e.Files = append(e.Files, tool.File{Path: f.GetPath(), SHA256: f.GetSha256()})
	}
	e = boundedExec(e)
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
	for _, f := range e.Files[:min(len(e.Files), maxFiles)] {
		out.Files = append(out.Files, tool.File{Path: cut(text(f.Path), maxProgram), SHA256: cut(text(f.SHA256), 64)})
	}
	return out
}
