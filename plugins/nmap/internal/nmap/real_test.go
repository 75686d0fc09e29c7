package nmap

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-mcp/gatehouse/plugins/nmap/internal/options"
	"github.com/gatehouse-mcp/gatehouse/sdk"
	"github.com/gatehouse-mcp/gatehouse/sdk/sdktest"
)

// understood lets nmap itself read a command line. With --iflist it reads it to its end, holds its options
// against each other, prints the machine's interfaces, and ends before it has looked at a target.
func understood(t *testing.T, argv []string) {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cmd := exec.Command(argv[0], append([]string{"--iflist"}, argv[1:]...)...)
	cmd.ExtraFiles = []*os.File{null} // descriptor 3
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C", "LC_ALL=C"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || !strings.Contains(stdout.String(), "INTERFACES") {
		t.Errorf("nmap does not understand %q: %v\n%s", argv, err, stderr.String())
	}
}

// Every line of the corpus that comes to an argv, and every flag in every form, is one that nmap reads.
func TestNmapUnderstandsWhatIsAccepted(t *testing.T) {
	needNmap(t)
	on := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	try := func(target string, args map[string]any) {
		if p := on.plan(t, target, args); p.Verdict == sdk.Accept {
			understood(t, p.Argv)
		}
	}
	for _, l := range corpus(t) {
		if l.Verdict != "reject" {
			try(l.Target, map[string]any{"extra_args": l.ExtraArgs})
		}
	}
	for _, f := range table() {
		if f.Refused == "" {
			try("10.0.0.1", map[string]any{"extra_args": spellings(t, f)[0]})
		}
	}
	for _, tpl := range templates() {
		try("10.0.0.1", map[string]any{"template": tpl.Name})
	}
}

// Flags in any company: getopt reads one target out of every argv, and nmap itself has nothing to say
// against them.
func TestFlagsInAnyCompany(t *testing.T) {
	needNmap(t)
	on := newPlanner(t, root, sdktest.Options{AllowIntrusive: true})
	random := rand.New(rand.NewPCG(3, 4))
	var usable []string
	for _, f := range table() {
		if f.Refused == "" {
			usable = append(usable, spellings(t, f)...)
		}
	}
	accepted := 0
	for range 4000 {
		var extra []string
		for range 1 + random.IntN(7) {
			extra = append(extra, usable[random.IntN(len(usable))])
		}
		p := on.ask(t, strings.Join(extra, " "))
		if p.Verdict != sdk.Accept {
			continue
		}
		if accepted++; accepted%40 == 0 {
			understood(t, p.Argv)
		}
	}
	if accepted < 1000 {
		t.Errorf("%d of 4000 are accepted, want 1000 or more", accepted)
	}
}

// quiet is an address of this machine where nobody but a test listens, if nobody listens on all.
const quiet = "127.83.19.7"

// answering opens a TCP port that tells at once which service it is, so that nmap need not guess.
func answering(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", quiet+":0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{}) // closed when the last connection was served
	go func() {
		defer close(served)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2p1\r\n")
			c.Close()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-served
	})
	return l.Addr().(*net.TCPAddr).Port
}

// Each flag runs for real, against one port of this machine.
func TestEachFlagRuns(t *testing.T) {
	needNmap(t)
	machine := Probe()
	port := answering(t)
	b := sdktest.New(t, plugin(machine), sdktest.Options{AllowIntrusive: true, Timeout: 20 * time.Second})
	for _, f := range table() {
		raw := slices.Contains(rawFlags, f.Name) || slices.Contains(f.Requires, "-sU")
		if f.Refused != "" || raw && !machine.Raw {
			continue // TestRawSocketsAreNotReplacedSilently says what becomes of these
		}
		extra := spellings(t, f)[0]
		switch f.Name {
		case "-p", "-F", "--top-ports", "-sn", "-sL":
		case "-sO": // 256 protocols, of which this machine answers for few
			extra += " --max-retries 0 --host-timeout 2s"
		default:
			extra += fmt.Sprintf(" -p %d", port)
		}
		t.Run(extra, func(t *testing.T) {
			t.Parallel()
			res, err := b.Call(t.Context(), "NmapTool", map[string]any{"target": quiet, "extra_args": extra})
			if err != nil || res.ReturnCode != 0 {
				t.Errorf("Call(%s) = %d, %v; stderr: %s", extra, res.ReturnCode, err, res.Stderr)
			}
		})
	}
}

// Root may lack the capability, and nmap believes that root has it: told otherwise it connects.
func TestWithoutRawSocketsTheDefaultScanConnects(t *testing.T) {
	needNmap(t)
	port := answering(t)
	b := sdktest.New(t, plugin(Privileges{}), sdktest.Options{})
	for _, extra := range []string{"", "-sn", "-sV"} {
		args := map[string]any{"target": quiet, "extra_args": extra}
		if extra != "-sn" {
			args["ports"] = strconv.Itoa(port)
		}
		res, err := b.Call(t.Context(), "NmapTool", args)
		if err != nil || res.ReturnCode != 0 {
			t.Errorf("Call(%q) = %d, %v; stderr: %s", extra, res.ReturnCode, err, res.Stderr)
			continue
		}
		r := report(t, res)
		if extra != "-sn" && (len(r.Scans) != 1 || r.Scans[0].Type != "connect") {
			t.Errorf("Call(%q) scans %+v, want a connect scan", extra, r.Scans)
		}
	}
}

// Each template runs for real. Of this machine alone even all ports take seconds.
func TestEachTemplateRuns(t *testing.T) {
	needNmap(t)
	port := answering(t)
	b := sdktest.New(t, plugin(Probe()), sdktest.Options{})
	for _, tpl := range templates() {
		res, err := b.Call(t.Context(), "NmapTool", map[string]any{"target": quiet, "template": tpl.Name})
		if err != nil || res.ReturnCode != 0 {
			t.Errorf("Call(template %s) = %d, %v; stderr: %s", tpl.Name, res.ReturnCode, err, res.Stderr)
		}
		if want := fmt.Sprintf("%d/tcp", port); tpl.Name == "thorough" && !strings.Contains(res.Stdout, want) {
			t.Errorf("template %s does not find %s:\n%s", tpl.Name, want, res.Stdout)
		}
	}
}

// A newer or older nmap than the one that the policy was made with still has every flag of the table.
func TestTheInstalledNmapHasEveryFlag(t *testing.T) {
	needNmap(t)
	path, _ := exec.LookPath("nmap")
	have, err := options.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range table() {
		name, long := strings.CutPrefix(f.Name, "--")
		if f.Refused != "" || !long {
			continue
		}
		if !slices.ContainsFunc(have.Long, func(o options.Long) bool { return o.Name == name }) {
			t.Errorf("nmap %s has no %s", have.Version, f.Name)
		}
	}
}

// A caller who excludes all that he names must not be able to open the tool's breaker.
func TestATargetThatIsExcludedIsTheCallersMistake(t *testing.T) {
	needNmap(t)
	b := sdktest.New(t, plugin(Probe()), sdktest.Options{})
	for _, exclude := range []string{"127.0.0.1", "127.0.0.0/31", "127.0.0.0,127.0.0.1"} {
		_, err := b.Call(t.Context(), "NmapTool", map[string]any{
			"target": "127.0.0.1", "extra_args": "-sT -p 1 --exclude " + exclude,
		})
		if sdk.KindOf(err) != sdk.KindValidation || !strings.Contains(err.Error(), "--exclude") {
			t.Errorf("Call(--exclude %s) = %v, want a %s about it", exclude, err, sdk.KindValidation)
		}
	}
}
