package cookbook

import (
	"strings"

	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/command"
	"github.com/gatehouse-mcp/gatehouse/sdk/sandbox"
)

type spiderOutput struct {
	Status sdk.Untrusted `json:"status" jsonschema:"the server's status line; empty: it gave none"`
}

// SpiderTool asks with wget(1) whether a page is there. wget wants a URL, not a host.
var SpiderTool = command.New(command.Definition{
	Definition: sdk.Definition{
		Name: "SpiderTool", Description: "Asks a web server whether a page is there, without reading it.",
		Annotations: sdk.Annotations{ReadOnly: true, OpenWorld: true},
		Needs:       []sdk.Need{{Kind: sdk.NeedCapability, Name: "CAP_NET_RAW", Optional: true}},
	},
	Program: command.Program{Name: "wget", MinVersion: "1.20", Install: "apt-get install wget"},
	Target:  command.OneHost,
	Flags: []command.Flag{
		{Name: "--tries", Value: command.Int(1, 3), Default: "1", Write: command.Equals, About: "how often to try"},
		{Name: "--header", Value: command.Text(command.Alphanumeric+" :;,./=-", 200), Repeatable: true,
			Write: command.Equals, About: "a header to send"},
		{Name: "--user-agent", Value: command.Text(command.Alphanumeric+" ./()-", 100), Write: command.Equals,
			Conflicts: []string{"--header"}, About: "what to say it is"},
		{Name: "--output-document", Aliases: []string{"-O"}, Refused: "it writes a file"},
	},
	Fields: []command.Field{{Name: "headers", Flag: "--header"}},
	Templates: []command.Template{
		{Name: "patient", Flags: "--tries=3", About: "for a server that is slow to wake"},
	},
	Input: []command.Property{
		{Name: "path", Value: command.Text(command.Alphanumeric+"/._-", 200)},
	},
	Fixed: []string{"--no-config", "--spider", "--server-response", "--max-redirect=0", "--timeout=10"},
	Operands: func(j *command.Job) []string {
		path, _ := j.Value("path")
		return []string{"--", "http://" + j.Target.Literal() + "/" + strings.TrimPrefix(path.Text, "/")}
	},
	Output: spiderOutput{},
	Open: func(*command.Job, func(sdk.Progress)) command.Reader {
		var out spiderOutput
		return command.Reader{
			Stderr: command.Lines(1<<10, func(line string) { // wget tells there, indented by two blanks
				if text := strings.TrimSpace(line); out.Status == "" && strings.HasPrefix(text, "HTTP/") {
					out.Status = sdk.Untrusted(text)
				}
			}),
			Data: func(sandbox.Outcome) (any, error) { return out, nil },
		}
	},
})
