package manifests

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

// BenchmarkFind is the start of a lazy host with 100 plugins: Open, and a Find for each. Their schemas are as
// large as nmap's. Most of the time goes into Validate.
func BenchmarkFind(b *testing.B) {
	for _, tools := range []int{1, 10} {
		b.Run(fmt.Sprint("tools=", tools), func(b *testing.B) { benchmarkFind(b, large(tools)) })
	}
}

func large(tools int) tool.Manifest {
	m := manifest("large")
	s := m.Tools[0]
	s.InputSchema = json.RawMessage(`{"type": "object", "properties": {` +
		strings.Repeat(`"p": {"type": "string", "description": "one of many arguments"}, `, 50) + `"host": {}}}`)
	m.Tools = nil
	for i := range tools {
		s.Name = fmt.Sprint("Tool", i)
		m.Tools = append(m.Tools, s)
	}
	return m
}

func benchmarkFind(b *testing.B, m tool.Manifest) {
	dir, bin := b.TempDir(), b.TempDir()
	c := open(b, dir)
	var programs []program
	for i := range 100 {
		p := newProgram(b, filepath.Join(bin, fmt.Sprint(i)), fmt.Sprint(i))
		keep(b, c, p, m)
		programs = append(programs, p)
	}
	for b.Loop() {
		c, err := Open(dir)
		must(b, err)
		for _, p := range programs {
			if _, _, ok := c.Find(p.path, p.stamp); !ok {
				b.Fatal("a warm cache missed")
			}
		}
	}
}
