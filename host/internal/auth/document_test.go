package auth

import (
	"encoding/hex"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// fullDocument has n tokens, t0 and so on, whose secrets are their names.
func fullDocument(n int) document {
	doc := document{Version: storeVersion}
	for i := range n {
		name := fmt.Sprintf("t%d", i)
		doc.Tokens = append(doc.Tokens, record{
			Name: name, SHA256: Hash(name), Role: Caller, Tools: []string{"PingTool", "Nmap*"}, Requests: 10,
			Per: span(time.Minute), Created: time.Unix(1e9, 0).UTC(),
		})
	}
	return doc
}

func hashText(secret string) string {
	sum := Hash(secret)
	return hex.EncodeToString(sum[:])
}

func TestADocumentIsReadAsItWasWritten(t *testing.T) {
	at := time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
	doc := fullDocument(3)
	doc.Tokens[1].Expires, doc.Tokens[1].Rotated = at, at
	doc.Tokens[1].Former = []former{{SHA256: Hash("former"), Until: at}}
	doc.Generated = &record{Name: GeneratedName, SHA256: Hash("generated"), Role: Admin, Created: at, Rotated: at}
	raw, err := doc.encode()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := parse(raw); err != nil || !reflect.DeepEqual(got, doc) {
		t.Errorf("parse(encode) = %+v, %v, want %+v", got, err, doc)
	}
	empty := document{}
	if raw, err := empty.encode(); err != nil || !strings.Contains(string(raw), `"tokens": []`) {
		t.Errorf("encode of none = %s, %v, want an empty list", raw, err)
	}
}

func TestTheLargestDocumentFits(t *testing.T) {
	doc := fullDocument(MaxTokens)
	if raw, err := doc.encode(); err != nil || len(raw) > maxStoreFile/2 {
		t.Errorf("encode = %d bytes, %v, want half of what is allowed", len(raw), err)
	}
	for i := range doc.Tokens {
		doc.Tokens[i].Tools = slices.Repeat([]string{strings.Repeat("a", maxGlob)}, maxTools)
	}
	if _, err := doc.encode(); err == nil || !strings.Contains(err.Error(), "revoke tokens") {
		t.Errorf("encode of far too much = %v, want an error", err)
	}
}

func TestADocumentIsReadStrictly(t *testing.T) {
	one := func(more string) string {
		return fmt.Sprintf(`{"version":1,"tokens":[{"name":"a","sha256":"%s","role":"caller",`+
			`"created":"2030-01-02T03:04:05Z"%s}]}`, hashText("a"), more)
	}
	swap := func(from, to string) string { return strings.Replace(one(""), from, to, 1) }
	generated := func(members string) string {
		return fmt.Sprintf(`{"version":1,"tokens":[],"generated":{"created":"2030-01-02T03:04:05Z","sha256":"%s",%s}}`,
			hashText("g"), members)
	}
	for _, row := range []struct {
		says, text string
		ok         bool
	}{
		{"one token", one(""), true},
		{"no tokens", `{"version":1,"tokens":[]}`, true},
		{"all of a token", one(`,"tools":["P*"],"rate_requests":1,"rate_per":"1m","expires":"2031-01-02T03:04:05Z"`), true},
		{"a generated one", generated(`"name":"default","role":"admin"`), true},
		{"nothing", ``, false},
		{"null", `null`, false},
		{"a list", `[]`, false},
		{"no version", swap(`"version":1,`, ``), false},
		{"another version", swap(`"version":1`, `"version":2`), false},
		{"something after it", one("") + `{}`, false},
		{"an unknown member", swap(`"version"`, `"more":1,"version"`), false},
		{"an unknown member of a token", one(`,"admin":true`), false},
		{"a member in another case", one(`,"Role":"admin"`), false},
		{"a member that stands twice", one(`,"role":"admin"`), false},
		{"no name", swap(`"name":"a",`, ``), false},
		{"a bad name", swap(`"name":"a"`, `"name":"a b"`), false},
		{"the name of another door", swap(`"name":"a"`, `"name":"stdio"`), false},
		{"the name of the generated one", swap(`"name":"a"`, `"name":"default"`), false},
		{"no role", swap(`"role":"caller",`, ``), false},
		{"a bad role", swap(`"caller"`, `"root"`), false},
		{"no hash", swap(`"sha256":"`+hashText("a")+`",`, ``), false},
		{"a short hash", swap(hashText("a"), "abcd"), false},
		{"the hash of nothing", swap(hashText("a"), hashText("")), false},
		{"a hash of zeros", swap(hashText("a"), strings.Repeat("0", 64)), false},
		{"no time", swap(`,"created":"2030-01-02T03:04:05Z"`, ``), false},
		{"a bad time", swap(`2030-01-02T03:04:05Z`, `yesterday`), false},
		{"a bad pattern", one(`,"tools":["["]`), false},
		{"a bad rate", one(`,"rate_requests":-1`), false},
		{"a rate in no time", one(`,"rate_requests":1,"rate_per":"1ns"`), false},
		{"a number for a time", one(`,"rate_per":60`), false},
		{"a former secret without an end", one(`,"former":[{"sha256":"` + hashText("b") + `"}]`), false},
		{"a former secret that is the present one",
			one(`,"former":[{"sha256":"` + hashText("a") + `","until":"2030-01-02T03:04:05Z"}]`), false},
		{"two of one name", twoTokens("a", "a", "1", "2"), false},
		{"two of one secret", twoTokens("a", "b", "1", "1"), false},
		{"two", twoTokens("a", "b", "1", "2"), true},
		{"a generated one of another name", generated(`"name":"other","role":"admin"`), false},
		{"a generated one of another role", generated(`"name":"default","role":"caller"`), false},
		{"a generated one with a bound", generated(`"name":"default","role":"admin","tools":["a"]`), false},
	} {
		if _, err := parse([]byte(row.text)); (err == nil) != row.ok {
			t.Errorf("%s: parse(%s) = %v, want %t", row.says, row.text, err, row.ok)
		}
	}
}

func twoTokens(a, b, secretA, secretB string) string {
	const form = `{"name":"%s","sha256":"%s","role":"caller","created":"2030-01-02T03:04:05Z"}`
	return `{"version":1,"tokens":[` + fmt.Sprintf(form, a, hashText(secretA)) + `,` +
		fmt.Sprintf(form, b, hashText(secretB)) + `]}`
}

// A secret that somebody has put in the place of its hash must not get into a log.
func TestAnErrorDoesNotRepeatTheFile(t *testing.T) {
	secret := Generate()
	text := strings.Replace(twoTokens("a", "b", "1", "2"), hashText("1"), secret, 1)
	if _, err := parse([]byte(text)); err == nil || strings.Contains(err.Error(), secret[4:]) {
		t.Errorf("parse = %v, want an error without the secret", err)
	}
}

func TestTooManyTokensAreNotBelieved(t *testing.T) {
	doc := fullDocument(MaxTokens + 1)
	raw, err := doc.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse(raw); err == nil {
		t.Error("parse of one token too many = nil, want an error")
	}
}

// What is read can be written and read again, and holds nothing that Create would refuse.
func FuzzTokensFile(f *testing.F) {
	doc := fullDocument(2)
	doc.Tokens[1].Former = []former{{SHA256: Hash("former"), Until: time.Unix(1e9, 0).UTC()}}
	doc.Generated = &record{Name: GeneratedName, SHA256: Hash("g"), Role: Admin, Created: time.Unix(1e9, 0).UTC()}
	raw, err := doc.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte(twoTokens("a", "b", "1", "2")))
	f.Add([]byte(`{"version":1,"tokens":null,"generated":null}`))
	f.Add([]byte(`{"version":1,"tokens":[{"rate_per":"1h"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		doc, err := parse(raw)
		if err != nil {
			return
		}
		for i := range doc.Tokens {
			s := doc.Tokens[i].stored()
			if err := (Wanted{Name: s.Name, Role: s.Role, Tools: s.Tools, Rate: s.Rate}).check(time.Now()); err != nil {
				t.Errorf("parse(%q) took a token that nobody can want: %v", raw, err)
			}
		}
		written, err := doc.encode()
		if err != nil {
			return // the blanks between make it larger than it was
		}
		again, err := parse(written)
		if err != nil {
			t.Fatalf("parse(encode(%q)) = %v", raw, err)
		}
		twice, err := again.encode()
		if err != nil || string(twice) != string(written) {
			t.Errorf("encode, again = %s, %v, want %s", twice, err, written)
		}
	})
}
