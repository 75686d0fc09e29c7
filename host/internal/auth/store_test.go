package auth

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-mcp/gatehouse/shared/tool"
)

func TestACreatedTokenIsKnownAtOnceAndAfterARestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	store := openStore(t, dir)
	tokens := joined(t, store)
	expires := time.Now().Add(time.Hour)
	secret, err := store.Create(Wanted{
		Name: "ci", Role: Caller, Tools: []string{"Ping*"}, Rate: Rate{Requests: 5, Per: time.Minute}, Expires: expires,
	})
	if err != nil || !strings.HasPrefix(secret, TokenPrefix) {
		t.Fatalf("Create = %q, %v, want a secret", secret, err)
	}
	for says, tokens := range map[string]*Tokens{"at once": tokens, "restarted": joined(t, openStore(t, dir))} {
		id, err := show(t, tokens, secret)
		if err != nil || id.Client != "ci" || id.Role != Caller || !slices.Equal(id.Tools, []string{"Ping*"}) ||
			id.Rate != (Rate{Requests: 5, Per: time.Minute}) || !id.Expires.Equal(expires) {
			t.Errorf("%s: Authenticate = %+v, %v, want what was created", says, id, err)
		}
	}
}

func TestTheFileIsForItsOwnerAndHoldsNoSecret(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	secrets := []string{create(t, store, "a"), rotate(t, store, "a", time.Hour), create(t, store, "b")}
	if info, err := os.Stat(filepath.Join(dir, storeFile)); err != nil || info.Mode() != 0o600 {
		t.Errorf("Stat = %v, %v, want mode 0600", info, err)
	}
	text := readText(t, dir, storeFile)
	for _, secret := range secrets {
		if strings.Contains(text, secret) || strings.Contains(text, secret[4:20]) {
			t.Errorf("the file holds a secret: %s", text)
		}
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 2 || names[0].Name() != lockName || names[1].Name() != storeFile {
		t.Errorf("ReadDir = %v, %v, want the file and its lock", names, err)
	}
}

// root writes for a host that runs as somebody else.
func TestFilesBelongToTheOwnerOfTheDirectory(t *testing.T) {
	dir := t.TempDir()
	want := uint32(os.Geteuid())
	if want == 0 {
		want = 12345
		if err := os.Chown(dir, int(want), -1); err != nil {
			t.Fatal(err)
		}
	}
	store := openStore(t, dir)
	if _, _, err := store.Ensure(); err != nil {
		t.Fatal(err)
	}
	create(t, store, "a")
	for _, name := range []string{storeFile, tokenFile, lockName} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st, ok := info.Sys().(*syscall.Stat_t); !ok || st.Uid != want {
			t.Errorf("%s belongs to %d, want %d", name, st.Uid, want)
		}
	}
}

func TestWhatCannotBeWanted(t *testing.T) {
	store := openStore(t, t.TempDir())
	create(t, store, "taken")
	for _, row := range []struct {
		says    string
		edit    func(*Wanted)
		pointer string
	}{
		{"no name", func(w *Wanted) { w.Name = "" }, "/name"},
		{"a name with a blank", func(w *Wanted) { w.Name = "a b" }, "/name"},
		{"a name too long", func(w *Wanted) { w.Name = strings.Repeat("a", 65) }, "/name"},
		{"the name of another door", func(w *Wanted) { w.Name = "stdio" }, "/name"},
		{"the name of the generated token", func(w *Wanted) { w.Name = "default" }, "/name"},
		{"a name that is taken", func(w *Wanted) { w.Name = "taken" }, "/name"},
		{"no role", func(w *Wanted) { w.Role = "" }, "/role"},
		{"another role", func(w *Wanted) { w.Role = "root" }, "/role"},
		{"an empty pattern", func(w *Wanted) { w.Tools = []string{"a", ""} }, "/tools/1"},
		{"a bad pattern", func(w *Wanted) { w.Tools = []string{"["} }, "/tools/0"},
		{"a long pattern", func(w *Wanted) { w.Tools = []string{strings.Repeat("a", maxGlob+1)} }, "/tools/0"},
		{"too many patterns", func(w *Wanted) { w.Tools = make([]string, maxTools+1) }, "/tools"},
		{"fewer than no calls", func(w *Wanted) { w.Rate.Requests = -1 }, "/rate_requests"},
		{"too many calls", func(w *Wanted) { w.Rate.Requests = MaxRate + 1 }, "/rate_requests"},
		{"too short a time", func(w *Wanted) { w.Rate.Per = time.Second - 1 }, "/rate_per_sec"},
		{"too long a time", func(w *Wanted) { w.Rate.Per = 24*time.Hour + 1 }, "/rate_per_sec"},
		{"the past", func(w *Wanted) { w.Expires = time.Now().Add(-time.Second) }, "/expires"},
		{"a far future", func(w *Wanted) { w.Expires = time.Now().AddDate(11, 0, 0) }, "/expires"},
	} {
		w := Wanted{Name: "good", Role: Caller}
		row.edit(&w)
		secret, err := store.Create(w)
		checkInvalid(t, row.says+": Create", err, row.pointer)
		if secret != "" {
			t.Errorf("%s: Create = %q, want no secret", row.says, secret)
		}
	}
	if list, err := store.List(); err != nil || len(list) != 1 {
		t.Errorf("List = %v, %v, want the one that was there", list, err)
	}
}

