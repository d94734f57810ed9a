package exchange

import (
	"strings"
	"testing"
	"time"

	"rashost/plugin/users"
)

// one is an exchange of one message that fails.
type one struct {
	say  string
	code Code
	why  string
}

// refuse plays each message as the one that ends an exchange, after the turns before it.
func refuse(t *testing.T, mechanism string, before []turn, cases map[string]one) {
	t.Helper()
	for name, c := range cases {
		t.Run(mechanism+" "+name, func(t *testing.T) {
			b := newBook(t)
			x := New(config(b))
			x.work.nonce = func() (string, error) { return "3rfcNHYJY1ZVvWVs7j", nil }
			play(t, x, mechanism, append(append([]turn{}, before...), turn{c.say, "", c.code, c.why})...)
			if b.count.updates > 0 && c.code == SASL_BADPROT {
				t.Error("the user file was written")
			}
		})
	}
}

func TestPLAINRefuses(t *testing.T) {
	long := strings.Repeat("a", maxField+1)
	refuse(t, "PLAIN", nil, map[string]one{
		"no NUL":                    {"alice", SASL_BADPROT, "fields"},
		"one NUL":                   {"alice\x00" + secret, SASL_BADPROT, "fields"},
		"three NULs":                {"\x00alice\x00" + secret + "\x00", SASL_BADPROT, "fields"},
		"empty name":                {"\x00\x00" + secret, SASL_BADPROT, "name"},
		"empty password":            {"\x00alice\x00", SASL_BADPROT, "password"},
		"other identity":            {"dora\x00alice\x00" + secret, SASL_BADAUTH, "SASL_NOAUTHZ"},
		"other identity, wrong":     {"dora\x00alice\x00wrong", SASL_BADAUTH, "secret"},
		"other identity, unknown":   {"alice\x00mallory\x00" + secret, SASL_BADAUTH, "SASL_NOUSER"},
		"name not UTF-8":            {"\x00al\xffice\x00" + secret, SASL_BADPROT, "name"},
		"password not UTF-8":        {"\x00alice\x00wonder\xff", SASL_BADPROT, "password"},
		"identity not UTF-8":        {"\xff\x00alice\x00" + secret, SASL_BADPROT, "identity"},
		"long name":                 {"\x00" + long + "\x00" + secret, SASL_BADPROT, "name"},
		"long password":             {"\x00alice\x00" + long, SASL_BADPROT, "password"},
		"long identity":             {long + "\x00alice\x00" + secret, SASL_BADPROT, "identity"},
		"control in the name":       {"\x00al\x07ice\x00" + secret, SASL_BADPROT, "name"},
		"control in the password":   {"\x00alice\x00" + secret + "\x07", SASL_BADPROT, "password"},
		"prohibited in the name":    {"\x00alice\ufffd\x00" + secret, SASL_BADPROT, "name"},
		"only what maps to nothing": {"\x00\u00ad\x00" + secret, SASL_BADPROT, "name"},
		"password with a blank":     {"\x00alice\x00" + secret + " ", SASL_BADAUTH, "secret"},
		"password in another case":  {"\x00alice\x00" + strings.ToUpper(secret), SASL_BADAUTH, "secret"},
	})
	// At the limits it is judged; a name that SASLprep makes another is that one (RFC 4013: U+FF41 is a wide a, U+00AD nothing).
	refuse(t, "PLAIN", nil, map[string]one{"longest": {"\x00" + long[1:] + "\x00" + long[1:], SASL_BADAUTH, "SASL_NOUSER"}})
	play(t, New(config(newBook(t))), "PLAIN", turn{"\x00\uff41li\u00adce\x00" + secret, "", SASL_OK, ""})
}

