// Package hardware holds what is known of modem families: one profile per family, in YAML, embedded into the binary.
package hardware

import (
	"fmt"
	"time"

	"gopkg.in/yaml.v3"
)

// Profile says what a modem family needs: how it is set up, how it answers, hangs up and reports who calls. Make one with Defaults,
// Parse or Load: in a Profile made by hand a zero time really means no time.
// docs/modem-profiles.md describes the file for people.
type Profile struct {
	// Name is what a line's `modem` says. Lower case letters, digits and dashes.
	Name string `yaml:"name"`
	// Description is one line for people; plugins see it as the name of the device.
	Description string `yaml:"description,omitempty"`
	// Families are the makes and models that the profile is known to fit, for people: docs/modems.md shows them.
	Families []string `yaml:"families,omitempty"`
	// Dialect names whose commands the family speaks, as in commands.yaml; `rashost modem lint` explains with it. "" is "any".
	Dialect string `yaml:"dialect,omitempty"`
	// Match recognises the family by what the modem says of itself: Recognise adds the weights of those that fit.
	Match []Match `yaml:"match,omitempty"`
	// Direct is a line without a modem: no commands at all, a call starts with carrier or the first byte.
	Direct bool `yaml:"direct,omitempty"`

	// Init sets the modem up, one command at a time, in this order. The first required one that fails fails the whole.
	Init []Step `yaml:"init,omitempty"`
	// ReadBack are questions asked after Init, whose answers show that the modem really took what it was told. One that does not fit is a
	// warning that names it, never a failure. What S2 says is asked in any case where EscapeOff sets it.
	ReadBack []ReadBack `yaml:"read_back,omitempty"`
	// CommandDelay is kept after every answer before the next command goes out. 0 is none; slow modems need 50 ms to 100 ms.
	CommandDelay Duration `yaml:"command_delay"`
	// CommandTimeout is how long a command without a time-out of its own may take.
	CommandTimeout Duration `yaml:"command_timeout"`
	// CallerID says how the number of the caller is asked for.
	CallerID CallerID `yaml:"caller_id,omitempty"`
	// DistinctiveRing has the modem report which number was dialled by the pattern of the ring; an empty Send: the family cannot, or does
	// so by itself. It is sent for lines with routes by ring. It is optional: refused, the calls come all the same.
	DistinctiveRing Step `yaml:"distinctive_ring,omitempty"`
	// Answer takes a call.
	Answer Answer `yaml:"answer"`
	// Reset brings the modem back to its stored settings; empty: not possible by command. It is used while the line is recovering, once
	// the modem answers. Init follows every reset.
	Reset Reset `yaml:"reset,omitempty"`
	// Hangup ends a call.
	Hangup Hangup `yaml:"hangup"`
	// OffHook takes the telephone line off hook without a call, so that a hunt group passes over a modem that is out of service; an empty
	// Send: not possible by command. Used where the line says busy_when_dead.
	OffHook Step `yaml:"off_hook,omitempty"`
	// Recover frees a modem that no longer answers. It is used while the line is recovering, when neither DTR nor the escape made it
	// answer AT; AT follows, and then Init or the next step of the ladder. Without it DLE ETX, the escape and ATH are sent.
	Recover []Step `yaml:"recover,omitempty"`
	// Diagnostics are asked right after a call ended, before any reset, and their answers kept for people, in the record of the call and
	// among the events of the line.
	Diagnostics []Step `yaml:"diagnostics,omitempty"`
	// EscapeOff names the command among Init that makes our own modem ignore "+++" in data; "" when there is none. Where the modem
	// accepts it, no hang-up sends the escape; it is not for a modem that ignores DTR.
	EscapeOff string `yaml:"escape_off,omitempty"`

	// DTR says what the modem does when DTR drops: "hangup", "reset" (hang up and reset: Init follows) or "ignored".
	DTR DTR `yaml:"dtr"`
	// Carrier is how far DCD can be trusted where the line says "auto": "auto", "required" or "ignore".
	Carrier Carrier `yaml:"carrier"`
	// Flow is the flow control that Init agrees with the modem: "none", "rtscts" or "xonxoff".
	Flow Flow `yaml:"flow"`
	// Baud is the only DTE rate that works, in bit/s. 0: any. It counts only for a line without a rate of its own, which a line of
	// config.yaml always has.
	Baud int `yaml:"baud,omitempty"`

	// ResultCodes are the family's numeric (V0) results beyond 0 to 8, as the words they stand for. They count until the
	// modem has answered in words (V1) for the first time.
	ResultCodes map[int]string `yaml:"result_codes,omitempty"`
	// ResultCodesSource and ResultCodesUnverified say where ResultCodes are known from.
	ResultCodesSource     string `yaml:"result_codes_source,omitempty"`
	ResultCodesUnverified bool   `yaml:"result_codes_unverified,omitempty"`
	// Replies are texts of the family's own that the host may meet: CONNECT and what comes before it, caller id, failures. For people
	// and for tests, which put them to the parser.
	Replies []Reply `yaml:"replies,omitempty"`
	// LostOnReset names the settings that the family forgets at a reset even when they were stored. For people: the whole of Init, and
	// caller id, follow every reset of any family.
	LostOnReset []string `yaml:"lost_on_reset,omitempty"`
	// Traps are known oddities, for people: docs/modems.md and `rashost modem lint` show them.
	Traps []Trap `yaml:"traps,omitempty"`
}

