package modem_test

import (
	"reflect"
	"strings"
	"testing"

	"rashost/port/modem"
)

func TestCallerID(t *testing.T) {
	present, contradictory := modem.Present, modem.Contradictory
	for name, tc := range map[string]struct {
		lines string // separated by |
		want  modem.CallerID
	}{
		"formatted": {"DATE = 1121|TIME = 0248|NMBR = 5551212|NAME = MILLER JOHN",
			modem.CallerID{Number: "5551212", Status: present, Name: "MILLER JOHN", Date: "1121", Time: "0248"}},
		"tight, other order": {"NAME=J|NMBR=+49301234|TIME=0248|DATE=1121",
			modem.CallerID{Number: "+49301234", Status: present, Name: "J", Date: "1121", Time: "0248"}},
		"misspelt":            {"NMRB = 123", modem.CallerID{Number: "123", Status: present}},
		"short":               {"NBR=123", modem.CallerID{Number: "123", Status: present}},
		"lower case":          {"nmbr = 123", modem.CallerID{Number: "123", Status: present}},
		"separators":          {"NMBR = (555) 123-4567", modem.CallerID{Number: "5551234567", Status: present}},
		"withheld":            {"NMBR = P|NAME = P", modem.CallerID{Status: modem.Withheld}},
		"withheld in words":   {"NMBR = PRIVATE", modem.CallerID{Status: modem.Withheld}},
		"isdn4linux called":   {"RING/5559876", modem.CallerID{Called: "5559876"}},
		"isdn4linux nobody":   {"CALLER NUMBER: 0", modem.CallerID{Status: modem.Withheld}},
		"out of area":         {"NMBR = O", modem.CallerID{Status: modem.OutOfArea}},
		"ZyXEL":               {"CALLER NUMBER: OUT_OF_AREA", modem.CallerID{Status: modem.OutOfArea}},
		"only a name of P":    {"NAME = P", modem.CallerID{Status: modem.Withheld}},
		"name after number":   {"NMBR = 12|NAME = O", modem.CallerID{Number: "12", Status: present}},
		"empty":               {"NMBR =", modem.CallerID{}},
		"empty in quotes":     {`NMBR = ""|NMBR = -|RING VOICE`, modem.CallerID{}},
		"hostile":             {"NMBR = 123;reboot|NMBR = $(x)|NMBR = 12\x1b[3", modem.CallerID{Status: modem.Unreadable}},
		"a sign of no number": {"NMBR = 0900123E", modem.CallerID{Status: modem.Unreadable}},
		"no digit":            {"NMBR = *#", modem.CallerID{Status: modem.Unreadable}},
		"odd word in RING":    {"RING 0900123E", modem.CallerID{Status: modem.Unreadable}},
		"too long":            {"NMBR = " + strings.Repeat("1", 65), modem.CallerID{Status: modem.Unreadable}},
		"just fits":           {"NMBR = " + strings.Repeat("1", 64), modem.CallerID{Number: strings.Repeat("1", 64), Status: present}},
		"dialled":             {"DDN_NMBR= 800|NMBR=1", modem.CallerID{Number: "1", Status: present, Called: "800"}},
		"t38modem":            {"ANID=77|NDID=88", modem.CallerID{Number: "77", Status: present, Called: "88"}},
		"ZyXEL words":         {"CALLER NAME: X Y|CALLER NUMBER: 42|CALLED NUMBER: 43|Diverting number: 44", modem.CallerID{Number: "42", Status: present, Name: "X Y", Called: "43", Diverted: "44"}},
		"ZyXEL time":          {"TIME: 11-21 12:17|CALLER NUMBER: 42", modem.CallerID{Number: "42", Status: present, Date: "11-21", Time: "12:17"}},
		"ZyXEL time alone":    {"TIME: 12:17", modem.CallerID{Time: "12:17"}},
		"ZyXEL time, hostile": {"TIME: 11-21 $(x)|TIME: \x1b[2J", modem.CallerID{}},
		"caller's":            {"CALLER'S NUMBER: 42", modem.CallerID{Number: "42", Status: present}},
		"reason":              {"REASON FOR NO CALLER NUMBER: PRIVATE|REASON FOR NO CALLER NAME: P", modem.CallerID{Status: modem.Withheld}},
		"FM TO":               {"FM:301 TO:302", modem.CallerID{Number: "301", Status: present, Called: "302"}},
		"FM":                  {"FM:301", modem.CallerID{Number: "301", Status: present}},
		"CallerID":            {"CallerID: 9", modem.CallerID{Number: "9", Status: present}},
		"ELSA":                {"RING;301;302", modem.CallerID{Number: "301", Status: present, Called: "302"}},
		"ELSA from only":      {"RING;301", modem.CallerID{Number: "301", Status: present}},
		"RING number":         {"RING 301", modem.CallerID{Number: "301", Status: present}},
		"RING letter":         {"RING B", modem.CallerID{Ring: "B"}},
		"Zoom":                {"RING: D DN2 5551212", modem.CallerID{Number: "5551212", Status: present, Ring: "DN2"}},
		"Diva":                {"RING CID: 12 DAD: 34", modem.CallerID{Number: "12", Status: present, Called: "34"}},
		"CLIP":                {`+CLIP: "+39011",145,"",,"ROSSI",0`, modem.CallerID{Number: "+39011", Status: present, Name: "ROSSI"}},
		"CLIP withheld":       {`+CLIP: "",128,"",,"",1`, modem.CallerID{Status: modem.Withheld}},
		"CLIP not there":      {`+CLIP: "",128,"",,"",2`, modem.CallerID{Status: modem.OutOfArea}},
		"CRING":               {"+CRING: ASYNC", modem.CallerID{Ring: "ASYNC"}},
		"cadence":             {"DRON=20|DROF=40", modem.CallerID{Ring: "on 20 off 40"}},
		"Telenetics":          {"REASON NO NAME= O|QUAL= x|REDIRECT= y|CALLBACK NMBR= 5", modem.CallerID{}},
		"ELink":               {"0891234", modem.CallerID{Number: "0891234", Status: present}},
		"SDMF":                {"MESG = 040F" + "3131323130323438" + "35353531323132" + "F5", modem.CallerID{Number: "5551212", Status: present, Date: "1121", Time: "0248"}},
		"SDMF bad checksum":   {"MESG = 040F" + "3131323130323438" + "35353531323132" + "F6", modem.CallerID{}},
		"MDMF": {"MESG = 5555801A" + "0108" + "3131323130323438" + "0207" + "35353531323132" + "0705" + "4A414E4520",
			modem.CallerID{Number: "5551212", Status: present, Name: "JANE", Date: "1121", Time: "0248"}},
		"MDMF reason":                 {"MESG = 8003" + "040150", modem.CallerID{Status: modem.Withheld}},
		"MDMF cut":                    {"MESG = 8009" + "0207353535", modem.CallerID{}},
		"bare":                        {"MESG = 030735353531323132", modem.CallerID{Number: "5551212", Status: present}},
		"MESG not hex":                {"MESG = zz", modem.CallerID{}},
		"the name's reason gives way": {"NAME = P|NMBR = 12", modem.CallerID{Number: "12", Status: present}},
		"repeated":                    {"NMBR = 12|NDID = 8|NAME = X|NMBR = (1) 2|NDID = 8", modem.CallerID{Number: "12", Status: present, Name: "X", Called: "8"}},
		"two numbers": {"NMBR = 6661234|NAME = EVE|NMBR = 5551234|NMBR = 6661234",
			modem.CallerID{Status: contradictory, Name: "EVE", Conflict: "number 6661234 and number 5551234"}},
		"two kinds of number":     {"NMBR = 12|ANID = 13", modem.CallerID{Status: contradictory, Conflict: "number 12 and number 13"}},
		"withheld after a number": {"NMBR = 12|NMBR = P", modem.CallerID{Status: contradictory, Conflict: "number 12 and number withheld"}},
		"a reason after a number": {"NMBR = 12|REASON NO NUMBER= O", modem.CallerID{Status: contradictory, Conflict: "number 12 and number out of area"}},
		"a number after withheld": {"NMBR = P|NAME = EVE|NMBR = 12", modem.CallerID{Status: contradictory, Name: "EVE", Conflict: "number withheld and number 12"}},
		"two reasons":             {"NMBR = P|NMBR = O", modem.CallerID{Status: contradictory, Conflict: "number withheld and number out of area"}},
		"unreadable and a number": {"NMBR = 0900E|NMBR = 12", modem.CallerID{Status: contradictory, Conflict: "number unreadable and number 12"}},
		"within one line":         {`+CLIP: "12",145,,,"",1`, modem.CallerID{Status: contradictory, Conflict: "number withheld and number 12"}},
		"two dialled": {"NMBR = 12|NDID = 8|NDID = 9|NDID = 8",
			modem.CallerID{Number: "12", Status: present, Conflict: "called number 8 and called number 9"}},
		"two of both": {"NMBR = 1|NDID = 8|NMBR = 2|NDID = 9",
			modem.CallerID{Status: contradictory, Conflict: "number 1 and number 2; called number 8 and called number 9"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := modem.CallerIDCollector{Digits: name == "ELink"}
			all := strings.Split(tc.lines, "|")
			for _, l := range all {
				if !k.Line(l) {
					t.Errorf("%q not taken", l)
				}
			}
			got := k.CallerID()
			if len(got.Raw) != len(all) {
				t.Errorf("raw %q", got.Raw)
			}
			got.Raw = nil
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("\n got %+v\nwant %+v", got, tc.want)
			}
			if k.Complete() != (tc.want.Status != modem.Absent) {
				t.Error("complete", k.Complete())
			}
			k.Reset()
			if !reflect.DeepEqual(k.CallerID(), modem.CallerID{}) {
				t.Error("left over after reset")
			}
		})
	}
}

