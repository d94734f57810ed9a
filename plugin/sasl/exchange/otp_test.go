package exchange

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"sync"
	"testing"

	"rashost/plugin/users"
)

// inWords writes a one-time password as a generator does (RFC 2289, section 6.0).
func inWords(value []byte) string {
	dictionary := strings.Fields(otpDictionary)
	v := binary.BigEndian.Uint64(value)
	sum := uint64(0)
	for i := range 32 {
		sum += v >> (2 * i) & 3
	}
	words := []string{}
	for i := range 5 {
		words = append(words, dictionary[v>>(53-11*i)&0x7ff])
	}
	return strings.Join(append(words, dictionary[v<<2&0x7ff|sum&3]), " ")
}

// RFC 2289, appendix C: each one-time password in words is the hex beside it, which plugin/users computes from the pass phrase.
func TestVectorsOTPWords(t *testing.T) {
	for hexed, words := range map[string]string{
		"9E876134D90499DD": "INCH SEA ANNE LONG AHEM TOUR",
		"7965E05436F5029F": "EASE OIL FUM CURE AWRY AVIS",
		"50FE1962C4965880": "BAIL TUFT BITS GANG CHEF THY",
		"87066DD9644BF206": "FULL PEW DOWN ONCE MORT ARC",
		"7CD34C1040ADD14B": "FACT HOOF AT FIST SITE KENT",
		"5AA37A81F212146C": "BODE HOP JAKE STOW JUT RAP",
		"F205753943DE4CF9": "ULAN NEW ARMY FUSE SUIT EYED",
		"DDCDAC956F234937": "SKIM CULT LOB SLAM POE HOWL",
		"B203E28FA525BE47": "LONG IVY JULY AJAR BOND LEE",
		"D1854218EBBB0B51": "ROME MUG FRED SCAN LIVE LACE",
		"63473EF01CD0B444": "CARD SAD MINI RYE COL KIN",
		"C5E612776E6C237A": "NOTE OUT IBIS SINK NAVE MODE",
		"50076F47EB1ADE4E": "AWAY SEN ROOK SALT LICE MAP",
		"65D20D1949B5F7AB": "CHEW GRIM WU HANG BUCK SAID",
		"D150C82CCE6F62D1": "ROIL FREE COG HUNK WAIT COCA",
		"849C79D4F6F55388": "FOOL STEM DONE TOOL BECK NILE",
		"8C0992FB250847B1": "GIST AMOS MOOT AIDS FOOD SEEM",
		"3F3BF4B4145FD74B": "TAG SLOW NOV MIN WOOL KENO",
		"BB9E6AE1979D8FF4": "MILT VARY MAST OK SEES WENT",
		"63D936639734385B": "CART OTTO HIVE ODE VAT NUT",
		"87FEC7768B73CCF9": "GAFF WAIT SKID GIG SKY EYED",
		"AD85F658EBE383C9": "LEST OR HEEL SCOT ROB SUIT",
		"D07CE229B5CF119B": "RITE TAKE GELD COST TUNE RECK",
		"27BC71035AAF3DC6": "MAY STAR TIN LYON VEDA STAN",
		"D51F3E99BF8E6F0B": "RUST WELT KICK FELL TAIL FRAU",
		"82AEB52D943774E4": "FLIT DOSE ALSO MEW DRUM DEFY",
		"4F296A74FE1567EC": "AURA ALOE HURL WING BERG WAIT",
		"85C43EE03857765B": "FOWL KID MASH DEAD DUAL OAF",
		"5BF075D9959D036F": "BOND FOGY DRAB NE RISE MART",
	} {
		value, err := otpWords(words)
		if got := strings.ToUpper(hex.EncodeToString(value)); err != nil || got != hexed {
			t.Errorf("%s: %s, %v; want %s", words, got, err, hexed)
		}
		raw, _ := hex.DecodeString(hexed)
		if got := inWords(raw); got != words {
			t.Errorf("%s is written %s, want %s", hexed, got, words)
		}
	}
}

// The dictionary is complete, in order and without repetitions, and every word is found at its place.
func TestOTPDictionary(t *testing.T) {
	words := strings.Fields(otpDictionary)
	if len(words) != otpWordCount || words[otpShortWords-1] != "YOU" || words[otpShortWords] != "ABED" || words[otpWordCount-1] != "YOKE" {
		t.Fatalf("%d words", len(words))
	}
	for i, w := range words {
		if short := len(w) < 4; short != (i < otpShortWords) || len(w) > 4 {
			t.Errorf("%s has place %d", w, i)
		}
		// The word in the first place is the highest 11 bits.
		value, err := otpWords(inWords(binary.BigEndian.AppendUint64(nil, uint64(i)<<53)))
		if err != nil || binary.BigEndian.Uint64(value)>>53 != uint64(i) {
			t.Errorf("%s: %x, %v", w, value, err)
		}
	}
}