func TestLOGINRefuses(t *testing.T) {
	ask := turn{none, "Username:", SASL_CONTINUE, ""}
	refuse(t, "LOGIN", []turn{ask}, map[string]one{
		"empty name":     {"", SASL_BADPROT, "name"},
		"name with NUL":  {"ali\x00ce", SASL_BADPROT, "name"},
		"name not UTF-8": {"\xff", SASL_BADPROT, "name"},
		"long name":      {strings.Repeat("a", maxField+1), SASL_BADPROT, "name"},
	})
	refuse(t, "LOGIN", []turn{ask, {"alice", "Password:", SASL_CONTINUE, ""}}, map[string]one{
		"empty password":    {"", SASL_BADPROT, "password"},
		"wrong password":    {"wrong", SASL_BADAUTH, "secret"},
		"password with NUL": {"wonder\x00land", SASL_BADPROT, "password"},
		"long password":     {strings.Repeat("a", maxField+1), SASL_BADPROT, "password"},
	})
	refuse(t, "LOGIN", []turn{ask, {"mallory", "Password:", SASL_CONTINUE, ""}}, map[string]one{"unknown": {secret, SASL_BADAUTH, "SASL_NOUSER"}})
	for _, end := range []string{"", "\x00"} {
		play(t, New(config(newBook(t))), "LOGIN", ask, turn{"alice" + end, "Password:", SASL_CONTINUE, ""}, turn{secret + end, "", SASL_OK, ""})
	}
}

func TestCRAMRefuses(t *testing.T) {
	// HMAC-MD5 of the challenge below under the secret, computed with OpenSSL.
	const challenge, right = "<3rfcNHYJY1ZVvWVs7j.1772366400@line.example>", "5dfee243a849e59fad1c79654c1a5642"
	before := []turn{{none, challenge, SASL_CONTINUE, ""}}
	refuse(t, "CRAM-MD5", before, map[string]one{
		"empty":            {"", SASL_BADPROT, "hex"},
		"no space":         {"alice", SASL_BADPROT, "hex"},
		"no name":          {" " + right, SASL_BADPROT, "name"},
		"digest alone":     {right, SASL_BADPROT, "hex"},
		"upper-case hex":   {"alice " + strings.ToUpper(right), SASL_BADPROT, "hex"},
		"31 digits":        {"alice " + right[1:], SASL_BADPROT, "hex"},
		"33 digits":        {"alice 0" + right, SASL_BADPROT, "hex"},
		"not hex":          {"alice " + strings.Replace(right, "d", "g", 1), SASL_BADPROT, "hex"},
		"a space behind":   {"alice " + right + " ", SASL_BADPROT, "hex"},
		"name not UTF-8":   {"al\xffice " + right, SASL_BADPROT, "name"},
		"name with NUL":    {"al\x00ice " + right, SASL_BADPROT, "name"},
		"long name":        {strings.Repeat("a", maxField+1) + " " + right, SASL_BADPROT, "name"},
		"wrong digest":     {"alice " + zeros, SASL_BADAUTH, "secret"},
		"name with spaces": {"al ice x " + right, SASL_BADAUTH, "SASL_NOUSER"},
		"other's digest":   {"carol " + right, SASL_BADAUTH, "SASL_NOVERIFY"},
		"unknown":          {"mallory " + right, SASL_BADAUTH, "SASL_NOUSER"},
		"one bit off":      {"alice " + "9" + right[1:], SASL_BADAUTH, "secret"},
	})
	x := pinned(newBook(t), "3rfcNHYJY1ZVvWVs7j")
	play(t, x, "CRAM-MD5", before[0], turn{"ALICE " + right, "", SASL_OK, ""})
	// Of a user whose name has blanks, the last one counts.
	b := newBook(t)
	b.people["al ice x"] = users.Account{Name: "al ice x", Secret: secret}
	play(t, pinned(b, "3rfcNHYJY1ZVvWVs7j"), "CRAM-MD5", before[0], turn{"al ice x " + right, "", SASL_OK, ""})
	// Two challenges are never the same, and a response to one is none to the other.
	one, two := begin(t, New(config(newBook(t))), "CRAM-MD5", nil), begin(t, New(config(newBook(t))), "CRAM-MD5", nil)
	if one == two {
		t.Errorf("%q twice", one)
	}
}

