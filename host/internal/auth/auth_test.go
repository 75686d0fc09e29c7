package auth

import (
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-mcp/gatehouse/host/internal/origin"
	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func newTokens(t testing.TB, list ...Token) *Tokens {
	t.Helper()
	tokens, err := New(list)
	if err != nil {
		t.Fatalf("New = %v, want a set", err)
	}
	return tokens
}

func TestOnlyAWholeTokenIsKnown(t *testing.T) {
	tokens := newTokens(t,
		Token{Name: "first", SHA256: Hash("one"), Role: Admin},
		Token{Name: "second", SHA256: Hash("two"), Role: Viewer},
		Token{Name: "careless", SHA256: Hash(""), Role: Admin},
		Token{Name: "zero", Role: Admin},
	)
	sum := Hash("one")
	for _, row := range []struct {
		says, token, client string
		ok                  bool
	}{
		{"the first token", "one", "first", true},
		{"the second token", "two", "second", true},
		{"an unknown token", "three", "", false},
		{"no token, even when somebody hashed nothing", "", "", false},
		{"the beginning of a token", "on", "", false},
		{"a token and more", "one ", "", false},
		{"a token in another case", "ONE", "", false},
		{"the name of a token", "first", "", false},
		{"the hash of a token", hex.EncodeToString(sum[:]), "", false},
		{"the bytes of the hash", string(sum[:]), "", false},
	} {
		if client, ok := tokens.Authenticate(row.token); client != row.client || ok != row.ok {
			t.Errorf("%s: Authenticate(%q) = %q, %t, want %q, %t", row.says, row.token, client, ok, row.client, row.ok)
		}
	}
}

func TestAnEmptySetKnowsNobody(t *testing.T) {
	if client, ok := newTokens(t).Authenticate("one"); client != "" || ok {
		t.Errorf("Authenticate(one) = %q, %t, want nobody", client, ok)
	}
}

func TestNamesAreUnique(t *testing.T) {
	_, err := New([]Token{{Name: "ci", SHA256: Hash("a")}, {Name: "ci", SHA256: Hash("b")}})
	if err == nil || !strings.Contains(err.Error(), `"ci"`) {
		t.Errorf("New = %v, want an error that names the token", err)
	}
}

// The set is not changed after New, by its caller either.
func TestTheSetIsItsOwn(t *testing.T) {
	list := []Token{{Name: "a", SHA256: Hash("one"), Role: Caller, Tools: []string{"PingTool"}}}
	tokens := newTokens(t, list...)
	_ = tokens.Authorize(t.Context(), "a", "NmapTool")
	list[0] = Token{Name: "b", SHA256: Hash("two"), Role: Admin}
	if client, ok := tokens.Authenticate("one"); client != "a" || !ok {
		t.Errorf("Authenticate(one) = %q, %t, want a", client, ok)
	}
	if client, ok := tokens.Authenticate("two"); ok {
		t.Errorf("Authenticate(two) = %q, want nobody", client)
	}
}

func TestWhoMayCallWhat(t *testing.T) {
	tokens := newTokens(t,
		Token{Name: "viewer", SHA256: Hash("1"), Role: Viewer},
		Token{Name: "viewer-of-all", SHA256: Hash("2"), Role: Viewer, Tools: []string{"*"}},
		Token{Name: "caller", SHA256: Hash("3"), Role: Caller},
		Token{Name: "pinger", SHA256: Hash("4"), Role: Caller, Tools: []string{"PingTool"}},
		Token{Name: "scanner", SHA256: Hash("5"), Role: Caller, Tools: []string{"Nmap*", "Port?can"}},
		Token{Name: "broken", SHA256: Hash("6"), Role: Caller, Tools: []string{"["}},
		Token{Name: "admin", SHA256: Hash("7"), Role: Admin},
		Token{Name: "admin-of-one", SHA256: Hash("8"), Role: Admin, Tools: []string{"PingTool"}},
	)
	for _, row := range []struct {
		client, name string
		allowed      bool
	}{
		{"viewer", "PingTool", false},
		{"viewer-of-all", "PingTool", false},
		{"caller", "PingTool", true},
		{"caller", "NoSuchTool", true}, // whether there is such a tool is another question
		{"pinger", "PingTool", true},
		{"pinger", "PingTool2", false},
		{"pinger", "pingtool", false},
		{"scanner", "NmapTool", true},
		{"scanner", "Nmap", true},
		{"scanner", "PortScan", true},
		{"scanner", "PingTool", false},
		{"broken", "PingTool", false},
		{"admin", "PingTool", true},
		{"admin-of-one", "PingTool", true},
		{"admin-of-one", "NmapTool", false},
		{"stdio", "NmapTool", true},
		{"10.0.0.1", "NmapTool", true},
	} {
		err := tokens.Authorize(t.Context(), row.client, row.name)
		if row.allowed && err != nil {
			t.Errorf("Authorize(%q, %q) = %v, want no error", row.client, row.name, err)
		}
		if !row.allowed && tool.KindOf(err) != tool.KindForbidden {
			t.Errorf("Authorize(%q, %q) = %v, want %s", row.client, row.name, err, tool.KindForbidden)
		}
		if e := tool.AsError(err); e != nil && e.Suggestion == "" {
			t.Errorf("Authorize(%q, %q) suggests nothing", row.client, row.name)
		}
	}
}

func TestTheRoleOfAClient(t *testing.T) {
	tokens := newTokens(t,
		Token{Name: "looks", SHA256: Hash("1"), Role: Viewer},
		Token{Name: "runs", SHA256: Hash("2"), Role: Admin},
	)
	for _, row := range []struct {
		client string
		role   Role
		known  bool
	}{
		{"looks", Viewer, true}, {"runs", Admin, true}, {"Runs", "", false}, {"", "", false}, {"stdio", "", false},
	} {
		if role, known := tokens.Role(row.client); role != row.role || known != row.known {
			t.Errorf("Role(%q) = %q, %t, want %q, %t", row.client, role, known, row.role, row.known)
		}
	}
}

func TestParseHash(t *testing.T) {
	sum := Hash("secret")
	text := hex.EncodeToString(sum[:])
	for _, row := range []struct {
		text string
		ok   bool
	}{
		{text, true}, {strings.ToUpper(text), true}, {text[:62], false}, {text + "00", false}, {"", false},
		{strings.Repeat("x", 64), false}, {" " + text, false},
	} {
		got, err := ParseHash(row.text)
		if (err == nil) != row.ok || row.ok && got != sum {
			t.Errorf("ParseHash(%q) = %x, %v, want %t", row.text, got, err, row.ok)
		}
	}
}

func TestTheTokenIsMadeOnceAndForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "gatehouse")
	token, created, err := EnsureToken(dir)
	if err != nil || !created || !strings.HasPrefix(token, "gth_") || len(token) < 40 {
		t.Fatalf("EnsureToken = %q, %t, %v, want a new token of 256 bits", token, created, err)
	}
	for name, want := range map[string]fs.FileMode{tokenFile: 0o600, ".": fs.ModeDir | 0o700} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("Stat(%q) = %v, %v, want mode %v", name, info.Mode(), err, want)
		}
	}
	again, created, err := EnsureToken(dir)
	if again != token || created || err != nil {
		t.Errorf("EnsureToken, again = %q, %t, %v, want the same token", again, created, err)
	}
	if read, err := ReadToken(dir); read != token || err != nil {
		t.Errorf("ReadToken = %q, %v, want %q", read, err, token)
	}
	checkAlone(t, dir)
}

