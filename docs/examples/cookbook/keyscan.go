package cookbook

import (
	"strings"
	"time"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

type keys struct {
	Keys []key `json:"keys" jsonschema:"host keys that the host offers"`
}

type key struct {
	Type sdk.Untrusted `json:"type" jsonschema:"algorithm, such as ssh-ed25519"`
	Key  sdk.Untrusted `json:"key" jsonschema:"the public key, base64"`
}

// KeyscanTool reads the SSH host keys of one host with ssh-keyscan(1).
var KeyscanTool = command.New(command.Definition{
	Definition: sdk.Definition{
		Name:           "KeyscanTool",
		Description:    "Reads the SSH host keys of one host. No key is an ordinary result.",
		Annotations:    sdk.Annotations{ReadOnly: true, OpenWorld: true},
		DefaultTimeout: 30 * time.Second,
	},
	Program: command.Program{Name: "ssh-keyscan", Install: "apt-get install openssh-client"},
	Target:  command.OneHost,
	Flags: []command.Flag{
		{Name: "-p", Value: command.Int(1, 65535), About: "port"},
		{Name: "-T", Value: command.Int(1, 60), Default: "5", About: "seconds to wait for an answer"},
		{Name: "-t", Value: command.Enum("rsa", "ecdsa", "ed25519"), About: "type of key"},
		{Name: "-f", Refused: "it reads targets from a file; the target is an argument of its own"},
		{Name: "-D", Refused: "its output is not read here"},
	},
	Getopt: &command.Getopt{Short: "46cDHqvf:O:p:T:t:"}, // ssh-keyscan.c, getopt(3)
	Fields: []command.Field{{Name: "port", Flag: "-p"}, {Name: "type", Flag: "-t"}},
	Fixed:  []string{"-4"},
	Output: keys{},
	Open:   readKeys,
})

func readKeys(_ *command.Job, progress func(sdk.Progress)) command.Reader {
	found := keys{Keys: []key{}}
	return command.Reader{
		Stdout: command.Lines(16<<10, func(line string) {
			f := strings.Fields(line)
			if len(f) != 3 || f[0] == "#" || len(found.Keys) == 32 {
				return // a comment, or more than any host has
			}
			found.Keys = append(found.Keys, key{Type: sdk.Untrusted(f[1]), Key: sdk.Untrusted(f[2])})
			progress(sdk.Progress{Task: "ssh-keyscan", Percent: -1, Done: int64(len(found.Keys))})
		}),
		Data: func(sandbox.Outcome) (any, error) { return found, nil },
	}
}