func TestSCRAMRefusesTheFirstMessage(t *testing.T) {
	refuse(t, "SCRAM-SHA-256", nil, map[string]one{
		"p, binding that is not on offer": {"p=tls-unique,,n=alice,r=abc", SASL_BADBINDING, ""},
		"p without a name":                {"p=,,n=alice,r=abc", SASL_BADPROT, "flag"},
		"unknown flag":                    {"x,,n=alice,r=abc", SASL_BADPROT, "flag"},
		"flag in capitals":                {"N,,n=alice,r=abc", SASL_BADPROT, "flag"},
		"no flag":                         {",,n=alice,r=abc", SASL_BADPROT, "flag"},
		"no header":                       {"n=alice,r=abc", SASL_BADPROT, "flag"},
		"flag alone":                      {"n", SASL_BADPROT, "flag"},
		"header alone":                    {"n,,", SASL_BADPROT, "name, nonce"},
		"one comma short":                 {"n,n=alice,r=abc", SASL_BADPROT, ""},
		"no nonce":                        {"n,,n=alice", SASL_BADPROT, "name, nonce"},
		"empty nonce":                     {"n,,n=alice,r=", SASL_BADPROT, "nonce"},
		"comma in the nonce":              {"n,,n=alice,r=ab,c", SASL_BADPROT, "understood"},
		"blank in the nonce":              {"n,,n=alice,r=a b", SASL_BADPROT, "nonce"},
		"umlaut in the nonce":             {"n,,n=alice,r=aäb", SASL_BADPROT, "nonce"},
		"long nonce":                      {"n,,n=alice,r=" + strings.Repeat("a", maxNonce+1), SASL_BADPROT, "nonce"},
		"empty name":                      {"n,,n=,r=abc", SASL_BADPROT, "name"},
		"long name":                       {"n,,n=" + strings.Repeat("a", maxField+1) + ",r=abc", SASL_BADPROT, "name"},
		"bare = in the name":              {"n,,n=al=ice,r=abc", SASL_BADPROT, "name"},
		"=2c in small letters":            {"n,,n=al=2cice,r=abc", SASL_BADPROT, "name"},
		"= at the end":                    {"n,,n=alice=,r=abc", SASL_BADPROT, "name"},
		"name not UTF-8":                  {"n,,n=al\xffice,r=abc", SASL_BADPROT, "UTF-8"},
		"NUL":                             {"n,,n=al\x00ice,r=abc", SASL_BADPROT, "NUL"},
		"control in the name":             {"n,,n=al\x07ice,r=abc", SASL_BADPROT, "name"},
		"other order":                     {"n,,r=abc,n=alice", SASL_BADPROT, "name, nonce"},
		"m first":                         {"n,,m=x,n=alice,r=abc", SASL_BADPROT, "understood"},
		"m last":                          {"n,,n=alice,r=abc,m=x", SASL_BADPROT, "understood"},
		"extension without a value":       {"n,,n=alice,r=abc,x", SASL_BADPROT, "understood"},
		"extension with an empty value":   {"n,,n=alice,r=abc,x=", SASL_BADPROT, "understood"},
		"extension with a digit":          {"n,,n=alice,r=abc,1=x", SASL_BADPROT, "understood"},
		"another identity":                {"n,a=dora,n=alice,r=abc", SASL_BADAUTH, "SASL_NOAUTHZ"},
		"identity without a=":             {"n,alice,n=alice,r=abc", SASL_BADPROT, "identity"},
		"empty identity":                  {"n,a=,n=alice,r=abc", SASL_BADPROT, "identity"},
		"identity with a bare =":          {"n,a==,n=alice,r=abc", SASL_BADPROT, "identity"},
		"too long":                        {"n,,n=alice,r=abc,x=" + strings.Repeat("a", maxScram), SASL_BADPROT, "long"},
	})
	const answer = "r=abc3rfcNHYJY1ZVvWVs7j,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=15000"
	for _, ok := range []string{
		"n,,n=alice,r=abc", "y,,n=alice,r=abc", "n,a=ALICE,n=alice,r=abc", "n,,n=alice,r=abc,x=y,z==", "n,,n=\uff41lice,r=abc",
	} {
		play(t, pinned(newBook(t), "3rfcNHYJY1ZVvWVs7j"), "SCRAM-SHA-256", turn{ok, answer, SASL_CONTINUE, ""})
	}
	// =2C and =3D are a comma and an equals sign, each read once.
	for sent, name := range map[string]string{"al=2Cice": "al,ice", "al=3Dice": "al=ice", "a=3D2Cb": "a=2Cb", "=3D=2C": "=,"} {
		x := New(config(newBook(t)))
		begin(t, x, "SCRAM-SHA-256", []byte("n,,n="+sent+",r=abc"))
		if x.Name() != name {
			t.Errorf("%s is %q", sent, x.Name())
		}
	}
}

