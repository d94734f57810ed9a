package modem_test

import (
	"testing"

	"rashost/port/modem"
)

// same is a connection with one rate both ways.
func same(rate int, modulation, protocol, compression string) modem.Connect {
	return modem.Connect{Rate: rate, TxRate: rate, RxRate: rate, Modulation: modulation, Protocol: protocol, Compression: compression}
}

// through is c with a rate between modem and host.
func through(dte int, c modem.Connect) modem.Connect {
	c.DTERate = dte
	return c
}

// split is a connection whose directions differ; tx is ours.
func split(tx, rx int, modulation, protocol, compression string) modem.Connect {
	return modem.Connect{Rate: min(tx, rx), TxRate: tx, RxRate: rx, Modulation: modulation, Protocol: protocol, Compression: compression}
}

// connectText is what a modem of a family says of a connection: lines that come before, and CONNECT.
type connectText struct {
	before []string
	text   string
	want   modem.Connect
}

// TestConnectTexts: what modems really say, family by family.
func TestConnectTexts(t *testing.T) {
	for source, texts := range map[string][]connectText{
		"US Robotics Courier V.34 manual 4-17, 4-18, and Courier user manual": {
			{nil, "CONNECT 28800/ARQ/VFC/LAPM/V42BIS", same(28800, "VFC", "LAPM", "V42BIS")},
			{nil, "CONNECT 19200/ARQ/V32/LAPM/V42BIS", same(19200, "V32", "LAPM", "V42BIS")},
			{nil, "CONNECT 14400/ARQ/V32/MNP/MNP5", same(14400, "V32", "MNP", "MNP5")},
			{nil, "CONNECT 16800/ARQ/HST/HST/V42BIS", same(16800, "HST", "ARQ", "V42BIS")},
			{nil, "CONNECT 9600/ARQ/HST/CELLULAR/HST/V42BIS", same(9600, "HST", "ARQ", "V42BIS")},
			{nil, "CONNECT 9600/SYNC", same(9600, "", "SYNC", "")},
			{nil, "CONNECT 2400/NONE", same(2400, "", "NONE", "")},
			{nil, "CONNECT 21600/V34", same(21600, "V34", "", "")},
			{nil, "CONNECT 26400/ARQ/V34", same(26400, "V34", "ARQ", "")},
			{nil, "CONNECT 12000/ARQ/HST", same(12000, "HST", "ARQ", "")},
			{nil, "CONNECT 7200/ARQ", same(7200, "", "ARQ", "")},
			{nil, "CONNECT 9600/V32", same(9600, "V32", "", "")},
			{nil, "CONNECT/ARQ", same(0, "", "ARQ", "")},
		},
		"Public logs of wvdial with US Robotics modems": {
			{nil, "CONNECT 33600/ARQ/V34/LAPM/V42BIS", same(33600, "V34", "LAPM", "V42BIS")},
			{nil, "CONNECT 31200/ARQ/V34/LAPM/V42BIS", same(31200, "V34", "LAPM", "V42BIS")},
			{nil, "CONNECT 49333/ARQ/V90/LAPM/V42BIS", same(49333, "V90", "LAPM", "V42BIS")},
			{nil, "CONNECT 45333/ARQ/V90/LAPM/V42BIS", same(45333, "V90", "LAPM", "V42BIS")},
			{nil, "CONNECT 50666/ARQ/V90/LAPM/V42BIS", same(50666, "V90", "LAPM", "V42BIS")},
			{nil, "CONNECT 45333/ARQ/V92/LAPM/V44", same(45333, "V92", "LAPM", "V44")},
			{nil, "CONNECT 50666/ARQ/V92/LAPM/V44", same(50666, "V92", "LAPM", "V44")},
			{nil, "CONNECT 50666/ARQ/V92/LAPM/V42BIS", same(50666, "V92", "LAPM", "V42BIS")},
			{nil, "CONNECT 45333/ARQ", same(45333, "", "ARQ", "")},
			{nil, "CONNECT 49333/V42BIS", same(49333, "", "", "V42BIS")},
		},
		"Public log of two Couriers, V.90 without error control, and x2 both ways": {
			{nil, "CONNECT 45333/V90/NONE", same(45333, "V90", "NONE", "")},
			{nil, "CONNECT 64000/ARQ/x2/LAPM", same(64000, "X2", "LAPM", "")},
		},
		"Public logs of wvdial with Lucent and SmartLink modems": {
			{nil, "CONNECT 46667 V42B", same(46667, "", "", "V42BIS")},
			{nil, "CONNECT 46667", same(46667, "", "", "")},
			{nil, "CONNECT 52000", same(52000, "", "", "")},
			{nil, "CONNECT 52000 V42bis", same(52000, "", "", "V42BIS")},
			{nil, "CONNECT 50666 V42bis", same(50666, "", "", "V42BIS")},
			{nil, "CONNECT 49333 NoEC", same(49333, "", "NONE", "")},
			{nil, "CONNECT 45333 NoEC", same(45333, "", "NONE", "")},
			{[]string{"Modulation: V92"}, "CONNECT 46667", same(46667, "V92", "", "")},
		},
		"Windows modem INF files of Rockwell-like and cellular modems": {
			{nil, "CONNECT 48000 MNP5", same(48000, "", "", "MNP5")},
			{nil, "CONNECT 48000 MNP4", same(48000, "", "MNP4", "")},
			{nil, "CONNECT 33600 V42", same(33600, "", "V42", "")},
			{nil, "CONNECT 48000 V42bis DSVD", same(48000, "", "", "V42BIS")},
			{nil, "CONNECT 33600 V42 Cellular", same(33600, "", "V42", "")},
			{nil, "CONNECT 153600", same(153600, "", "", "")},
			{nil, "CONNECT 7200000", same(7200000, "", "", "")},
			{nil, "CONNECT 100000000", same(100000000, "", "", "")},
		},
		"Public Windows modem logs of Conexant modems (+MR, +ER, +DR)": {
			{[]string{"+MCR: V34", "+MRR: 26400", "+ER: LAPM"}, "CONNECT 115200", through(115200, same(26400, "V34", "LAPM", ""))},
			{[]string{"+MCR: V34", "+MRR: 33600", "+ER: LAPM", "+DR: V42B"}, "CONNECT 115200", through(115200, same(33600, "V34", "LAPM", "V42BIS"))},
			{[]string{"+MCR: V92", "+MRR: 48000"}, "CONNECT 48000", same(48000, "V92", "", "")},
			{[]string{"+MCR: V90", "+MRR: 7200,45333"}, "CONNECT 115200", through(115200, split(7200, 45333, "V90", "", ""))},
		},
		"ITU-T V.250 6.2.6, 6.4.3, 6.5.5, 6.6.3: the order, and what each may say": {
			{[]string{"+MCR: V34", "+MRR: 28800,33600", "+ILRR: 57600", "+ER: NONE", "+DR: NONE"}, "CONNECT",
				through(57600, split(28800, 33600, "V34", "NONE", "NONE"))},
			{[]string{"+MCR: B103", "+MRR: 300", "+ER: ALT", "+DR: V44"}, "CONNECT", same(300, "B103", "ALT", "V44")},
			{[]string{"+ILRR: 38400,9600"}, "CONNECT", modem.Connect{DTERate: 38400}},
		},
		"Rockwell and Conexant command references, W1 and S95": {
			{[]string{"CARRIER 28800", "PROTOCOL: LAP-M", "COMPRESSION: V.42BIS"}, "CONNECT 115200", through(115200, same(28800, "", "LAPM", "V42BIS"))},
			{[]string{"CARRIER 31200", "PROTOCOL: LAPM", "COMPRESSION: V.42 bis"}, "CONNECT 57600", through(57600, same(31200, "", "LAPM", "V42BIS"))},
			{[]string{"CARRIER 14400", "PROTOCOL: ALT", "COMPRESSION: CLASS 5"}, "CONNECT 19200", through(19200, same(14400, "", "ALT", "MNP5"))},
			{[]string{"CARRIER 1200/75", "PROTOCOL: NONE", "COMPRESSION: NONE"}, "CONNECT 1200", through(1200, split(1200, 75, "", "NONE", "NONE"))},
			{[]string{"CARRIER 9600", "PROTOCOL: ALT-CELLULAR"}, "CONNECT 9600", same(9600, "", "ALTCELLULAR", "")},
			{nil, "CONNECT 75TX/1200RX", split(75, 1200, "", "", "")},
			{nil, "CONNECT 1200TX/75RX", split(1200, 75, "", "", "")},
			{nil, "CONNECT 115200/V34/LAPM/V42B/31200:TX/28800:RX", through(115200, split(31200, 28800, "V34", "LAPM", "V42BIS"))},
		},
		"ZyXEL U-1496, U-336E and Comet 336 manuals, result codes": {
			{nil, "CONNECT 38400/V.32bis 14400/V.42bis", through(38400, same(14400, "V32BIS", "", "V42BIS"))},
			{nil, "CONNECT 14400/ARQ", same(14400, "", "ARQ", "")},
			{nil, "CONNECT 14400/ARQ/ MNP5", same(14400, "", "ARQ", "MNP5")},
			{nil, "CONNECT 1200/75", split(1200, 75, "", "", "")},
			{nil, "CONNECT 38400", modem.Connect{DTERate: 38400}},
		},
		"AT&T Paradyne 3766 manual C-2": {
			{nil, "CONNECT 28800/REL", same(28800, "", "REL", "")},
			{nil, "CONNECT 28800/V42bis", same(28800, "", "", "V42BIS")},
			{nil, "CONNECT 9600/MNP1", same(9600, "", "MNP1", "")},
		},
		"Programs for Siemens GSM modems, result codes 47 to 50": {
			{nil, "CONNECT 4800/RLP", same(4800, "", "RLP", "")},
			{nil, "CONNECT 9600/RLP", same(9600, "", "RLP", "")},
			{nil, "CONNECT 14400/RLP", same(14400, "", "RLP", "")},
		},
		"Programs for ISDN: Linux isdn4linux, CAPI, internet modems": {
			{nil, "CONNECT 64000/ISDN/X75", same(64000, "", "X75", "")},
			{nil, "CONNECT 64000/HDLC", same(64000, "", "HDLC", "")},
			{nil, "CONNECT 57600/ARQ/VMP", modem.Connect{DTERate: 57600, Protocol: "ARQ"}},
			{nil, "CONNECT 9600/TCP/IP", same(9600, "", "", "")},
		},
		"Hayes, all makes": {
			{nil, "CONNECT", modem.Connect{}}, {nil, "connect 2400", same(2400, "", "", "")}, {nil, "CONNECT1200", same(1200, "", "", "")},
		},
	} {
		for _, c := range texts {
			var k modem.ConnectCollector
			for _, line := range c.before {
				if r := modem.ParseResult(line); r.Kind != modem.Info || !k.Line(line) {
					t.Errorf("%s: %q is %v", source, line, r.Kind)
				}
			}
			r := modem.ParseResult(c.text)
			got := k.Connect(r.Connect)
			got.Text = ""
			if r.Kind != modem.Connected || got != c.want {
				t.Errorf("%s: %q %q (%v):\n got %+v\nwant %+v", source, c.before, c.text, r.Kind, got, c.want)
			}
		}
	}
}