// checkAlone holds that there is nothing in dir but the token.
func checkAlone(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != tokenFile {
		t.Errorf("ReadDir = %v, %v, want the token alone", entries, err)
	}
}

// Hosts and `gatehouse token show` may start at the same moment.
func TestAllWhoStartTogetherGetOneToken(t *testing.T) {
	dir := t.TempDir()
	const hosts = 32
	var (
		wg     sync.WaitGroup
		start  = make(chan struct{}) // closed by the test
		tokens [hosts]string
		made   [hosts]bool
		errs   [hosts]error
	)
	for i := range hosts {
		wg.Go(func() {
			<-start
			tokens[i], made[i], errs[i] = EnsureToken(dir)
		})
	}
	close(start)
	wg.Wait()
	makers := 0
	for i := range hosts {
		if errs[i] != nil || tokens[i] == "" || tokens[i] != tokens[0] {
			t.Errorf("EnsureToken = %q, %v, want %q for all", tokens[i], errs[i], tokens[0])
		}
		if made[i] {
			makers++
		}
	}
	if makers != 1 {
		t.Errorf("%d say that they made the token, want 1", makers)
	}
	checkAlone(t, dir)
}

func TestATokenThatIsNotSafeIsRefused(t *testing.T) {
	good := Generate()
	for _, row := range []struct {
		says, text string
		mode       fs.FileMode
		want       string // in the error; empty: none
	}{
		{"for the owner only", good, 0o600, ""},
		{"read only", good, 0o400, ""},
		{"with a line end of another system", good + "\r\n", 0o600, ""},
		{"readable by the group", good, 0o640, "chmod 600"},
		{"readable by all", good, 0o604, "chmod 600"},
		{"writable by all", good, 0o602, "chmod 600"},
		{"too short", "gth_short", 0o600, "too short"},
		{"empty", "", 0o600, "too short"},
		{"blanks only", strings.Repeat(" ", 64), 0o600, "too short"},
	} {
		dir := t.TempDir()
		name := filepath.Join(dir, tokenFile)
		if err := os.WriteFile(name, []byte(row.text), row.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(name, row.mode); err != nil { // whatever the umask
			t.Fatal(err)
		}
		for what, read := range map[string]func(string) (string, error){
			"ReadToken":   ReadToken,
			"EnsureToken": func(dir string) (string, error) { token, _, err := EnsureToken(dir); return token, err },
		} {
			token, err := read(dir)
			switch {
			case row.want == "" && (err != nil || token != good):
				t.Errorf("%s: %s = %q, %v, want the token", row.says, what, token, err)
			case row.want != "" && (err == nil || token != "" || !strings.Contains(err.Error(), row.want)):
				t.Errorf("%s: %s = %q, %v, want an error with %q", row.says, what, token, err, row.want)
			}
		}
		if raw, err := os.ReadFile(name); err != nil || string(raw) != row.text {
			t.Errorf("%s: the file has been changed to %q (%v)", row.says, raw, err)
		}
	}
}

func TestWithoutATokenThereIsNone(t *testing.T) {
	if _, err := ReadToken(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadToken = %v, want %v", err, fs.ErrNotExist)
	}
}

func TestAStateDirectoryThatCannotBeIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if token, created, err := EnsureToken(filepath.Join(file, "state")); err == nil {
		t.Errorf("EnsureToken below a file = %q, %t, want an error", token, created)
	}
}