// Match recognises a modem.
type Match struct {
	// Query is the command to ask, such as ATI3 or AT+GMM. It only asks: one that changes something has no place here.
	Query string `yaml:"query"`
	// Pattern is a regular expression (RE2) for its answer: all lines before the result, each without its line end, joined by "\n".
	Pattern string `yaml:"pattern"`
	// Weight is how much the answer says, 1 to 100: 100 names the family beyond doubt, 10 is a hint that others share. 0 is 50.
	Weight int `yaml:"weight,omitempty"`
	// Source and Unverified say where the answer is known from.
	Source     string `yaml:"source,omitempty"`
	Unverified bool   `yaml:"unverified,omitempty"`
}

// ReadBack asks for a setting.
type ReadBack struct {
	// Query is the command, such as AT+VCID? or ATS0?.
	Query string `yaml:"query"`
	// Pattern is a regular expression (RE2) for its answer, as Match.Pattern.
	Pattern string `yaml:"pattern"`
	// Means is what an answer that fits shows, such as "caller id is on".
	Means string `yaml:"means"`
	// Source and Unverified say where question and answer are known from.
	Source     string `yaml:"source,omitempty"`
	Unverified bool   `yaml:"unverified,omitempty"`
}

// Reply is what a modem of the family may say.
type Reply struct {
	// Text is the reply; more than one line with "\n" between them.
	Text string `yaml:"text"`
	// Means is what it says, in plain words.
	Means string `yaml:"means"`
	// Source and Unverified say where it is known from.
	Source     string `yaml:"source,omitempty"`
	Unverified bool   `yaml:"unverified,omitempty"`
}

// Trap is a known oddity of a family.
type Trap struct {
	// Text is one sentence or two, with what to do about it.
	Text string `yaml:"text"`
	// Source and Unverified say where it is known from.
	Source     string `yaml:"source,omitempty"`
	Unverified bool   `yaml:"unverified,omitempty"`
}

// Step is one command and the answer it must get. Source or Unverified says where it is known from.
type Step struct {
	// Send is the whole text with its AT; the host adds CR.
	Send string `yaml:"send"`
	// Raw sends the bytes as they are, without CR.
	Raw bool `yaml:"raw,omitempty"`
	// Expect is the result word awaited; "" is OK.
	Expect string `yaml:"expect,omitempty"`
	// NoReply goes on after DelayAfter without waiting for a result.
	NoReply bool `yaml:"no_reply,omitempty"`
	// Optional goes on when the modem refuses or does not answer.
	Optional bool `yaml:"optional,omitempty"`
	// Timeout is how long the answer may take; 0 is the profile's CommandTimeout.
	Timeout Duration `yaml:"timeout,omitempty"`
	// DelayAfter is kept after the answer, on top of CommandDelay.
	DelayAfter Duration `yaml:"delay_after,omitempty"`
	// Source names the document or program that the command is known from.
	Source string `yaml:"source,omitempty"`
	// Unverified marks a command that is believed to be right but was found in no document.
	Unverified bool `yaml:"unverified,omitempty"`
}

// CallerID says how caller id is switched on and what comes then.
type CallerID struct {
	// Enable are alternatives, tried in order until one is answered by OK. That none is, is no fault.
	Enable []Step `yaml:"enable,omitempty"`
	// Format is what the modem then sends: "formatted" (NMBR= lines and their like), "raw" (MESG= in hexadecimal), "ring" (within
	// the RING line), "fm-to", "clip", or "digits" (a line of digits alone, beside formatted ones). The host understands all but the last at any
	// time; that one only where it is expected, because digits alone can mean anything.
	Format string `yaml:"format,omitempty"`
	// BeforeFirstRing: the lines come before the first RING (as in the United Kingdom), not between the first and the second. Then a line
	// that answers at the first ring may need them; the host takes caller id whenever it comes.
	BeforeFirstRing bool `yaml:"before_first_ring,omitempty"`
}