func TestCallerIDLeavesOtherLines(t *testing.T) {
	var k modem.CallerIDCollector
	for _, l := range []string{"RING", "OK", "", "12", "0891234", "8013", "CONNECT 1200", "NMBR", "DATES = 1", "CARRIER 28800", strings.Repeat("1", 33)} {
		if k.Line(l) {
			t.Errorf("took %q", l)
		}
	}
}

func TestCallerIDIsBounded(t *testing.T) {
	var k modem.CallerIDCollector
	for range 1000 {
		k.Line("NAME = " + strings.Repeat("x\x1b", 200))
		k.Line("DRON=" + strings.Repeat("9", 10))
	}
	got := k.CallerID()
	if len(got.Raw) != 16 || len(got.Raw[0]) > 64 || len(got.Name) != 64 || len(got.Ring) > 64 {
		t.Errorf("%+v", got)
	}
}

// sameCaller compares all but the lines themselves.
func sameCaller(a, b modem.CallerID) bool {
	a.Raw, b.Raw = nil, nil
	return reflect.DeepEqual(a, b)
}

func FuzzCallerID(f *testing.F) {
	for _, s := range []string{"NMBR = 5551212\nNAME=X", "RING;1;2", "FM:1 TO:2", `+CLIP: "1",145,,,"N",0`, "MESG = 040F3131323130323438353535313231321F",
		"MESG=800304014F", "RING: D DN2 5", "RING CID: 1 DAD: 2", "DRON=1\nDROF=2", "MESG = 030735", "NMBR=1\nNMBR=2", "NAME=P\nNMBR=2E\nNDID=1\nNDID=2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k := modem.CallerIDCollector{Digits: len(text)%2 == 0}
		for l := range strings.SplitSeq(text, "\n") {
			k.Line(l)
		}
		id := k.CallerID()
		again := k
		again.Line("RING")
		for l := range strings.SplitSeq(text, "\n") {
			again.Line(l)
		}
		if twice := again.CallerID(); !sameCaller(twice, id) {
			t.Fatalf("the same lines again make %+v of %+v", twice, id)
		}
		if strings.Trim(id.Number+id.Called+id.Diverted, "0123456789+*#ABCD") != "" {
			t.Fatalf("number %+v", id)
		}
		if (id.Number != "") != (id.Status == modem.Present) {
			t.Fatalf("status %+v", id)
		}
		if (id.Status == modem.Contradictory) != strings.HasPrefix(id.Conflict, "number") || len(id.Conflict) > 400 {
			t.Fatalf("conflict %+v", id)
		}
		for _, s := range append([]string{id.Number, id.Name, id.Called, id.Diverted, id.Date, id.Time, id.Ring}, id.Raw...) {
			if len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("%q in %+v", s, id)
			}
		}
		if len(id.Raw) > 16 {
			t.Fatal(len(id.Raw))
		}
	})
}
