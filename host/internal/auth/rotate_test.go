package auth

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestARotatedSecretEndsAtOnceOrAfterItsOverlap(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, dir)
		tokens := joined(t, store)
		clients := NewClients(Config{Tokens: tokens})
		first := create(t, store, "a")
		_, id := as(t, clients, first)
		second := rotate(t, store, "a", time.Hour)
		_, during := as(t, clients, first)
		time.Sleep(time.Hour - 1)
		checkKnown(t, "the first, within its overlap", tokens, first, "a")
		checkKnown(t, "the second", tokens, second, "a")
		if !clients.Valid(id) || !clients.Valid(during) {
			t.Errorf("Valid within the overlap = %t, %t, want true", clients.Valid(id), clients.Valid(during))
		}
		time.Sleep(time.Nanosecond)
		checkKnown(t, "the first, after it", tokens, first, "")
		if clients.Valid(id) || clients.Valid(during) {
			t.Errorf("Valid after the overlap = %t, %t, want false", clients.Valid(id), clients.Valid(during))
		}
		third := rotate(t, store, "a", time.Hour)
		fourth := rotate(t, store, "a", 0)
		checkKnown(t, "the second, when all must end", tokens, second, "")
		checkKnown(t, "the third, when all must end", tokens, third, "")
		checkKnown(t, "the fourth", tokens, fourth, "a")
	})
}

func TestAnOverlapDoesNotOutliveItsToken(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, dir)
		tokens := joined(t, store)
		first, err := store.Create(Wanted{Name: "a", Role: Caller, Expires: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		second := rotate(t, store, "a", time.Hour)
		time.Sleep(time.Minute)
		checkKnown(t, "the first", tokens, first, "")
		checkKnown(t, "the second", tokens, second, "")
		_, err = store.Rotate("a", 0)
		checkInvalid(t, "Rotate of an expired token", err, "/name")
	})
}

func TestHowOftenATokenCanBeRotated(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, dir)
		create(t, store, "a")
		for range maxFormer {
			rotate(t, store, "a", time.Hour)
		}
		_, err := store.Rotate("a", time.Hour)
		checkInvalid(t, "Rotate with too many secrets", err, "/overlap_sec")
		time.Sleep(time.Hour)
		rotate(t, store, "a", time.Hour)
		if n := strings.Count(readText(t, dir, storeFile), `"until"`); n != 1 {
			t.Errorf("%d former secrets are kept, want 1", n)
		}
		for _, overlap := range []time.Duration{-1, MaxOverlap + 1} {
			_, err := store.Rotate("a", overlap)
			checkInvalid(t, "Rotate with the overlap "+overlap.String(), err, "/overlap_sec")
		}
	})
}

func TestTheGeneratedTokenIsPartOfTheStore(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, dir)
	tokens := joined(t, store)
	force(t, tokens, TokensInForce{Generated: true})
	first, created, err := store.Ensure()
	if err != nil || !created {
		t.Fatalf("Ensure = %t, %v, want a new token", created, err)
	}
	create(t, store, "ci")
	list, err := store.List()
	if err != nil || len(list) != 2 || !list[0].Generated || list[0].Name != GeneratedName || list[0].Role != Admin ||
		time.Since(list[0].Created).Abs() > time.Hour || !list[0].Rotated.IsZero() || list[1].Generated {
		t.Errorf("List = %+v, %v, want the generated one first", list, err)
	}
	second := rotate(t, store, GeneratedName, time.Hour)
	if got, err := ReadToken(dir); got != second || err != nil {
		t.Errorf("ReadToken = %q, %v, want the new one", got, err)
	}
	checkKnown(t, "the first, within its overlap", tokens, first, GeneratedName)
	checkKnown(t, "the second", tokens, second, GeneratedName)
	if again, err := store.List(); err != nil || again[0].Rotated.IsZero() || !again[0].Created.Equal(list[0].Created) {
		t.Errorf("List = %+v, %v, want when it was rotated", again, err)
	}
	third := rotate(t, store, GeneratedName, 0)
	checkKnown(t, "the first, when all end", tokens, first, "")
	checkKnown(t, "the second, when all end", tokens, second, "")
	checkKnown(t, "the third", tokens, third, GeneratedName)
	revoke(t, store, GeneratedName)
	checkKnown(t, "the third, revoked", tokens, third, "")
	if _, err := ReadToken(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadToken = %v, want %v", err, fs.ErrNotExist)
	}
}

// What is known of a generated token that is not there any more says nothing of the next.
func TestSecretsOfAnotherGeneratedTokenAreForgotten(t *testing.T) {
	store := openStore(t, t.TempDir())
	tokens := joined(t, store)
	force(t, tokens, TokensInForce{Generated: true})
	first, _, err := store.Ensure()
	if err != nil {
		t.Fatal(err)
	}
	rotate(t, store, GeneratedName, time.Hour)
	if err := os.Remove(filepath.Join(store.cfg.Dir, tokenFile)); err != nil { // as an operator may
		t.Fatal(err)
	}
	checkKnown(t, "the first, without a file", tokens, first, "")
	second, created, err := store.Ensure()
	if err != nil || !created {
		t.Fatalf("Ensure = %t, %v, want a new token", created, err)
	}
	checkKnown(t, "the first, when there is another", tokens, first, "")
	checkKnown(t, "the second", tokens, second, GeneratedName)
}

func TestAGeneratedTokenThatIsNotSafeIsOutAlone(t *testing.T) {
	store := openStore(t, t.TempDir())
	tokens := joined(t, store)
	force(t, tokens, TokensInForce{Generated: true})
	writeFile(t, store.cfg.Dir, tokenFile, Generate(), 0o644)
	ci := create(t, store, "ci")
	checkKnown(t, "the generated one", tokens, strings.TrimSpace(readText(t, store.cfg.Dir, tokenFile)), "")
	checkKnown(t, "another", tokens, ci, "ci")
	list, err := store.List()
	if err != nil || len(list) != 2 || !strings.Contains(list[0].Problem, "chmod 600") {
		t.Errorf("List = %+v, %v, want the problem of the first", list, err)
	}
	openStore(t, store.cfg.Dir)
	second := rotate(t, store, GeneratedName, time.Hour)
	checkKnown(t, "the generated one, rotated", tokens, second, GeneratedName)
}
