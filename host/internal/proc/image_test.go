package proc_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/hosttest"
	"github.com/gatehouse-mcp/gatehouse/host/internal/proc"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestStartRefusesFiles(t *testing.T) {
	dir := hosttest.Dir(t)
	write := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	echo := hosttest.Install(t, dir, "echo")
	zeros := strings.Repeat("00", 32)
	type cfg = proc.Config
	for name, row := range map[string]struct {
		cfg  cfg
		want string
		is   error // in the chain
	}{
		"a file that is not executable":   {cfg{Path: write("a", "x", 0o600)}, "is not executable", nil},
		"a file that is no program":       {cfg{Path: write("b", "MZ", 0o700)}, "not a program", proc.ErrUnusable},
		"a script that names nothing":     {cfg{Path: write("c", "#!/x\n", 0o700)}, "the interpreter", nil},
		"a file with another checksum":    {cfg{Path: echo, SHA256: zeros}, "not 000000000000", proc.ErrChanged},
		"a file with half a checksum":     {cfg{Path: echo, SHA256: "zz"}, "not hex", nil},
		"a file with a short checksum":    {cfg{Path: echo, SHA256: "00"}, "not hex", nil},
		"a file that is not there":        {cfg{Path: dir + "/f", SHA256: zeros}, "cannot be read", nil},
		"a directory":                     {cfg{Path: dir}, "is no regular file", proc.ErrUnusable},
		"the beginning of a program":      {cfg{Path: beginning(t, echo)}, "more bytes", proc.ErrUnfinished},
		"a runtime directory with a path": {cfg{Path: echo, RuntimeDir: longDir(t)}, "socket's path", nil},
		"a confinement that is not known": {
			cfg{Path: echo, Confine: proc.Confinement{Landlock: "perhaps"}}, "perhaps", nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			if row.cfg.RuntimeDir == "" {
				row.cfg.RuntimeDir = hosttest.RuntimeDir(t)
			}
			_, err := proc.Start(t.Context(), row.cfg)
			checkRefusal(t, err, row.want, row.is)
			checkEmpty(t, row.cfg.RuntimeDir)
		})
	}
}

func checkRefusal(t *testing.T, err error, want string, is error) {
	t.Helper()
	if tool.KindOf(err) == tool.KindUnknown { // of a configuration, which is the host's own mistake
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Start() = %v, want %q", err, want)
		}
		return
	}
	checkStartError(t, err, want)
	for _, known := range []error{proc.ErrUnusable, proc.ErrChanged, proc.ErrUnfinished} {
		if got := errors.Is(err, known); got != (known == is) {
			t.Errorf("Start() = %v; is %q: %v, want %v", err, known, got, !got)
		}
	}
}

// beginning makes a file with the first half of another.
func beginning(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	half := filepath.Join(hosttest.Dir(t), "half")
	if err == nil {
		err = os.WriteFile(half, text[:len(text)/2], 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	return half
}

func longDir(t *testing.T) string {
	dir := filepath.Join(hosttest.RuntimeDir(t), strings.Repeat("x", 90))
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestUnusableFilesAreTold(t *testing.T) {
	for name, want := range map[string]bool{
		"wrong-version": true, "not-a-plugin": true, "crash-at-start": false,
	} {
		_, err := proc.Start(t.Context(), proc.Config{
			Path: hosttest.Install(t, hosttest.Dir(t), name), RuntimeDir: hosttest.RuntimeDir(t),
		})
		if got := errors.Is(err, proc.ErrUnusable); got != want {
			t.Errorf("Start(%s) = %v; unusable: %v, want %v", name, err, got, want)
		}
	}
}

// sumOf is the SHA-256 of a file.
func sumOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func TestTheRightChecksumIsAcceptedAndTold(t *testing.T) {
	path := hosttest.Install(t, hosttest.Dir(t), "echo")
	sum := sumOf(t, path)
	for _, wanted := range []string{"", sum, strings.ToUpper(sum)} {
		p, err := proc.Start(t.Context(), proc.Config{
			Path: path, SHA256: wanted, RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env(),
		})
		if err != nil {
			t.Fatalf("Start(%q) = %v", wanted, err)
		}
		if p.SHA256() != sum {
			t.Errorf("SHA256() = %s, want %s", p.SHA256(), sum)
		}
		if err := p.Close(); err != nil {
			t.Errorf("Close() = %v", err)
		}
	}
}

func TestAScriptCanBeAPlugin(t *testing.T) {
	dir := hosttest.Dir(t)
	real := hosttest.Install(t, hosttest.Dir(t), "show-env")
	script := hosttest.InstallScript(t, dir, "lab", `test -r "$GATEHOUSE_PLUGIN_FILE" && exec `+real)
	p, err := proc.Start(t.Context(), proc.Config{
		Path: script, RuntimeDir: hosttest.RuntimeDir(t), Env: hosttest.Env(), SHA256: sumOf(t, script),
	})
	if err != nil {
		t.Fatalf("Start() = %v", err)
	}
	defer p.Close() // its error is another test's
	res, err := p.Call(t.Context(), tool.Request{}, func(tool.Event) {})
	if err != nil {
		t.Fatalf("Call() = %v", err)
	}
	if file := res.Metadata["env"].(map[string]any)["GATEHOUSE_PLUGIN_FILE"]; file != script {
		t.Errorf("GATEHOUSE_PLUGIN_FILE = %v, want %s", file, script)
	}
}

// layer is the layer of a process with a name.
func layer(t *testing.T, layers []tool.Layer, name string) tool.Layer {
	t.Helper()
	for _, l := range layers {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("layers %v: no %q among them", layers, name)
	return tool.Layer{}
}
