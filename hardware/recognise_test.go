package hardware_test

import (
	"slices"
	"strings"
	"testing"

	"rashost/hardware"
)

// What modems said of themselves in public logs and lists, and the profile that must come of it.
func TestRecognise(t *testing.T) {
	all := builtin(t)
	for name, tc := range map[string]struct {
		answers map[string]string
		want    string
	}{
		"USR 5637 (callattendant issue 105)":              {map[string]string{"ATI0": "5601", "ATI3": "U.S. Robotics 56K FAX USB V1.2.23"}, "usr-5637"},
		"Courier V.34 (mgetty modems.db)":                 {map[string]string{"ATI0": "3366", "ATI7": "Configuration Profile...\n\nProduct type           Germany External MSK\nOptions                HST,V32bis,Terbo,V.FC,V.34"}, "usr-courier"},
		"Sportster (mgetty modems.db)":                    {map[string]string{"ATI0": "2886", "ATI4": "USRobotics Sportster 28800 Fax Settings...", "ATI7": "Configuration Profile...\nProduct type           Germany External\nOptions                V32bis,V.FC,V.34"}, "usr-sportster"},
		"Dell RD02-D400 (callattendant issue 2)":          {map[string]string{"ATI0": "56000", "ATI3": "CX93001-EIS_V0.2013-V92"}, "conexant-cx93010"},
		"Creatix LC 288 FC (modems.db)":                   {map[string]string{"ATI0": "28800", "ATI3": "V1.000-DS39 VFC", "ATI6": "RC288DPi Rev 05BA", "AT+FMFR?": "ROCKWELL"}, "rockwell-rc288"},
		"E-Tech E336RVP (modems.db)":                      {map[string]string{"ATI0": "33600", "ATI3": "V2.050-V34_ACF_DS1", "ATI6": "RCV336DPFSP Rev 44BC"}, "rockwell-rc288"},
		"Supra V.32bis (modems.db)":                       {map[string]string{"AT+FMFR?": "ROCKWELL", "AT+FMDL?": "V.32AC", "ATI3": "V1.80-06v TR14-Jxxx-001 216"}, "supra"},
		"Supra 288 (modems.db)":                           {map[string]string{"AT+FMFR?": "Supra Corporation", "AT+FMDL?": "SupraFAXModem 288", "ATI7": "RC288DPi Rev 04BC"}, "supra"},
		"MT5634ZBAV (libvoice/detect.c)":                  {map[string]string{"ATI0": "LT V.90 1.0 MT5634ZBAV Serial Data/Fax/Voice Modem Version 4.09a"}, "multitech-mt5634"},
		"MT2834ZDXv (libvoice/detect.c)":                  {map[string]string{"ATI0": "247"}, "multitech-mt2834"},
		"Kortex Adaptix (modems.db)":                      {map[string]string{"ATI3": "Venus K56FLEX kfav141 Serial s091097V", "AT+FMFR?": "Venus K56FLEX kfav141 Serial s091097V"}, "lucent-agere"},
		"Hayes Accura (modems.db)":                        {map[string]string{"AT+FMFR?": "Copyright 1995, 1996 Hayes Microcomputer Products, Inc.", "AT+FMDL?": "ACCURA 33600"}, "hayes-optima"},
		"Practical Peripherals (modems.db)":               {map[string]string{"AT+FMDL?": "PM14400FMXT [6R4] 2.42", "ATI4": "a097840F284C6703F\nbC60004000"}, "hayes-optima"},
		"ZyXEL 1496 E+ (modems.db)":                       {map[string]string{"ATI0": "1496", "AT+FMFR?": "ZyXEL", "AT+FMDL?": "U1496E  V 6.12 P"}, "zyxel-u1496"},
		"ZyXEL 2864 (libvoice/detect.c)":                  {map[string]string{"ATI0": "28641", "AT+FMFR?": "ZyXEL"}, "zyxel-2864"},
		"ELSA MicroLink 28.8 TQV (modems.db)":             {map[string]string{"AT+FMFR?": `"ELSA, Aachen (Germany)"`, "AT+FMDL?": `"MicroLink 28.8TQV"`, "ATI3": "Ver. 1.10 vom 19.09.95"}, "elsa-microlink"},
		"TKR TriStar (modems.db)":                         {map[string]string{"ATI0": "282", "AT+FMDL?": `"TKR TriStar"`}, "elsa-microlink"},
		"isdn4linux (libvoice/detect.c)":                  {map[string]string{"ATI0": "Linux ISDN"}, "isdn-ta"},
		"Telebit T3000 (C-Kermit)":                        {map[string]string{"ATI0": "965"}, "telebit"},
		"Telebit T2500 (modems.db)":                       {map[string]string{"ATI4": "a037800C004420\nb100000000"}, "telebit"},
		"Motorola ModemSURFR (modems.db)":                 {map[string]string{"AT+FMFR?": "AT&T", "AT+FMDL?": "HSM288xCF", "ATI3": "Motorola ModemSURFR 28.8"}, "microcom"},
		"spandsp (at_interpreter.c)":                      {map[string]string{"AT+GMI": "www.soft-switch.org"}, "iaxmodem"},
		"a make that nobody knows":                        {map[string]string{"ATI0": "OK", "AT+GMI": "Acme"}, "generic"},
		"a modem that says nothing":                       {nil, "generic"},
		"a 56000 is no proof, but the only hint there is": {map[string]string{"ATI0": "56000"}, "conexant-cx93010"},
	} {
		r := hardware.Recognise(all, tc.answers)
		if r.Profile.Name != tc.want || r.Why == "" {
			t.Errorf("%s: %s (%d, %s), want %s", name, r.Profile.Name, r.Score, r.Why, tc.want)
		}
	}
}