func TestANameOfTheConfigurationIsTaken(t *testing.T) {
	store, err := OpenStore(StoreConfig{
		Dir: t.TempDir(), Taken: func(name string) bool { return name == "scanner-7" },
	})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := store.Create(Wanted{Name: "scanner-7", Role: Caller})
	checkInvalid(t, "Create of a name of the configuration", err, "/name")
	if secret != "" {
		t.Errorf("Create = %q, want no secret", secret)
	}
	create(t, store, "scanner-8")
}

func TestTheBoundsOfAWishAreAllowed(t *testing.T) {
	store := openStore(t, t.TempDir())
	for _, w := range []Wanted{
		{Name: strings.Repeat("a", 64), Role: Viewer, Rate: Rate{Requests: MaxRate, Per: 24 * time.Hour}},
		{Name: "b", Role: Admin, Rate: Rate{Requests: 1, Per: time.Second}},
		{Name: "c", Role: Caller, Rate: Rate{Requests: 1}, Expires: time.Now().AddDate(10, 0, -1)},
	} {
		if _, err := store.Create(w); err != nil {
			t.Errorf("Create(%+v) = %v, want a token", w, err)
		}
	}
	openStore(t, store.cfg.Dir) // which reads all of it
}

func TestThereAreAtMostSoManyTokens(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	doc := fullDocument(MaxTokens)
	if err := store.write(&doc); err != nil {
		t.Fatal(err)
	}
	_, err := store.Create(Wanted{Name: "more", Role: Caller})
	checkInvalid(t, "Create of one too many", err, "/name")
	revoke(t, store, "t7")
	create(t, store, "more")
}

func TestARevokedTokenIsNobodys(t *testing.T) {
	store := openStore(t, t.TempDir())
	a, b := create(t, store, "a"), create(t, store, "b")
	tokens := joined(t, store)
	clients := NewClients(Config{Tokens: tokens})
	_, id := as(t, clients, a)
	revoke(t, store, "a")
	checkKnown(t, "the revoked one", tokens, a, "")
	checkKnown(t, "the other", tokens, b, "b")
	if clients.Valid(id) {
		t.Error("Valid(who came in before) = true, want false")
	}
	create(t, store, "a")
	checkKnown(t, "the revoked one, when another has its name", tokens, a, "")
	if clients.Valid(id) {
		t.Error("Valid(who came in before), when another has its name = true, want false")
	}
}

func TestANameThatNobodyHas(t *testing.T) {
	store := openStore(t, t.TempDir())
	_, err := store.Rotate("nobody", 0)
	for what, err := range map[string]error{
		"Rotate": err, "Revoke": store.Revoke("nobody"), "Revoke the generated": store.Revoke(GeneratedName),
		"Revoke nonsense": store.Revoke("a\nb"),
	} {
		if tool.KindOf(err) != tool.KindToolNotFound || !errors.Is(err, ErrNoToken) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s = %v, want %v", what, err, ErrNoToken)
		}
	}
}

func TestTheListTellsAllButSecrets(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, dir)
		made := time.Now()
		want := Stored{
			Name: "ci", Role: Viewer, Tools: []string{"Ping*"}, Rate: Rate{Requests: 2, Per: time.Minute},
			Created: made, Rotated: made.Add(time.Hour), Expires: made.Add(2 * time.Hour),
		}
		_, err := store.Create(Wanted{Name: "ci", Role: want.Role, Tools: want.Tools, Rate: want.Rate, Expires: want.Expires})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		rotate(t, store, "ci", 0)
		list, err := store.List()
		if err != nil || len(list) != 1 {
			t.Fatalf("List = %v, %v, want one", list, err)
		}
		got := list[0]
		if got.Name != want.Name || got.Role != want.Role || !slices.Equal(got.Tools, want.Tools) || got.Rate != want.Rate ||
			!got.Created.Equal(want.Created) || !got.Rotated.Equal(want.Rotated) || !got.Expires.Equal(want.Expires) ||
			got.Generated || got.Problem != "" {
			t.Errorf("List = %+v, want %+v", got, want)
		}
	})
}

func TestAStateDirectoryThatCannotBeWrittenIsTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	store := openStore(t, filepath.Join(file, "state"))
	writeFile(t, filepath.Dir(file), "file", "", 0o600)
	_, err := store.Create(Wanted{Name: "a", Role: Caller})
	e := tool.AsError(err)
	if e == nil || e.Kind != tool.KindUnavailable || e.Suggestion == "" {
		t.Errorf("Create = %v, want %s and a suggestion", err, tool.KindUnavailable)
	}
	if _, err := OpenStore(StoreConfig{Dir: filepath.Join(file, "state")}); err == nil {
		t.Error("OpenStore below a file = nil, want an error")
	}
	if _, err := OpenStore(StoreConfig{}); err == nil {
		t.Error("OpenStore of no directory = nil, want an error")
	}
}

func TestAHeldLockEndsInAnError(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, dir)
		create(t, store, "a")
		unlock, err := lockDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Revoke("a"); err == nil || !strings.Contains(err.Error(), "another process") {
			t.Errorf("Revoke under the lock of another = %v, want an error", err)
		}
		unlock()
		revoke(t, store, "a")
	})
}

func TestStoresOfManyProcessesLoseNothing(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			store, err := OpenStore(StoreConfig{Dir: dir})
			if err != nil {
				t.Errorf("OpenStore = %v", err)
				return
			}
			for _, n := range []string{"a", "b", "c"} {
				if _, err := store.Create(Wanted{Name: n + string(rune('0'+i)), Role: Caller}); err != nil {
					t.Errorf("Create = %v", err)
				}
			}
		})
	}
	wg.Wait()
	if list, err := openStore(t, dir).List(); err != nil || len(list) != 24 {
		t.Errorf("List = %d tokens, %v, want 24", len(list), err)
	}
}
