package modem_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"rashost/port/modem"
)

// frame is a caller id frame in hexadecimal: type, length, body, checksum.
func frame(kind byte, body string) string {
	b := append([]byte{kind, byte(len(body))}, body...)
	var sum byte
	for _, c := range b {
		sum += c
	}
	return fmt.Sprintf("%X", append(b, -sum))
}

// param is one parameter of a frame.
func param(kind byte, data string) string { return string([]byte{kind, byte(len(data))}) + data }

// TestComplaint2_5_CallerIDForms: what comes undecoded, in parts, misspelt, as tones, at any time and in any order.
func TestComplaint2_5_CallerIDForms(t *testing.T) {
	whole := param(1, "11210248") + param(2, "5551212") + param(7, "JANE")
	all := modem.CallerID{Number: "5551212", Status: modem.Present, Name: "JANE", Date: "1121", Time: "0248"}
	for name, tc := range map[string]struct {
		lines []string
		want  modem.CallerID
	}{
		"MDMF":                    {[]string{"MESG = " + frame(0x80, whole)}, all},
		"MDMF, leading U's":       {[]string{"MESG=5555555555" + frame(0x80, whole)}, all},
		"MDMF without MESG":       {[]string{frame(0x80, whole)}, all},
		"MDMF in small letters":   {[]string{"MESG = " + strings.ToLower(frame(0x80, whole))}, all},
		"SDMF without MESG":       {[]string{"5555" + frame(0x04, "112102485551212")}, modem.CallerID{Number: "5551212", Status: modem.Present, Date: "1121", Time: "0248"}},
		"SDMF, withheld":          {[]string{"MESG = " + frame(0x04, "11210248P")}, modem.CallerID{Status: modem.Withheld, Date: "1121", Time: "0248"}},
		"SDMF, out of area":       {[]string{"MESG = " + frame(0x04, "11210248O")}, modem.CallerID{Status: modem.OutOfArea, Date: "1121", Time: "0248"}},
		"ETSI, call type 11":      {[]string{"MESG = " + frame(0x80, param(0x11, "\x01")+whole)}, all},
		"ETSI, unknown parameter": {[]string{"MESG = " + frame(0x80, whole+param(0x5A, "xyz"))}, all},
		"number dialled": {[]string{"MESG = " + frame(0x80, param(2, "5551212")+param(3, "5559876"))},
			modem.CallerID{Number: "5551212", Status: modem.Present, Called: "5559876"}},
		"reasons for none": {[]string{"MESG = " + frame(0x80, param(4, "O")+param(8, "P"))}, modem.CallerID{Status: modem.OutOfArea}},
		"several MESG": {[]string{"MESG = " + frame(0x80, param(7, "JANE")), "RING", "MESG = " + frame(0x04, "112102485551212")},
			modem.CallerID{Number: "5551212", Status: modem.Present, Name: "JANE", Date: "1121", Time: "0248"}},
		"bare parameters, several MESG": {[]string{"MESG = 0735353535353535", "MESG = 030735353531323132", "MESG = 07044A414E45"},
			modem.CallerID{Number: "5551212", Status: modem.Present, Name: "JANE"}},
		"a wrong checksum":         {[]string{"MESG = " + frame(0x80, whole)[:2*len(whole)+4] + "00"}, modem.CallerID{}},
		"a wrong parameter length": {[]string{"MESG = " + frame(0x80, "\x02\x09555")}, modem.CallerID{}},
		"hostile name":             {[]string{"MESG = " + frame(0x80, param(7, "A\x1b[2J\xffB"))}, modem.CallerID{Name: "A[2JB"}},
		"before the ring":          {[]string{"DATE = 1121", "NMBR = 5551212", "RING", "TIME = 0248", "NAME = JANE"}, all},
		"the name between":         {[]string{"RING", "NAME = JANE", "RING", "NMBR = 5551212", "TIME = 0248", "DATE = 1121"}, all},
		"no name":                  {[]string{"DATE = 1121", "TIME = 0248", "NMBR = 5551212"}, modem.CallerID{Number: "5551212", Status: modem.Present, Date: "1121", Time: "0248"}},
		"misspelt":                 {[]string{"NMRB = 5551212"}, modem.CallerID{Number: "5551212", Status: modem.Present}},
		"tones A C":                {[]string{"NMBR = A5551212C"}, modem.CallerID{Number: "5551212", Status: modem.Present}},
		"tones D #":                {[]string{"NMBR = D5551212#"}, modem.CallerID{Number: "5551212", Status: modem.Present}},
		"twice":                    {[]string{"NMBR = 5551212", "NAME = JANE", "RING", "NMBR = 5551212", "NAME = JANE"}, modem.CallerID{Number: "5551212", Status: modem.Present, Name: "JANE"}},
		"cadence at each ring":     {[]string{"RING", "DRON=20", "DROF=40", "RING", "DRON=20", "DROF=40"}, modem.CallerID{Ring: "on 20 off 40"}},
		"cadence in parts":         {[]string{"DRON=4", "DROF=2", "DRON=4", "DROF=40", "RING"}, modem.CallerID{Ring: "on 4 off 2 on 4 off 40"}},
		"ring 3":                   {[]string{"RING 3", "RING 3"}, modem.CallerID{Ring: "3"}},
		"CLIP without quotes":      {[]string{"+CRING: REL ASYNC", "+CLIP: ,128"}, modem.CallerID{Ring: "REL ASYNC"}},
		"digits elsewhere":         {[]string{"5551212"}, modem.CallerID{}},
	} {
		var k modem.CallerIDCollector
		for _, l := range tc.lines {
			k.Line(l)
		}
		if got := k.CallerID(); !sameCaller(got, tc.want) {
			t.Errorf("%s: %q:\n got %+v\nwant %+v", name, tc.lines, got, tc.want)
		}
	}
}

// TestCallerIDWhen: the network sends no year.
func TestCallerIDWhen(t *testing.T) {
	zone := time.FixedZone("UTC+1", 3600)
	at := func(text string) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, tc := range []struct{ date, time, now, want string }{
		{"1121", "0248", "2026-11-21 02:49", "2026-11-21 02:48"},
		{"11/21", "02:48", "2026-11-21 02:49", "2026-11-21 02:48"},
		{"1231", "2359", "2027-01-01 00:00", "2026-12-31 23:59"},
		{"0101", "0001", "2026-12-31 23:59", "2027-01-01 00:01"},
		{"0615", "1200", "2026-01-02 00:00", "2026-06-15 12:00"},
		{"0229", "1200", "2028-03-01 00:00", "2028-02-29 12:00"},
		{"0229", "1200", "2026-03-01 00:00", ""},
		{"1341", "0248", "2026-11-21 02:49", ""},
		{"1121", "2561", "2026-11-21 02:49", ""},
		{"", "0248", "2026-11-21 02:49", ""},
		{"1121", "", "2026-11-21 02:49", ""},
	} {
		id := modem.CallerID{Date: tc.date, Time: tc.time}
		got, ok := id.When(at(tc.now))
		if ok != (tc.want != "") || ok && !got.Equal(at(tc.want)) {
			t.Errorf("%s %s at %s: %v %v, want %q", tc.date, tc.time, tc.now, got, ok, tc.want)
		}
	}
}
