package exchange_test

import (
	"context"
	"fmt"

	"rashost/plugin/sasl/client"
	"rashost/plugin/sasl/exchange"
	"rashost/plugin/users"
)

// family is accounts with one user.
type family struct{ alice users.Account }

func (f family) Lookup(_ context.Context, name string) (users.Account, bool, error) {
	return f.alice, users.Fold(name) == "alice", nil
}

func (f family) UpdateOTP(context.Context, string, users.OTP, users.OTP) error {
	return users.ErrNoUser
}

// A login, with the client of package client at the other end.
func Example() {
	keys, err := users.SCRAMKeysFor("SCRAM-SHA-256", []byte("correct horse"), []byte("a salt of 16 byt"), users.SCRAMIterations)
	if err != nil {
		fmt.Println(err)
		return
	}
	caller, err := client.New("SCRAM-SHA-256", client.Credentials{User: "ALICE", Secret: []byte("correct horse")}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	x := exchange.New(exchange.Config{
		Accounts:   family{users.Account{Name: "Alice", SCRAM: map[string]users.SCRAMKeys{"SCRAM-SHA-256": keys}}},
		FakeKey:    []byte("a key that is kept from one start to the next"),
		Mechanisms: []string{"SCRAM-SHA-256"},
	})
	defer x.Close()
	ctx := context.Background()
	initial, _ := caller.Start()
	out, code, detail := x.Start(ctx, "SCRAM-SHA-256", initial)
	for code == exchange.SASL_CONTINUE {
		answer, err := caller.Next(out)
		if err != nil {
			fmt.Println(err)
			return
		}
		out, code, detail = x.Step(ctx, answer)
	}
	user, ok := x.Identity()
	fmt.Println(code, detail, user, ok)
	// Output: SASL_OK  Alice true
}