func TestSCRAMRefusesTheProof(t *testing.T) {
	const nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	const proof = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	for name, c := range map[string]one{
		"empty":                       {"", SASL_BADPROT, ""},
		"no proof":                    {"c=biws,r=" + nonce, SASL_BADPROT, ""},
		"proof first":                 {"p=" + proof + ",c=biws,r=" + nonce, SASL_BADPROT, ""},
		"nonce first":                 {"r=" + nonce + ",c=biws,p=" + proof, SASL_BADPROT, ""},
		"no channel binding":          {"r=" + nonce + ",p=" + proof, SASL_BADPROT, ""},
		"y where n was said":          {"c=eSws,r=" + nonce + ",p=" + proof, SASL_BADBINDING, "header"},
		"empty binding":               {"c=,r=" + nonce + ",p=" + proof, SASL_BADBINDING, "header"},
		"binding data":                {"c=biwsYWJj,r=" + nonce + ",p=" + proof, SASL_BADBINDING, "header"},
		"binding not base64":          {"c=bi!s,r=" + nonce + ",p=" + proof, SASL_BADPROT, "base64"},
		"binding with loose bits":     {"c=biwt=,r=" + nonce + ",p=" + proof, SASL_BADPROT, "base64"},
		"client's nonce alone":        {"c=biws,r=rOprNGfwEbeRWgbNEkqO,p=" + proof, SASL_BADPROT, "nonce"},
		"nonce with more":             {"c=biws,r=" + nonce + "x,p=" + proof, SASL_BADPROT, "nonce"},
		"another nonce":               {"c=biws,r=x" + nonce[1:] + ",p=" + proof, SASL_BADPROT, "nonce"},
		"empty nonce":                 {"c=biws,r=,p=" + proof, SASL_BADPROT, "nonce"},
		"empty proof":                 {"c=biws,r=" + nonce + ",p=", SASL_BADPROT, "proof"},
		"short proof":                 {"c=biws,r=" + nonce + ",p=" + base64Of(make([]byte, 31)), SASL_BADPROT, "proof"},
		"long proof":                  {"c=biws,r=" + nonce + ",p=" + base64Of(make([]byte, 33)), SASL_BADPROT, "proof"},
		"proof not base64":            {"c=biws,r=" + nonce + ",p=" + strings.Replace(proof, "d", "!", 1), SASL_BADPROT, "proof"},
		"proof without padding":       {"c=biws,r=" + nonce + ",p=" + strings.TrimRight(proof, "="), SASL_BADPROT, "proof"},
		"something behind the proof":  {"c=biws,r=" + nonce + ",p=" + proof + ",x=y", SASL_BADPROT, ""},
		"proof of another message":    {"c=biws,r=" + nonce + ",x=y,p=" + proof, SASL_BADAUTH, "secret"},
		"zero proof":                  {"c=biws,r=" + nonce + ",p=" + base64Of(make([]byte, 32)), SASL_BADAUTH, "secret"},
		"one bit off":                 {"c=biws,r=" + nonce + ",p=e" + proof[1:], SASL_BADAUTH, "secret"},
		"extension that must be read": {"c=biws,r=" + nonce + ",m=x,p=" + proof, SASL_BADPROT, ""},
		"extension without a value":   {"c=biws,r=" + nonce + ",x,p=" + proof, SASL_BADPROT, ""},
		"not UTF-8":                   {"c=biws,r=" + nonce + ",x=\xff,p=" + proof, SASL_BADPROT, "UTF-8"},
		"too long":                    {"c=biws,r=" + nonce + ",x=" + strings.Repeat("a", maxScram) + ",p=" + proof, SASL_BADPROT, "long"},
		"first message again":         {"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", SASL_BADPROT, ""},
	} {
		t.Run(name, func(t *testing.T) {
			x, turns := rightSCRAM(t)
			play(t, x, "SCRAM-SHA-256", turns[0], turn{c.say, "", c.code, c.why})
		})
	}
	// The proof of one exchange is none in the next, whose nonce is another.
	x, turns := rightSCRAM(t)
	x.work.nonce = x.token
	begin(t, x, "SCRAM-SHA-256", []byte(turns[0].say))
	if _, code, _ := x.Step(t.Context(), []byte(turns[1].say)); code != SASL_BADPROT {
		t.Errorf("a replay gets %v", code)
	}
}