func TestTokensAreNotRepeated(t *testing.T) {
	seen := make(map[string]bool)
	for range 100 {
		token := Generate()
		if seen[token] {
			t.Fatalf("Generate = %q twice", token)
		}
		seen[token] = true
	}
}

func TestAWithdrawnTokenCallsNothing(t *testing.T) {
	a, err := New([]Token{{Name: "old", SHA256: Hash(Generate())}})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Replace([]Token{{Name: "new", SHA256: Hash(Generate()), Role: Caller}}); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		client string
		door   origin.Door
		want   tool.Kind
	}{
		{"old", origin.REST, tool.KindForbidden}, {"old", origin.MCP, tool.KindForbidden},
		{"new", origin.REST, ""}, {"stdio", origin.Stdio, ""}, {"stdio", origin.CLI, ""},
	} {
		err := a.Authorize(origin.With(t.Context(), origin.Origin{Door: row.door}), row.client, "NmapTool")
		if got := tool.KindOf(err); got != row.want {
			t.Errorf("Authorize(%s through %s) = %q, want %q", row.client, row.door, got, row.want)
		}
	}
	if err := a.Replace([]Token{{Name: "twice"}, {Name: "twice"}}); err == nil {
		t.Error("Replace took two tokens of one name")
	}
	if err := a.Authorize(origin.With(t.Context(), origin.Origin{Door: origin.REST}), "new", "NmapTool"); err != nil {
		t.Errorf("after a Replace that failed: %v", err)
	}
}
