package exchange

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"testing"

	"rashost/plugin/users"
)

// The server's steps cost a few hashes, whatever the number of iterations: the made-up keys for the challenge, one HMAC for each 32 bytes,
// and two HMACs and a hash for the proof. PBKDF2 would be 30,000 at 15,000 iterations.
func TestSCRAMWork(t *testing.T) {
	for mechanism, made := range map[string]int{"SCRAM-SHA-1": 2, "SCRAM-SHA-256": 3, "SCRAM-SHA-512": 5} {
		b := newBook(t)
		if code, _, _ := logIn(t, counting(b), mechanism, "alice", secret); code != SASL_OK {
			t.Fatal(code)
		}
		if got, want := b.count.sums, 2*made+5; got != want { // an HMAC is two
			t.Errorf("%s: %d hashes in a login, want %d", mechanism, got, want)
		}
	}
}

// BenchmarkSCRAM: step is the server's judgement of a proof; hmacs is the least that it could cost, two HMACs and a hash of messages of
// that size; login is a whole exchange with its look-up.
func BenchmarkSCRAM(b *testing.B) {
	const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	final := []byte("c=biws,r=" + nonce + ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
	client := []byte("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
	x, _ := rightSCRAM(b)
	config := x.config
	fresh := func() *Exchange {
		x := New(config)
		x.work.nonce = func() (string, error) { return "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", nil }
		return x
	}
	b.Run("step", func(b *testing.B) {
		x := fresh()
		if _, code, _ := x.Start(context.Background(), "SCRAM-SHA-256", client); code != SASL_CONTINUE {
			b.Fatal(code)
		}
		for b.Loop() {
			x.state = running
			if _, code, _ := x.Step(context.Background(), final); code != SASL_CONTINUE {
				b.Fatal(code)
			}
		}
	})
	b.Run("hmacs", func(b *testing.B) {
		key, message := make([]byte, 32), make([]byte, 220)
		for b.Loop() {
			for range 2 {
				m := hmac.New(sha256.New, key)
				m.Write(message)
				m.Sum(nil)
			}
			sha256.Sum256(key)
		}
	})
	b.Run("login", func(b *testing.B) {
		for b.Loop() {
			x := fresh()
			_, _, _ = x.Start(context.Background(), "SCRAM-SHA-256", client)
			if _, code, _ := x.Step(context.Background(), final); code != SASL_CONTINUE {
				b.Fatal(code)
			}
			if _, code, _ := x.Step(context.Background(), nil); code != SASL_OK {
				b.Fatal(code)
			}
		}
	})
	b.Run("pbkdf2", func(b *testing.B) { // what a server would pay that kept passwords
		for b.Loop() {
			if _, err := users.SCRAMKeysFor("SCRAM-SHA-256", []byte("pencil"), make([]byte, 16), users.SCRAMIterations); err != nil {
				b.Fatal(err)
			}
		}
	})
}
