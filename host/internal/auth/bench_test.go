package auth

import (
	"fmt"
	"testing"
)

// BenchmarkAuthenticate is what a request pays: it is recognised, and it is asked once more whether its token
// is good still.
func BenchmarkAuthenticate(b *testing.B) {
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("configured=%d", n), func(b *testing.B) {
			doc := fullDocument(n)
			var list []Token
			for i := range doc.Tokens {
				list = append(list, doc.Tokens[i].token())
			}
			benchmark(b, newTokens(b, list...))
		})
		b.Run(fmt.Sprintf("stored=%d", n), func(b *testing.B) {
			store := openStore(b, b.TempDir())
			doc := fullDocument(n)
			if err := store.write(&doc); err != nil {
				b.Fatal(err)
			}
			benchmark(b, joined(b, store))
		})
		b.Run(fmt.Sprintf("stored=%d and generated", n), func(b *testing.B) {
			store := openStore(b, b.TempDir())
			doc := fullDocument(n)
			if err := store.write(&doc); err != nil {
				b.Fatal(err)
			}
			if _, _, err := store.Ensure(); err != nil {
				b.Fatal(err)
			}
			tokens := joined(b, store)
			force(b, tokens, TokensInForce{Generated: true})
			benchmark(b, tokens)
		})
	}
}

func benchmark(b *testing.B, tokens *Tokens) {
	clients := NewClients(Config{Tokens: tokens})
	shown := Credentials{Bearer: "t0", HasBearer: true}
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		id, err := clients.Authenticate(ctx, shown)
		if err != nil || !clients.Valid(id) {
			b.Fatalf("Authenticate = %q, %v", id.Client, err)
		}
	}
}
