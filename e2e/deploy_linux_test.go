package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// exposed is the highest score of "systemd-analyze security" that the unit may have, in tenths: 0 is confined, 100
// is not at all. It is 17 with systemd 252; other versions weigh a little otherwise.
const exposed = 20

// TestUnit sees that systemd understands the unit, alone and with the file that changes it, and how far it confines.
func TestUnit(t *testing.T) {
	for name, dropIn := range map[string]string{
		"as it is":                "",
		"with cgroups of plugins": "plugin-cgroups.conf",
	} {
		t.Run(name, func(t *testing.T) {
			unit := installUnit(t, dropIn)
			if out := analyze(t, "verify", "--man=no", unit); out != "" {
				t.Errorf("systemd-analyze verify = %s, want nothing to be said", out)
			}
			if dropIn == "" {
				analyze(t, "security", "--offline=yes", "--no-pager", "--threshold="+strconv.Itoa(exposed), unit)
			}
		})
	}
}

// installUnit puts the unit into a directory, with the program that it starts where there is one.
func installUnit(t *testing.T, dropIn string) string {
	t.Helper()
	dir := t.TempDir()
	const program = "/usr/local/bin/gatehouse"
	text := deployed(t, "systemd/gatehouse.service")
	if !strings.Contains(text, "\nExecStart="+program+" ") {
		t.Fatalf("the unit does not start %s", program)
	}
	unit := filepath.Join(dir, "gatehouse.service")
	writeFile(t, unit, strings.ReplaceAll(text, program, filepath.Join(bin, "gatehouse")))
	if dropIn != "" {
		beside := unit + ".d"
		if err := os.Mkdir(beside, 0o700); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(beside, dropIn), deployed(t, "systemd/"+dropIn))
	}
	return unit
}

// analyze runs systemd-analyze, which "make setup-test" installs, and gives all that it says.
func analyze(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// commentedKey begins what is commented out in an example of a configuration and could stand there.
var commentedKey = regexp.MustCompile(`(?m)^#(( {2,})?(- )?[a-z0-9_]+:( |$))`)

// TestExamples sees that the host takes the configurations that are meant to be copied, also with all that is
// commented out in them.
func TestExamples(t *testing.T) {
	for _, name := range []string{"systemd/gatehouse.yaml", "container/config/gatehouse.yaml"} {
		text := deployed(t, name)
		checkConfig(t, name, text)
		checkConfig(t, name+" with all of its keys", commentedKey.ReplaceAllString(text, "$1"))
	}
	if n := len(commentedKey.FindAllString(deployed(t, "systemd/gatehouse.yaml"), -1)); n < 10 {
		t.Errorf("%d commented keys in systemd/gatehouse.yaml, want those that it had", n)
	}
}

func checkConfig(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gatehouse.yaml")
	writeFile(t, file, text)
	cmd := exec.Command(filepath.Join(bin, "gatehouse"), "config", "check", "--config", file)
	cmd.Env = environment(t)
	out, err := cmd.CombinedOutput()
	if want := file + ": fine\n"; err != nil || string(out) != want {
		t.Errorf("gatehouse config check of %s = %v, %q, want %q", name, err, out, want)
	}
}

// TestStopTimes sees that what ends the host by force leaves it the time that its configuration gives to calls.
func TestStopTimes(t *testing.T) {
	grace := seconds(t, "systemd/gatehouse.yaml", `(?m)^  shutdown_grace_period: (\d+)\b`)
	for name, key := range map[string]string{
		"systemd/gatehouse.service": `(?m)^TimeoutStopSec=(\d+)$`,
		"container/compose.yaml":    `(?m)^    stop_grace_period: (\d+)s\b`,
	} {
		if got := seconds(t, name, key); got < grace+10 {
			t.Errorf("%s ends the host after %d s, want 10 more than the %d s of grace", name, got, grace)
		}
	}
}

func seconds(t *testing.T, name, key string) int {
	t.Helper()
	found := regexp.MustCompile(key).FindStringSubmatch(deployed(t, name))
	if found == nil {
		t.Fatalf("%s has no line like %s", name, key)
	}
	n, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// deployed is a file of deploy/.
func deployed(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "deploy", filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
