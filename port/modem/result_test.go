package modem_test

import (
	"strings"
	"testing"

	"rashost/port/modem"
)

func TestParseResult(t *testing.T) {
	for line, want := range map[string]modem.ResultKind{
		"OK": modem.OK, "ok": modem.OK, " OK ": modem.OK, "0": modem.OK,
		"CONNECT": modem.Connected, "CONNECT 28800": modem.Connected, "CONNECT/ARQ": modem.Connected, "CONNECT1200": modem.Connected, "1": modem.Connected,
		"RING": modem.Ring, "2": modem.Ring, "RING 1": modem.Ring, "RING;123;456": modem.Ring, "RING: D DN1 555": modem.Ring, "+CRING: ASYNC": modem.Ring,
		"RING CID: 1 DAD: 2": modem.Ring, "RINGING": modem.Ringing, "RINGBACK": modem.Ringing,
		"NO CARRIER": modem.NoCarrier, "3": modem.NoCarrier, "NO CARRIER (18)": modem.NoCarrier, "no carrier": modem.NoCarrier,
		"ERROR": modem.Error, "4": modem.Error, "+CME ERROR: 3": modem.Error, "+CMS ERROR: 500": modem.Error, "+FCERROR": modem.Error,
		"NO DIALTONE": modem.NoDialtone, "NO DIAL TONE": modem.NoDialtone, "6": modem.NoDialtone,
		"BUSY": modem.Busy, "7": modem.Busy, "NO ANSWER": modem.NoAnswer, "8": modem.NoAnswer,
		"VOICE": modem.Voice, "FAX": modem.Fax, "DATA": modem.Data, "DELAYED": modem.Delayed, "BLACKLISTED": modem.Blacklisted,
		"BLACKLIST FULL": modem.Blacklisted, "LINE IN USE": modem.LineInUse, "NO BONGTONE": modem.NoBongtone,
		"HARDWARE FAILURE": modem.Error, "RUNG": modem.NoCarrier, "Modulation: V92": modem.Info,
		"CARRIER 28800": modem.Info, "PROTOCOL: LAP-M": modem.Info, "COMPRESSION: V.42BIS": modem.Info, "+MCR: V34": modem.Info,
		"+MRR: 28800": modem.Info, "+ER: LAPM": modem.Info, "+DR: NONE": modem.Info, "+ILRR: 115200": modem.Info,
		"": modem.None, "OKAY": modem.None, "CONNECTION": modem.None, "NMBR = 1": modem.None, "ATE0": modem.None, "5": modem.None,
		"12": modem.None, "NO CARRIERS": modem.None, "xRING": modem.None, "RINGX": modem.None, "56000": modem.None,
	} {
		if got := modem.ParseResult(line); got.Kind != want {
			t.Errorf("%q: %v, want %v", line, got.Kind, want)
		}
	}
	if r := modem.ParseResult("CONNECT 28800/ARQ"); r.Connect.Text != "28800/ARQ" || r.Connect.Rate != 28800 || r.Numeric {
		t.Errorf("%+v", r)
	}
	if r := modem.ParseResult("3"); !r.Numeric || r.Text != "NO CARRIER" {
		t.Errorf("%+v", r)
	}
}

func TestParserTakesNumbersOnlyUntilWords(t *testing.T) {
	p := modem.Parser{Codes: map[int]string{11: "CONNECT 4800", 24: "DELAYED"}}
	if r := p.Parse("11"); r.Kind != modem.Connected || r.Connect.Rate != 4800 || !r.Numeric {
		t.Errorf("11: %+v", r)
	}
	if r := p.Parse("24"); r.Kind != modem.Delayed {
		t.Errorf("24: %+v", r)
	}
	if r := p.Parse("0"); r.Kind != modem.OK {
		t.Errorf("0: %+v", r)
	}
	p.Parse("OK")
	for _, line := range []string{"0", "2", "11"} {
		if r := p.Parse(line); r.Kind != modem.None {
			t.Errorf("%s after words: %+v", line, r)
		}
	}
	p.Reset()
	if r := p.Parse("2"); r.Kind != modem.Ring {
		t.Errorf("2 after reset: %+v", r)
	}
}

func TestFailedKinds(t *testing.T) {
	for k := modem.None; k <= modem.Info; k++ {
		want := strings.Contains(" NO CARRIER/ERROR/NO DIALTONE/BUSY/NO ANSWER/VOICE/DELAYED/BLACKLISTED/LINE IN USE/NO BONGTONE", k.String())
		if k.Failed() != want {
			t.Errorf("%v: failed %v", k, k.Failed())
		}
	}
}