func TestRecogniseSaysWhy(t *testing.T) {
	r := hardware.Recognise(builtin(t), map[string]string{"ATI3": "U.S. Robotics 56K FAX USB V1.2.23", "ATI0": "5601\x1b[2J"})
	if r.Score != 100 || r.Why != `ATI3 says "U.S. Robotics 56K FAX USB V1.2.23"` {
		t.Errorf("%d, %s", r.Score, r.Why)
	}
	r = hardware.Recognise(builtin(t), map[string]string{"ATI3": "xx\nCX93001 \x1b[2J" + strings.Repeat("y", 100) + "\nz"})
	if strings.ContainsRune(r.Why, 0x1b) || len(r.Why) > 300 || !strings.Contains(r.Why, "CX93001") {
		t.Errorf("%q", r.Why)
	}
	if r := hardware.Recognise(nil, nil); r.Profile.Name != "" || r.Why == "" {
		t.Errorf("%+v", r)
	}
}

// What is asked of an unknown modem changes nothing, comes once, and begins with what every modem knows.
func TestQueries(t *testing.T) {
	all := hardware.Queries(builtin(t))
	if len(all) < 8 || all[0] != "ATI0" || all[1] != "ATI3" {
		t.Errorf("%q", all)
	}
	seen := map[string]bool{}
	for _, q := range all {
		if seen[q] {
			t.Errorf("%s twice", q)
		}
		seen[q] = true
	}
	for _, l := range dictionary(t).LintProfile(&hardware.Profile{Name: "x", DTR: hardware.DTRHangup,
		Match: []hardware.Match{{Query: "AT&F", Pattern: "x"}}}).Missing {
		if l.Rule == "query-changes" {
			return
		}
	}
	t.Error("a question that resets the modem passes")
}

func TestDefaultWeight(t *testing.T) {
	a := hardware.Profile{Name: "a", Match: []hardware.Match{{Query: "ATI", Pattern: "x"}}}
	b := hardware.Profile{Name: "b", Match: []hardware.Match{{Query: "ATI", Pattern: "x", Weight: 49}}}
	if r := hardware.Recognise([]hardware.Profile{b, a}, map[string]string{"ATI": "x"}); r.Profile.Name != "a" || r.Score != 50 {
		t.Errorf("%+v", r)
	}
	b.Match[0].Weight = 50
	if r := hardware.Recognise([]hardware.Profile{b, a}, map[string]string{"ATI": "x"}); r.Profile.Name != "a" {
		t.Errorf("of equals the first by name: %+v", r)
	}
	if !slices.Equal(hardware.Queries([]hardware.Profile{a, b}), []string{"ATI"}) {
		t.Error("a question comes twice")
	}
}

// Whatever a modem says of itself, there is a profile for it and a short, safe reason.
func FuzzRecognise(f *testing.F) {
	all, err := hardware.Builtin()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("ATI3", "U.S. Robotics 56K FAX USB V1.2.23")
	f.Add("AT+FMFR?", "ROCKWELL\n")
	f.Add("ATI7", "\x1b[2J\n\nProduct type\n")
	f.Fuzz(func(t *testing.T, query, answer string) {
		r := hardware.Recognise(all, map[string]string{query: answer})
		if r.Profile.Name == "" || r.Why == "" || len(r.Why) > 4096 || strings.ContainsFunc(r.Why, func(c rune) bool { return c < ' ' }) {
			t.Errorf("%q: %s, %q", answer, r.Profile.Name, r.Why)
		}
	})
}