// ReportsCallers says whether the family says anything of who calls: without a word of it in the profile nothing can be relied on.
func (p *Profile) ReportsCallers() bool {
	return len(p.CallerID.Enable) > 0 || p.CallerID.Format != "" || p.CallerID.BeforeFirstRing
}

// Answer takes a call.
type Answer struct {
	// Command is sent when the phone has rung long enough: ATA unless the family needs another.
	Command string `yaml:"command"`
	// Timeout is how long CONNECT may take. It must exceed S7 by five seconds.
	Timeout Duration `yaml:"timeout"`
	// Source and Unverified say where Command is known from.
	Source     string `yaml:"source,omitempty"`
	Unverified bool   `yaml:"unverified,omitempty"`
}

// Reset brings a modem back to its stored settings.
type Reset struct {
	// Command is such as ATZ; "" for none. A bare AT follows it, because some modems fall back to a stored DTE rate.
	Command string `yaml:"command,omitempty"`
	// Delay is kept after the answer, before that AT.
	Delay Duration `yaml:"delay,omitempty"`
	// Source and Unverified say where Command is known from.
	Source     string `yaml:"source,omitempty"`
	Unverified bool   `yaml:"unverified,omitempty"`
}

// Hangup ends a call: DTR first, and the escape when that does not help and is not switched off (Profile.EscapeOff).
type Hangup struct {
	// DTRTime is how long DTR stays low. 0: DTR is not touched; only for a far end that hangs up by itself, because "OK" from one that
	// does not would pass for the modem's.
	DTRTime Duration `yaml:"dtr_time"`
	// Escape is what leads back to command mode, Guard the silence it needs before and after.
	Escape string   `yaml:"escape"`
	Guard  Duration `yaml:"guard"`
	// Command hangs up in command mode.
	Command string `yaml:"command"`
	// Source and Unverified say where Command is known from.
	Source     string `yaml:"source,omitempty"`
	Unverified bool   `yaml:"unverified,omitempty"`
}

// DTR is what a modem does when DTR drops.
type DTR string

// The meanings of DTR (&D2, &D3, &D0 in most families).
const (
	DTRHangup  DTR = "hangup"
	DTRReset   DTR = "reset"
	DTRIgnored DTR = "ignored"
)

// Carrier is how far DCD can be trusted.
type Carrier string

// The carrier modes, as in a line's `carrier`.
const (
	CarrierAuto     Carrier = "auto"
	CarrierRequired Carrier = "required"
	CarrierIgnore   Carrier = "ignore"
)

// Flow is a kind of flow control.
type Flow string

// The kinds of flow control.
const (
	FlowNone    Flow = "none"
	FlowRTSCTS  Flow = "rtscts"
	FlowXONXOFF Flow = "xonxoff"
)

// Duration is a time in YAML text such as 500ms or 80s; a bare number other than 0 is refused, because it names no unit.
type Duration time.Duration

// Std returns d as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String returns d as it stands in YAML.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalYAML writes d as text.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// UnmarshalYAML reads d from text, 0 to 24h.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := time.ParseDuration(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		return fault(n, "%q is not a time: write it with its unit, such as 500ms or 80s", n.Value)
	}
	if v < 0 || v > 24*time.Hour {
		return fault(n, "time %s is out of range: 0 to 24h", n.Value)
	}
	*d = Duration(v)
	return nil
}

// fault is an error that yaml.v3 collects with the others, and that Parse gives its file name.
func fault(n *yaml.Node, format string, args ...any) error {
	return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: ", n.Line) + fmt.Sprintf(format, args...)}}
}

// Defaults returns the profile that every YAML file starts from: ATA, 80 s, DTR low for 500 ms, "+++" with a guard of 1 s, ATH.
func Defaults() Profile {
	return Profile{
		CommandTimeout: Duration(5 * time.Second),
		Answer:         Answer{Command: "ATA", Timeout: Duration(80 * time.Second)},
		Hangup: Hangup{
			DTRTime: Duration(500 * time.Millisecond),
			Escape:  "+++",
			Guard:   Duration(time.Second),
			Command: "ATH",
		},
		DTR:     DTRHangup,
		Carrier: CarrierAuto,
		Flow:    FlowNone,
	}
}
