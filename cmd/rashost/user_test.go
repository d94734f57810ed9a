package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"rashost/internal/config"
	"rashost/plugin/users"
)

// runWith is run with a standard input.
func (b *bench) runWith(want int, stdin string, args ...string) (stdout, stderr string) {
	b.t.Helper()
	var out, errs bytes.Buffer
	if code := run(b.t.Context(), append([]string{"-c", b.config}, args...), strings.NewReader(stdin), &out, &errs); code != want {
		b.t.Errorf("%v: exit %d, want %d\n%s%s", args, code, want, &out, &errs)
	}
	return out.String(), errs.String()
}

// change replaces one part of the configuration.
func (b *bench) change(old, put string) {
	b.t.Helper()
	text, err := os.ReadFile(b.config)
	if err == nil {
		changed := strings.Replace(string(text), old, put, 1)
		if changed == string(text) {
			b.t.Fatalf("%q is not in the configuration", old)
		}
		err = os.WriteFile(b.config, []byte(changed), 0o600)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// userCommand is an app that reads secret, and the user file it works on.
func userCommand(t *testing.T, secret string) (a *app, f *users.File, stderr *bytes.Buffer) {
	t.Helper()
	stderr = new(bytes.Buffer)
	f, err := users.NewFile(filepath.Join(t.TempDir(), "users.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return &app{stdin: strings.NewReader(secret + "\n"), stdout: new(bytes.Buffer), stderr: stderr}, f, stderr
}

// What the dialogs need is kept, and the operator hears of a password that is stored as it is before it is asked for.
func TestUserAddKeepsWhatIsNeeded(t *testing.T) {
	scram := users.Verifiers{SCRAM: []string{"SCRAM-SHA-256"}}
	for name, c := range map[string]struct {
		target userTarget
		want   users.Verifiers
		said   string // on the terminal beforehand
		after  string
	}{
		"no dialog": {userTarget{}, users.Verifiers{Hash: true}, "", "added alice"},
		"scram":     {userTarget{needs: scram}, scram, "", "added alice"},
		"CRAM-MD5": {
			userTarget{needs: users.Verifiers{Plain: true}, plain: []string{"post"}}, users.Verifiers{Plain: true},
			"the password itself is stored, because dialog post allows CRAM-MD5\n", "added alice",
		},
		"CRAM-MD5 twice": {
			userTarget{needs: users.Verifiers{Plain: true}, plain: []string{"mail", "post"}}, users.Verifiers{Plain: true},
			"the password itself is stored, because dialogs mail, post allow CRAM-MD5\n", "added alice",
		},
		"OTP too": {
			userTarget{needs: users.Verifiers{Hash: true, OTP: true}}, users.Verifiers{Hash: true}, "",
			"added alice\nfor one-time passwords run: rashost user otp alice",
		},
		"OTP alone": {userTarget{needs: users.Verifiers{OTP: true}}, users.Verifiers{OTP: true}, "", "added alice"},
	} {
		t.Run(name, func(t *testing.T) {
			a, f, stderr := userCommand(t, "correct horse")
			said, err := a.addUser(c.target, f, "alice")
			if err != nil || said != c.after || stderr.String() != c.said {
				t.Errorf("%q, %q, %v", said, stderr, err)
			}
			if entry, err := userEntry(f, "alice"); err != nil || !reflect.DeepEqual(entry.Has, c.want) {
				t.Errorf("kept are %+v, %v", entry.Has, err)
			}
		})
	}
	a, f, _ := userCommand(t, "correct horse")
	if _, err := a.addUser(userTarget{}, f, "-rf"); !errors.Is(err, users.ErrName) {
		t.Errorf("a bad name: %v", err)
	}
}

// The first line of standard input is the password, without its one CR LF; a bad one is refused with what is wrong, however long it is.
func TestUserAddFromStandardInput(t *testing.T) {
	for stdin, want := range map[string]string{"pw\n": "pw", "pw\r\n": "pw", "pw": "pw", " pw \r\r\nmore\n": " pw \r", "p\rw\n": "p\rw"} {
		a, f, _ := userCommand(t, "")
		a.stdin = strings.NewReader(stdin)
		if _, err := a.addUser(userTarget{}, f, "alice"); err != nil {
			t.Errorf("%q: %v", stdin, err)
		} else if ok, err := f.Verify("alice", []byte(want)); !ok || err != nil {
			t.Errorf("%q: the password is not %q, %v", stdin, want, err)
		}
	}
	for stdin, want := range map[string]error{
		strings.Repeat("x", users.MaxSecret) + "\r\n": nil,
		strings.Repeat("x", users.MaxSecret+1) + "\n": users.ErrLongSecret,
		strings.Repeat("x", 2*users.MaxSecret) + "\n": users.ErrLongSecret,
		strings.Repeat("x", 10*users.MaxSecret):       users.ErrLongSecret,
		"\n":                                          users.ErrNoSecret,
		"sword\x00fish\n":                             users.ErrSecretText,
		"sw\xf6rdfish\n":                              users.ErrSecretText,
	} {
		a, f, _ := userCommand(t, "")
		a.stdin = strings.NewReader(stdin)
		if _, err := a.addUser(userTarget{}, f, "alice"); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", stdin, err, want)
		}
	}
}

// A new password keeps what is needed now; where nothing says what is needed, what the user had.
func TestUserPasswd(t *testing.T) {
	a, f, stderr := userCommand(t, "new secret")
	had := users.Verifiers{SCRAM: []string{"SCRAM-SHA-256"}, Plain: true}
	if err := f.Add("alice", []byte("old secret"), had); err != nil {
		t.Fatal(err)
	}
	said, err := a.changePassword(userTarget{}, f, "ALICE")
	if entry, _ := userEntry(f, "alice"); err != nil || said != "changed ALICE" || !reflect.DeepEqual(entry.Has, had) {
		t.Errorf("%q, %v, %+v", said, err, entry)
	}
	wantText(t, stderr.String(), "the password itself is stored, because it was before")
	if err := f.StartOTP("alice", "", []byte("pass phrase")); err != nil {
		t.Fatal(err)
	}
	a.stdin = strings.NewReader("third secret\n")
	said, err = a.changePassword(userTarget{needs: users.Verifiers{Hash: true, OTP: true}}, f, "alice")
	if entry, _ := userEntry(f, "alice"); err != nil || said != "changed alice" || !reflect.DeepEqual(entry.Has, users.Verifiers{Hash: true, OTP: true}) {
		t.Errorf("%q, %v, %+v", said, err, entry)
	}
	if _, err := a.changePassword(userTarget{}, f, "bob"); !errors.Is(err, users.ErrNoUser) {
		t.Errorf("an unknown user: %v", err)
	}
}

func TestUserOTPCommand(t *testing.T) {
	b := newBench(t)
	b.runWith(0, "correct horse\n", "user", "add", "alice")
	out, errs := b.runWith(0, "This is a test.\n", "user", "otp", "alice", "--algorithm", "sha1")
	if out != "one-time passwords begin anew for alice\n" || errs != "" {
		t.Errorf("%q, %q", out, errs)
	}
	out, _ = b.run(0, "user", "list")
	wantText(t, out, "OTP (499 left)")
	for want, args := range map[string][]string{
		"there is no such user":                    {"user", "otp", "bob"},
		"the pass phrase must have 10 to 63 bytes": {"user", "otp", "alice"},
		"must be md5 or sha1":                      {"user", "otp", "alice", "--algorithm", "md4"},
	} {
		stdin := "This is a test.\n"
		if len(args) == 3 {
			stdin = "short\n"
		}
		if _, errs := b.runWith(1, stdin, args...); !strings.Contains(errs, want) || strings.Contains(errs, "short") {
			t.Errorf("%v: %q", args, errs)
		}
	}
}

func TestUserList(t *testing.T) {
	_, f, _ := userCommand(t, "")
	for name, v := range map[string]users.Verifiers{
		"alice": {Hash: true}, "bob": {SCRAM: []string{"SCRAM-SHA-256"}, Digest: []users.DigestKind{{Realm: "rashost", Algorithm: "MD5"}}},
	} {
		if err := f.Add(name, []byte("sesame"), v); err != nil {
			t.Fatal(err)
		}
	}
	needs := users.Verifiers{SCRAM: []string{"SCRAM-SHA-256", "SCRAM-SHA-512"}, OTP: true}
	var views []userView
	for _, name := range []string{"alice", "bob"} {
		entry, err := userEntry(f, name)
		if err != nil {
			t.Fatal(err)
		}
		views = append(views, viewUser(entry, needs))
	}
	var table, text bytes.Buffer
	if err := writeUsers(&table, views); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(table.String(), "\n")
	wantText(t, lines[1], "alice  argon2id  password ", "needs: passwd, for SCRAM-SHA-256, SCRAM-SHA-512; needs: otp, for OTP")
	wantText(t, lines[2], "bob    -         SCRAM-SHA-256, digest MD5 \"rashost\" ", "needs: passwd, for SCRAM-SHA-512; needs: otp")
	if err := writeUsersJSON(&text, views); err != nil {
		t.Fatal(err)
	}
	var got []userView
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if u := got[1]; u.Hash != "" || !slices.Equal(u.Keeps, []string{"SCRAM-SHA-256", `digest MD5 "rashost"`}) ||
		!slices.Equal(u.Needs, []string{"passwd, for SCRAM-SHA-512", "otp, for OTP"}) || u.OTPLeft != 0 {
		t.Errorf("%+v", u)
	}
	entry, err := userEntry(f, "alice")
	if err != nil {
		t.Fatal(err)
	}
	text.Reset()
	if err := writeUsersJSON(&text, []userView{viewUser(entry, users.Verifiers{Hash: true})}); err != nil {
		t.Fatal(err)
	}
	wantText(t, text.String(), `"needs": []`)
}

const twoDialogs = "dialogs: {staff: {plugin: password, options: {file: users.yaml}}, guests: {plugin: password, options: {file: ./link.yaml}}}"

// Dialogs that share a file share its users; the lock-out state is each one's own.
func TestUserTargets(t *testing.T) {
	b := newBench(t)
	b.change("dialogs: {staff: {plugin: password, options: {file: users.yaml}}}", twoDialogs)
	_, errs := b.runWith(2, "sesame\n", "user", "add", "alice")
	wantText(t, errs, "guests, staff have different user files: say which with --dialog")
	b.runWith(0, "sesame\n", "user", "add", "alice", "--dialog", "staff")
	if err := os.Symlink("users.yaml", filepath.Join(b.dir, "link.yaml")); err != nil {
		t.Fatal(err)
	}
	b.runWith(0, "sesame\n", "user", "add", "bob")
	out, _ := b.run(0, "user", "list", "--dialog", "guests")
	wantText(t, out, "alice", "bob")
	if _, errs := b.run(2, "user", "unlock", "bob"); !strings.Contains(errs, "say which with --dialog") {
		t.Errorf("unlock without --dialog: %q", errs)
	}
	if err := os.Mkdir(filepath.Join(b.dir, "state"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.run(0, "user", "unlock", "bob", "--dialog", "staff")
	if _, errs := b.run(2, "user", "list", "--dialog", "nobody"); !strings.Contains(errs, `no dialog "nobody" with a user file`) {
		t.Errorf("an unknown dialog: %q", errs)
	}
	b.change("file: users.yaml", "file: ''")
	if _, errs := b.run(2, "user", "list"); !strings.Contains(errs, "dialogs.staff.options: file is missing") {
		t.Errorf("no file: %q", errs)
	}
}

// With --file, a configuration is used as far as there is one.
func TestUserFileWithoutConfiguration(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(b.dir, "users.yaml")
	if _, errs := b.runWith(0, "sesame\n", "user", "add", "alice", "--file", file); errs != "" {
		t.Errorf("with a configuration: %q", errs)
	}
	b.change("state_dir", "sate_dir")
	_, errs := b.runWith(0, "sesame\n", "user", "add", "bob", "--file", file)
	wantText(t, errs, "has faults, and what its dialogs need of a user is not known")
	if err := os.Remove(b.config); err != nil {
		t.Fatal(err)
	}
	if _, errs := b.runWith(0, "sesame\n", "user", "passwd", "bob", "--file", file); errs != "" {
		t.Errorf("without a configuration: %q", errs)
	}
	if _, errs := b.run(2, "user", "unlock", "bob", "--file", file); errs == "" {
		t.Error("unlock takes a user file")
	}
}

// What several dialogs need of the users of one file is put together.
func TestNeedsOfSeveralDialogs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	text := strings.Replace(commandsConfig, "dialogs: {staff: {plugin: password, options: {file: users.yaml}}}", `dialogs:
  staff: {plugin: password, options: {file: users.yaml}}
  post: {plugin: mail, options: {file: users.yaml}}
  other: {plugin: mail, options: {file: other.yaml}}
  open: {plugin: anyone}`, 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(path, config.Env{})
	if err != nil {
		t.Fatal(err)
	}
	table := userPlugins()
	table["mail"] = func(decode func(any) error) (string, users.Verifiers, error) {
		var o struct {
			File string `yaml:"file"`
		}
		err := decode(&o)
		return o.File, users.Verifiers{SCRAM: []string{"SCRAM-SHA-256"}, Plain: true}, err
	}
	all, err := fileUsers(c, table)
	if err != nil || len(all) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	got := targetOf(all, filepath.Join(dir, "users.yaml"))
	want := users.Verifiers{Hash: true, SCRAM: []string{"SCRAM-SHA-256"}, Plain: true}
	if !reflect.DeepEqual(got.needs, want) || !slices.Equal(got.plain, []string{"post"}) {
		t.Errorf("%+v", got)
	}
	table["mail"] = func(func(any) error) (string, users.Verifiers, error) { return "", users.Verifiers{}, os.ErrInvalid }
	if _, err := fileUsers(c, table); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("options that can't be read: %v", err)
	}
}

// The fault of a user file names the file, and what to do about it, once.
func TestUserFileFault(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(b.dir, "users.yaml")
	b.runWith(0, "sesame\n", "user", "add", "alice", "--file", file)
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	_, errs := b.run(1, "user", "list", "--file", file)
	wantText(t, errs, "user file "+file+": mode 0644", "run: chmod 600 "+file)
	if n := strings.Count(errs, file); n != 2 {
		t.Errorf("%q names the file %d times, once for the fault and once for the command is enough", errs, n)
	}
}