func TestEXTERNALRefuses(t *testing.T) {
	refuse(t, "EXTERNAL", nil, map[string]one{
		"another identity": {"alice", SASL_BADAUTH, "SASL_NOAUTHZ"},
		"not UTF-8":        {"\xff", SASL_BADPROT, "identity"},
		"NUL":              {number + "\x00", SASL_BADPROT, "identity"},
		"long":             {strings.Repeat("5", maxField+1), SASL_BADPROT, "identity"},
	})
	play(t, New(config(newBook(t))), "EXTERNAL", turn{number, "", SASL_OK, ""})
	// Withheld and out of area are no numbers, though a user may be called so.
	for _, id := range []string{"", "P", "O"} {
		b := newBook(t)
		b.people["p"], b.people["o"], b.people[""] = users.Account{Name: "P"}, users.Account{Name: "O"}, users.Account{Name: "x"}
		c := config(b)
		c.CallerID = id
		for _, said := range []string{"", "P", "O"} {
			play(t, New(c), "EXTERNAL", turn{said, "", SASL_BADAUTH, "no caller id"})
		}
	}
}

// What is wrong with a response of DIGEST-MD5 is package sspi's to find; here is what becomes of its answers.
func TestDIGESTRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(answer string) string
		code Code
		why  string
	}{
		"empty":          {func(string) string { return "" }, SASL_BADPROT, "SEC_E_INVALID_TOKEN"},
		"not directives": {func(string) string { return "alice" }, SASL_BADPROT, "SEC_E_INVALID_TOKEN"},
		"other quality":  {func(a string) string { return strings.Replace(a, "qop=auth", "qop=auth-int", 1) }, SASL_BADPROT, "SEC_E_QOP_NOT_SUPPORTED"},
		"counts from 2":  {func(a string) string { return strings.Replace(a, "nc=00000001", "nc=00000002", 1) }, SASL_BADAUTH, "SEC_E_LOGON_DENIED"},
		"wrong digest":   {func(a string) string { return responseDirective.ReplaceAllString(a, "response="+zeros) }, SASL_BADAUTH, "SEC_E_LOGON_DENIED"},
		"upper-case digest": {func(a string) string {
			return responseDirective.ReplaceAllStringFunc(a, func(d string) string { return "response=" + strings.ToUpper(d[9:]) })
		}, SASL_BADPROT, "SEC_E_INVALID_TOKEN"},
		"foreign nonce":   {func(a string) string { return strings.Replace(a, `,nonce="`, `,nonce="x`, 1) }, SASL_BADPROT, "SEC_E_INVALID_TOKEN"},
		"other service":   {func(a string) string { return strings.Replace(a, `"pop/`, `"imap/`, 1) }, SASL_BADPROT, "SEC_E_INVALID_TOKEN"},
		"over 4096 bytes": {func(a string) string { return a + `,x="` + strings.Repeat("a", 4096) + `"` }, SASL_BADPROT, "SEC_E_INVALID_TOKEN"},
	} {
		x := New(config(newBook(t)))
		challenge := begin(t, x, "DIGEST-MD5", nil)
		out, code, detail := x.Step(t.Context(), []byte(c.edit(digestAnswer(challenge, "Alice", digestOf(challenge, "Alice", secret)))))
		if code != c.code || out != nil || !strings.HasPrefix(detail, c.why) {
			t.Errorf("%s: %q, %v, %s", name, out, code, detail)
		}
	}
}

// A response that is right and counts from 2, or comes after the challenge's five minutes, is refused no differently from a wrong one.
func TestDIGESTRefusesWhatIsRightTooLate(t *testing.T) {
	for count, want := range map[string]string{"00000002": "SEC_E_OUT_OF_SEQUENCE", "00000001": "SEC_I_CONTINUE_NEEDED"} {
		c, now := config(newBook(t)), epoch
		c.Now = func() time.Time { return now }
		x := New(c)
		challenge := begin(t, x, "DIGEST-MD5", nil)
		if count == "00000001" {
			now = now.Add(5 * time.Minute)
		}
		answer := digestAnswer(challenge, "Alice", digestOfCount(challenge, "Alice", secret, count))
		out, code, detail := x.Step(t.Context(), []byte(strings.Replace(answer, "nc=00000001", "nc="+count, 1)))
		if code != SASL_BADAUTH || out != nil || !strings.HasPrefix(detail, want) {
			t.Errorf("nc %s: %q, %v, %s", count, out, code, detail)
		}
	}
}