// RFC 2289, appendix C: the last word carries the parity, and three of the four that share its upper bits are wrong.
func TestOTPParity(t *testing.T) {
	for _, last := range []string{"NUT", "O", "OAK"} {
		if _, err := otpWords("FOWL KID MASH DEAD DUAL " + last); err == nil {
			t.Errorf("%s is accepted", last)
		}
	}
}

func TestOTPRefuses(t *testing.T) {
	long := strings.Repeat("a", maxField+1)
	refuse(t, "OTP", nil, map[string]one{
		"no NUL":             {"alice", SASL_BADPROT, "NUL"},
		"two NULs":           {"\x00alice\x00", SASL_BADPROT, "name"},
		"empty name":         {"\x00", SASL_BADPROT, "name"},
		"long name":          {"\x00" + long, SASL_BADPROT, "name"},
		"name not UTF-8":     {"\x00\xff", SASL_BADPROT, "name"},
		"long identity":      {long + "\x00alice", SASL_BADPROT, "identity"},
		"another identity":   {"dora\x00alice", SASL_BADAUTH, "SASL_NOAUTHZ"},
		"identity not UTF-8": {"\xff\x00alice", SASL_BADPROT, "identity"},
	})
	due := oneTimeHex(t, 399)
	raw, _ := hex.DecodeString(due)
	words := inWords(raw)
	before := []turn{{"alice\x00ALICE", "otp-md5 399 ke12345 ext", SASL_CONTINUE, ""}}
	refuse(t, "OTP", before, map[string]one{
		"empty":                   {"", SASL_BADPROT, "hex:"},
		"no kind":                 {due, SASL_BADPROT, "hex:"},
		"unknown kind":            {"base64:" + due, SASL_BADPROT, "hex:"},
		"15 digits":               {"hex:" + due[1:], SASL_BADPROT, "16 hex"},
		"17 digits":               {"hex:0" + due, SASL_BADPROT, "16 hex"},
		"18 digits":               {"hex:00" + due, SASL_BADPROT, "16 hex"},
		"not hex":                 {"hex:g" + due[1:], SASL_BADPROT, "16 hex"},
		"an argument too many":    {"hex:" + due + ":", SASL_BADPROT, "hex:"},
		"five words":              {"word:" + strings.Join(strings.Fields(words)[:5], " "), SASL_BADPROT, "six words"},
		"seven words":             {"word:" + words + " A", SASL_BADPROT, "six words"},
		"a word of no dictionary": {"word:RASH " + strings.Join(strings.Fields(words)[1:], " "), SASL_BADPROT, "six words"},
		"words of wrong parity":   {"word:FOWL KID MASH DEAD DUAL NUT", SASL_BADPROT, "parity"},
		"another's words":         {"word:FOWL KID MASH DEAD DUAL OAF", SASL_BADAUTH, "secret"},
		"the last one again":      {"hex:" + oneTimeHex(t, 400), SASL_BADAUTH, "secret"},
		"the next but one":        {"hex:" + oneTimeHex(t, 398), SASL_BADAUTH, "secret"},
		"the pass phrase":         {passPhrase, SASL_BADPROT, "hex:"},
		"too long":                {"hex:" + due + strings.Repeat(" ", maxOTP), SASL_BADPROT, "long"},
		"not UTF-8":               {"hex:\xff" + due[1:], SASL_BADPROT, "16 hex"},
		"renewal by half":         {"init-hex:" + due, SASL_BADPROT, "hex:"},
		"renewal without a value": {"init-hex:" + due + ":md5 499 ke1235:", SASL_BADPROT, "16 hex"},
		"renewal, old seed":       {"init-hex:" + due + ":md5 499 KE12345:3712dcb4aa5316c1", SASL_BADPROT, "seed"},
		"renewal, bad seed":       {"init-hex:" + due + ":md5 499 ke_1235:3712dcb4aa5316c1", SASL_BADPROT, "parameters"},
		"renewal, long seed":      {"init-hex:" + due + ":md5 499 LengthOfSeventeen:3712dcb4aa5316c1", SASL_BADPROT, "parameters"},
		"renewal, seed in two":    {"init-hex:" + due + ":md5 499 A Seed:3712dcb4aa5316c1", SASL_BADPROT, "parameters"},
		"renewal with md4":        {"init-hex:" + due + ":md4 499 ke1235:3712dcb4aa5316c1", SASL_BADPROT, "parameters"},
		"renewal with number 1":   {"init-hex:" + due + ":md5 1 ke1235:3712dcb4aa5316c1", SASL_BADPROT, "parameters"},
		"renewal, number too big": {"init-hex:" + due + ":md5 10000 ke1235:3712dcb4aa5316c1", SASL_BADPROT, "parameters"},
		"renewal, signed number":  {"init-hex:" + due + ":md5 +499 ke1235:3712dcb4aa5316c1", SASL_BADPROT, "parameters"},
		"renewal, kinds mixed":    {"init-word:" + due + ":md5 499 ke1235:3712dcb4aa5316c1", SASL_BADPROT, "six words"},
		"renewal, wrong value":    {"init-hex:0000000000000000:md5 499 ke1235:3712dcb4aa5316c1", SASL_BADAUTH, "secret"},
	})
}

