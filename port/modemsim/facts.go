package modemsim

import "time"

// known says where a fact about a family of modems comes from: a manual, a standard, a program's source or a public log; or that it
// was found in none of them.
type known struct {
	Source     string `yaml:"source"`
	Unverified bool   `yaml:"unverified"`
}

// family is a personality: what one family of modems does, as data. A nil family is a modem that takes everything customary.
type family struct {
	Name        string   `yaml:"name"`
	Description string   `yaml:"description"`
	Models      []string `yaml:"models"`
	// Direct is no modem at all: a null-modem cable or a radio. Carrier alone makes a call.
	Direct bool `yaml:"direct"`

	// Identity and Diagnostics are what questions are answered by.
	Identity    []answerFact `yaml:"identity"`
	Diagnostics []answerFact `yaml:"diagnostics"`
	// Commands are the basic commands, Parameters the extended ones, Registers the S-registers; anything else is an ERROR.
	Commands   []commandFact   `yaml:"commands"`
	Parameters []parameterFact `yaml:"parameters"`
	Registers  []registerFact  `yaml:"registers"`
	// Factory are the settings of &F0, &F1 and so on, and PowerOn which of them the modem starts with.
	Factory []factoryFact `yaml:"factory"`
	PowerOn int           `yaml:"power_on"`
	// NotStored names the settings that &W does not keep: a reset forgets them.
	NotStored []namesFact `yaml:"not_stored"`
	// MaxLine is the longest command line in characters without its AT; 0 is 255.
	MaxLine limitFact `yaml:"max_line"`

	// Results are the numeric forms of the results.
	Results []resultFact `yaml:"results"`
	// Errors replace ERROR, the first that applies.
	Errors []phraseFact `yaml:"errors"`
	// Reports are the lines before CONNECT, in this order; Connect is what follows CONNECT, the first that applies.
	Reports []phraseFact `yaml:"reports"`
	Connect []phraseFact `yaml:"connect"`
	// Words are the family's own for the modulations, protocols and compressions.
	Words []wordsFact `yaml:"words"`
	// Link is what a call negotiates that says nothing else.
	Link link `yaml:"link"`

	Ring     []phraseFact `yaml:"ring"` // what is said for RING, the first that applies
	CallerID callerIDFact `yaml:"caller_id"`
	Reset    resetFact    `yaml:"reset"`
	Escape   escapeFact   `yaml:"escape"`
	Answer   answerHabit  `yaml:"answer"`
	DTRTime  dtrFact      `yaml:"dtr_time"`
	// Causes are the family's words for why the last call ended: dtr, carrier, command.
	Causes []wordsFact `yaml:"causes"`

	index []string           // the names of all commands, the longest first
	basic map[string]numbers // what basic commands take
	words map[string]string
	cause map[string]string
	codes map[string]int
	keeps map[string]bool // not stored
}

// answerFact is a question and the lines of its answer, which are phrases.
type answerFact struct {
	Ask   string   `yaml:"ask"`
	Text  []string `yaml:"text"`
	When  string   `yaml:"when"`
	known `yaml:",inline"`
}

// commandFact lists basic commands with the numbers that they take, such as "E0-1 &D0,2 A": a command without numbers takes none.
// Refuse lists what is known to be refused, for the reader and the tests.
type commandFact struct {
	Accept string `yaml:"accept"`
	Refuse string `yaml:"refuse"`
	known  `yaml:",inline"`
}

// parameterFact is an extended command: NAME=VALUE, NAME? and NAME=?, or NAME alone.
type parameterFact struct {
	Name string `yaml:"name"`
	// Values is a regular expression for all of the value; "" takes none, so that the command is an action.
	Values string `yaml:"values"`
	// Default is the factory's value. Show is what NAME? answers, with {value}; "" is "NAME: {value}".
	Default string `yaml:"default"`
	Show    string `yaml:"show"`
	// Effect is what the command does beyond keeping its value: "" or "reenumerate".
	Effect string `yaml:"effect"`
	known  `yaml:",inline"`

	re matcher
}

// registerFact lists S-registers such as "0-12 25 95"; Bits are those that take S40.2=1 too.
type registerFact struct {
	Accept string `yaml:"accept"`
	Most   int    `yaml:"most"` // the highest value; 0 is 255
	Bits   bool   `yaml:"bits"`
	known  `yaml:",inline"`

	n numbers
}

type factoryFact struct {
	Profile  int    `yaml:"profile"`
	Settings string `yaml:"settings"`
	known    `yaml:",inline"`
}

type namesFact struct {
	Names []string `yaml:"names"`
	known `yaml:",inline"`
}

type limitFact struct {
	Characters int `yaml:"characters"`
	known      `yaml:",inline"`
}

type resultFact struct {
	Codes map[int]string `yaml:"codes"`
	known `yaml:",inline"`
}

// phraseFact is a text with {placeholders}, said when the condition holds: settings such as "&A=3 X!=0 S95.2=1", all of them.
type phraseFact struct {
	When  string `yaml:"when"`
	Text  string `yaml:"text"`
	known `yaml:",inline"`
}

type wordsFact struct {
	Words map[string]string `yaml:"words"`
	known `yaml:",inline"`
}

// link is what the two modems agreed on. Rates are in bit/s.
type link struct {
	Modulation  string `yaml:"modulation"`
	Tx          int    `yaml:"tx"`
	Rx          int    `yaml:"rx"`
	Protocol    string `yaml:"protocol"`
	Compression string `yaml:"compression"`
	DTE         int    `yaml:"dte"`
}

// callerIDFact says when the modem reports the caller and in which lines.
type callerIDFact struct {
	// Position is "between" the first two rings, "before" the first, before "every" ring, or "with" every ring, right behind it.
	Position string `yaml:"position"`
	// BeforeWhen is the condition under which the lines come before the first ring instead.
	BeforeWhen string       `yaml:"before_when"`
	Lines      []phraseFact `yaml:"lines"`
	// Cadence are the lines for one part of a distinctive ring, before RING.
	Cadence []phraseFact `yaml:"cadence"`
	// Withheld and OutOfArea stand for a number; "" is P and O, "-" leaves the line out.
	Withheld  string `yaml:"withheld"`
	OutOfArea string `yaml:"out_of_area"`
	known     `yaml:",inline"`
}

type resetFact struct {
	// Busy is how long the modem is deaf after the OK of a reset.
	Busy time.Duration `yaml:"busy"`
	// Speed: after a reset it speaks at a stored speed, so that RING is not understood, until it has heard an AT.
	Speed bool `yaml:"speed"`
	known `yaml:",inline"`
}

type escapeFact struct {
	Kind  string `yaml:"kind"` // guarded, ties or none
	known `yaml:",inline"`
}

type answerHabit struct {
	OKFirst bool `yaml:"ok_first"`
	known   `yaml:",inline"`
}

type dtrFact struct {
	Least time.Duration `yaml:"least"` // a shorter drop is not noticed
	// ResetWhen is the condition under which a drop also resets the modem, besides &D3.
	ResetWhen string `yaml:"reset_when"`
	known     `yaml:",inline"`
}
