package users

import "testing"

// A chain that does not look like those that are made up for unknown names is marked, because its challenge shows that the name exists.
func TestOrdinaryChains(t *testing.T) {
	made, err := newOTP("md5", []byte("This is a test."))
	if err != nil {
		t.Fatal(err)
	}
	if !made.ordinary() {
		t.Errorf("%+v, made here", made)
	}
	for name, spoil := range map[string]func(o *OTP){
		"sha1": func(o *OTP) { o.Algorithm = "sha1" }, "a number of a client's": func(o *OTP) { o.Sequence = OTPSequence + 1 },
		"a seed of a client's": func(o *OTP) { o.Seed = "myhost01" }, "capital letters": func(o *OTP) { o.Seed = "AB12345" },
		"letters in place of digits": func(o *OTP) { o.Seed = "abcdefg" },
	} {
		o := *made
		spoil(&o)
		if o.ordinary() {
			t.Errorf("%s: %+v", name, o)
		}
		mark := (&File{}).entry(Account{Name: "alice", OTP: &o}).Mark
		if mark == "" {
			t.Errorf("%s is not marked", name)
		}
	}
	if mark := (&File{}).entry(Account{Name: "alice", OTP: made}).Mark; mark != "" {
		t.Errorf("ours is marked: %s", mark)
	}
}