func TestParseConnect(t *testing.T) {
	for text, want := range map[string]modem.Connect{
		"":                          {},
		"1200":                      {Rate: 1200, TxRate: 1200, RxRate: 1200},
		"28800/ARQ/V34/LAPM/V42BIS": {Rate: 28800, TxRate: 28800, RxRate: 28800, Modulation: "V34", Protocol: "LAPM", Compression: "V42BIS"},
		"9600/ARQ":                  {Rate: 9600, TxRate: 9600, RxRate: 9600, Protocol: "ARQ"},
		"14400/ARQ/HST":             {Rate: 14400, TxRate: 14400, RxRate: 14400, Protocol: "ARQ", Modulation: "HST"},
		"9600/RLP":                  {Rate: 9600, TxRate: 9600, RxRate: 9600, Protocol: "RLP"},
		"115200":                    {DTERate: 115200},
		"115200/V34+/LAPM/V.42bis/33600:TX/31200:RX": {Rate: 31200, TxRate: 33600, RxRate: 31200, DTERate: 115200, Modulation: "V34+", Protocol: "LAPM", Compression: "V42BIS"},
		"52000/31200 V90":      {Rate: 31200, TxRate: 52000, RxRate: 31200, Modulation: "V90"},
		"45333 LAP-M V.44":     {Rate: 45333, TxRate: 45333, RxRate: 45333, Protocol: "LAPM", Compression: "V44"},
		"64000/HDLC":           {Rate: 64000, TxRate: 64000, RxRate: 64000, Protocol: "HDLC"},
		"-5/999999999999/V3/;": {},
	} {
		want.Text = text
		if got := modem.ParseConnect(" " + text); got != want {
			t.Errorf("%q:\n got %+v\nwant %+v", text, got, want)
		}
	}
	if c := modem.ParseConnect(" 9600\x1b[2J" + strings.Repeat("x", 300)); len(c.Text) != 64 || strings.Contains(c.Text, "\x1b") {
		t.Errorf("text %q", c.Text)
	}
}

func TestConnectCollector(t *testing.T) {
	for name, tc := range map[string]struct {
		lines   []string
		connect string
		want    modem.Connect
	}{
		"Rockwell": {
			[]string{"CARRIER 28800", "PROTOCOL: LAP-M", "COMPRESSION: V.42BIS"}, "115200",
			modem.Connect{Text: "115200", Rate: 28800, TxRate: 28800, RxRate: 28800, DTERate: 115200, Protocol: "LAPM", Compression: "V42BIS"},
		},
		"MNP": {
			[]string{"CARRIER 9600/V.32", "PROTOCOL: NONE", "COMPRESSION: CLASS 5"}, "19200",
			modem.Connect{Text: "19200", Rate: 9600, TxRate: 9600, RxRate: 9600, DTERate: 19200, Modulation: "V32", Protocol: "NONE", Compression: "MNP5"},
		},
		"V.250": {
			[]string{"+MCR: V34", "+MRR: 28800,31200", "+ILRR: 57600", "+ER: LAPM", "+DR: V42B"}, "",
			modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 31200, DTERate: 57600, Modulation: "V34", Protocol: "LAPM", Compression: "V42BIS"},
		},
		"none": {nil, "2400", modem.Connect{Text: "2400", Rate: 2400, TxRate: 2400, RxRate: 2400}},
	} {
		t.Run(name, func(t *testing.T) {
			var k modem.ConnectCollector
			for _, l := range tc.lines {
				if !k.Line(l) {
					t.Errorf("%q not taken", l)
				}
			}
			if k.Line("NMBR = 5551212") || k.Line("CONNECT 1") {
				t.Error("took a line of others")
			}
			if got := k.Connect(modem.ParseConnect(tc.connect)); got != tc.want {
				t.Errorf("\n got %+v\nwant %+v", got, tc.want)
			}
			if got := k.Connect(modem.Connect{}); got != (modem.Connect{}) {
				t.Errorf("left over: %+v", got)
			}
		})
	}
}

func FuzzParseResult(f *testing.F) {
	for _, s := range []string{"OK", "CONNECT 28800/ARQ/V34/LAPM/V42BIS", "RING;1;2", "+MRR: 28800,31200", "CARRIER 9600/V.32", "11", "CONNECT 33600:TX", "+DR:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		var k modem.ConnectCollector
		k.Line(line)
		p := modem.Parser{Codes: map[int]string{11: "CONNECT 4800"}}
		p.Parse(line)
		r := modem.ParseResult(line)
		if r.Kind.String() == "invalid" {
			t.Fatal(r.Kind)
		}
		c := k.Connect(r.Connect)
		for _, s := range []string{c.Text, c.Modulation, c.Protocol, c.Compression} {
			if len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%+v", c)
			}
		}
		for _, n := range []int{c.Rate, c.TxRate, c.RxRate, c.DTERate} {
			if n < 0 || n > 1_000_000_000 {
				t.Fatalf("%+v", c)
			}
		}
	})
}