// Case and blanks don't matter (RFC 2243, section 2.2; RFC 2289, section 6.0). Each one-time password is good once, and the next challenge
// is for the one before it.
func TestOTPForms(t *testing.T) {
	due := oneTimeHex(t, 399)
	raw, _ := hex.DecodeString(due)
	spaced := due[:4] + " " + due[4:8] + "\t" + due[8:]
	for _, answer := range []string{
		"hex:" + due, "HEX: " + strings.ToUpper(due) + " ", " hex : " + spaced, "word:" + inWords(raw), "Word:  " + strings.ToLower(inWords(raw)) + "  ",
	} {
		b := newBook(t)
		x := New(config(b))
		play(t, x, "OTP", turn{"\x00alice", "otp-md5 399 ke12345 ext", SASL_CONTINUE, ""}, turn{answer, "", SASL_OK, ""})
		if user, _ := x.Identity(); user != "Alice" || b.count.updates != 1 {
			t.Errorf("%q, %d updates", user, b.count.updates)
		}
		play(t, New(config(b)), "OTP", turn{"\x00alice", "otp-md5 398 ke12345 ext", SASL_CONTINUE, ""}, turn{answer, "", SASL_BADAUTH, "secret"})
		play(t, New(config(b)), "OTP", turn{"\x00alice", "otp-md5 398 ke12345 ext", SASL_CONTINUE, ""},
			turn{"hex:" + oneTimeHex(t, 398), "", SASL_OK, ""})
	}
}

// With a renewal the new state is the file's; the old chain is over.
func TestOTPRenewal(t *testing.T) {
	value, err := users.OTPStart("sha1", "dog42", []byte(passPhrase), 200)
	if err != nil {
		t.Fatal(err)
	}
	next, err := users.OTPStart("sha1", "dog42", []byte(passPhrase), 199)
	if err != nil {
		t.Fatal(err)
	}
	due := oneTimeHex(t, 399)
	raw, _ := hex.DecodeString(due)
	for _, renewal := range []string{
		"init-hex:" + due + ":SHA1  200 dog42:" + hex.EncodeToString(value),
		"init-word: " + inWords(raw) + " : sha1 0200 dog42 :" + strings.ToLower(inWords(value)),
	} {
		b := newBook(t)
		play(t, New(config(b)), "OTP", turn{"\x00alice", "otp-md5 399 ke12345 ext", SASL_CONTINUE, ""}, turn{renewal, "", SASL_OK, ""})
		play(t, New(config(b)), "OTP", turn{"\x00alice", "otp-sha1 199 dog42 ext", SASL_CONTINUE, ""},
			turn{"hex:" + oneTimeHex(t, 398), "", SASL_BADAUTH, "secret"})
		play(t, New(config(b)), "OTP", turn{"\x00alice", "otp-sha1 199 dog42 ext", SASL_CONTINUE, ""},
			turn{"hex:" + hex.EncodeToString(next), "", SASL_OK, ""})
	}
}

// The last one-time password that is taken is number 1; after it the user is expired, which only the log says.
func TestOTPLastOnes(t *testing.T) {
	b := newBook(t)
	a := b.people["alice"]
	a.OTP = oneTime(t, 2)
	b.people["alice"] = a
	play(t, New(config(b)), "OTP", turn{"\x00alice", "otp-md5 1 ke12345 ext", SASL_CONTINUE, ""}, turn{"hex:" + oneTimeHex(t, 1), "", SASL_OK, ""})
	for _, answer := range []string{oneTimeHex(t, 0), oneTimeHex(t, 1)} {
		x := New(config(b))
		if heard := begin(t, x, "OTP", []byte("\x00alice")); !otpForm.MatchString(heard) {
			t.Errorf("%q", heard)
		}
		if _, code, detail := x.Step(t.Context(), []byte("hex:"+answer)); code != SASL_BADAUTH || !strings.HasPrefix(detail, "SASL_EXPIRED") {
			t.Errorf("%v, %s", code, detail)
		}
	}
}

// Of many logins at once with the same one-time password, one gets in (RFC 2289, section 9).
func TestOTPRace(t *testing.T) {
	b := newBook(t)
	answer := []byte("hex:" + oneTimeHex(t, 399))
	var logins []*Exchange
	for range 8 {
		x := New(config(b))
		begin(t, x, "OTP", []byte("\x00alice"))
		logins = append(logins, x)
	}
	codes := make([]Code, len(logins))
	var all sync.WaitGroup
	for i, x := range logins {
		all.Go(func() { _, codes[i], _ = x.Step(t.Context(), answer) })
	}
	all.Wait()
	in := 0
	for i, x := range logins {
		_, ok := x.Identity()
		if ok {
			in++
		}
		if ok != (codes[i] == SASL_OK) || codes[i] != SASL_OK && codes[i] != SASL_BADAUTH {
			t.Errorf("%v, %v", codes[i], ok)
		}
	}
	if in != 1 {
		t.Errorf("%d got in", in)
	}
}

func hexOf(v uint64) string { return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, v)) }
