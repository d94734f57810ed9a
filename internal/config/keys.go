package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// key describes one key of the file. The table is the one source of the ranges that Load checks, of the JSON schema and of the
// reference in docs/configuration.md.
type key struct {
	path     string   // lines[].baud, dialogs.*.timeout
	def      string   // the default in the file's words, "" for none
	required bool     // must be there
	enum     []string // the only values
	least    int64    // integers as they are, durations in nanoseconds; checked when most > 0
	most     int64
	zero     bool // 0 is allowed beside the range
	pattern  *regexp.Regexp
	allowed  string // what is allowed, when the columns above don't say it
	text     string
}

const nameForm = "a letter, digit or _, then at most 63 letters, digits, dots, underscores or hyphens"

const callerForm = "a number in which * stands for any digits and ? for one, or one of the words any, withheld, absent, out-of-area and unclear"

var (
	namePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
	initPattern = regexp.MustCompile(`^[Aa][Tt][!-~][ -~]{0,77}$`)
	// callerPattern takes the words, and numbers with at least one digit, * or ?; the signs between digits do not count.
	callerPattern = regexp.MustCompile(`^(any|withheld|absent|out-of-area|unclear|[-+ .()/]*[0-9*?][-+ .()/0-9*?]{0,62})$`)
	calledPattern = regexp.MustCompile(`^[-+ .()/]*[0-9*?][-+ .()/0-9*?]{0,62}$`)
	ringPattern   = regexp.MustCompile(`^[!-~][ -~]{0,62}$`)
	userPattern   = regexp.MustCompile(`^[a-z_][a-z0-9_.-]{0,31}\$?$`)
)

var keys = []key{
	{path: "state_dir", def: DefaultStateDir, allowed: "a folder",
		text: "Folder of the records, the lock-out counters and what plugins keep. Made if missing."},
	{path: "control", def: DefaultControl, allowed: "a path of at most 100 bytes",
		text: "The control socket, through which `rashost lines` and the other commands talk to `rashost serve`."},
	{path: "lock_dirs", def: "[/run/lock]", allowed: "a list of folders; [] for none",
		text: "Folders of the LCK.. lock files. A folder that is missing or read-only is passed over."},
	{path: "profiles", allowed: "a folder",
		text: "Folder of your own modem profiles (modem-profiles.md): NAME.yaml there is `modem: NAME`, also in place of a built-in one."},

	{path: "log", text: "What `rashost serve` writes to stderr."},
	{path: "log.level", def: "info", enum: []string{"debug", "info", "warn", "error"}, text: "The least that is logged."},
	{path: "log.format", def: "text", enum: []string{"text", "json"}, text: "Text for people, JSON for programs."},

	{path: "lines", required: true, allowed: "a list of at least one line", text: "The serial lines on which calls come in."},
	{path: "lines[].name", required: true, pattern: namePattern, allowed: nameForm,
		text: "The line's name in every command, log and record. Unique."},
	{path: "lines[].device", required: true, allowed: "a path, sim:NAME or pty:PATH",
		text: "The tty, best by /dev/serial/by-id/ since other names move; `sim:NAME`, a built-in virtual modem (simulator.md: NAME may be that of a family, such as usr-courier); or `pty:PATH`, a " +
			"pseudo-terminal whose other end is linked at PATH. One line per device."},
	{path: "lines[].modem", def: "auto", allowed: "auto, none or the name of a modem profile",
		text: "The modem profile (modem-profiles.md). auto: the modem is asked what it is, and the profile that fits is used (`rashost modem probe DEVICE` shows it). none: a direct line without a modem."},
	{path: "lines[].init", allowed: "a list of modem commands, such as AT+GCI=B5",
		text: "Commands of this line's own, sent behind the profile's at each set-up: the country (AT+GCI=B5), a highest speed (AT+MS=V32B,0). " +
			"One that the modem refuses is a line event, and no failure."},
	{path: "lines[].direct", def: "false", text: "true: a direct line, the same as `modem: none`. A call starts with carrier, or with the first byte."},
	{path: "lines[].baud", def: "115200", least: 50, most: 4000000, text: "Speed between computer and modem, fixed, in bit/s."},
	{path: "lines[].parity", def: "none", enum: []string{"none", "even", "odd", "mark", "space"},
		text: "Of the device itself: none is 8N1, even is 7E1, odd is 7O1, mark and space go with 7 bits too. Callers with 7E1 behind a modem are recognised without it."},
	{path: "lines[].autobaud", def: "none", enum: []string{"none", "cr", "break"},
		text: "Direct lines: how the caller's speed is found. cr: Enter is pressed until it arrives as such. break: each break goes to the next speed, then Enter begins the call. none: `baud` it is."},
	{path: "lines[].speeds", allowed: "a list of speeds, 50 to 4000000",
		text: "Those that `autobaud` tries, in this order, beginning anew after each call."},
	{path: "lines[].flow", def: "auto", enum: []string{"auto", "none", "rtscts", "xonxoff"},
		text: "Flow control. auto: what the modem profile says; none on a direct line."},
	{path: "lines[].carrier", def: "auto", enum: []string{"auto", "required", "ignore"},
		text: "How a lost call shows. required: DCD high within 5 s of CONNECT, its loss ends the call. ignore: DCD is never read, and " +
			"the line's service needs `idle`. auto: what the modem profile says; with auto there too, required if DCD was low " +
			"before and high after CONNECT of this call, else ignore; then the service should have `idle` or `absolute`."},
	{path: "lines[].rings", def: "1", least: 1, most: 20, text: "Rings before the call is answered. Caller id often comes after the first."},
	{path: "lines[].answer", def: "always", enum: []string{"always", "armed"},
		text: "armed: calls are answered only while `rashost arm LINE` is in force. always: at any time."},
	{path: "lines[].quiet", def: "false",
		text: "true: nothing is sent to the caller until a printable character, CR or LF came from there. The dialog's `timeout` runs meanwhile."},
	{path: "lines[].caller_id", text: "Which callers are answered, by what the telephone network says of them. It can be forged: it keeps strangers away and proves nothing."},
	{path: "lines[].caller_id.require", def: "false",
		text: "true: a call without any caller id is not answered. Needs `rings: 2`, unless the modem profile says that caller id comes before the first ring."},
	{path: "lines[].caller_id.rules", allowed: "a list of rules, each {allow: CALLER} or {deny: CALLER}",
		text: "The first that fits decides. Once there is a rule, whom none fits is not answered."},
	{path: "lines[].caller_id.rules[].allow", pattern: callerPattern, allowed: callerForm, text: "Calls of this caller are answered."},
	{path: "lines[].caller_id.rules[].deny", pattern: callerPattern, allowed: callerForm, text: "Calls of this caller are not answered, and recorded."},
	{path: "lines[].settle", def: "500ms", least: int64(millisecond), most: int64(30 * second), zero: true,
		text: "Quiet time between CONNECT and the first byte sent to the caller. 0: none."},
	{path: "lines[].idle_probe", def: "0", least: int64(10 * second), most: int64(24 * hour), zero: true,
		text: "How often a listening modem is asked with AT whether it is still there. 0: never."},
	{path: "lines[].recovery", def: "8s", least: int64(second), most: int64(hour),
		text: "Longest wait between two tries to open a device that is absent, where the kernel does not tell of devices, or that another program has. " +
			"A line that failed is tried again after 3 s at most, so that it is back within 15 s."},
	{path: "lines[].quarantine_after", def: "6", least: 1, most: 100,
		text: "Failures in a row before the line is quarantined: tried every five minutes only, and tested before it listens again."},
	{path: "lines[].usb_reset", def: "0", least: 1, most: 24, zero: true,
		text: "How many times in 24 hours the USB device of a modem that nothing else brings back may be switched off and on, as the last step of " +
			"the ladder (operations.md). 0: never."},
	{path: "lines[].busy_when_dead", def: "false",
		text: "true: a modem that is disabled, in maintenance or in quarantine and still obeys is taken off hook, so that a hunt group passes it over; " +
			"the modem profile must have `off_hook`."},
	{path: "lines[].dsr", def: "auto", enum: []string{"auto", "required", "ignore"},
		text: "Whether a low DSR means that the modem is switched off or unplugged. required: yes. auto: once DSR has been seen high on this " +
			"line. ignore: DSR is never read."},
	{path: "lines[].maintenance", allowed: "a mapping",
		text: "A window in which the line takes no new calls; a call in hand ends by itself."},
	{path: "lines[].maintenance.at", required: true, pattern: regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`), allowed: "a time of day such as \"03:30\"",
		text: "When it begins, in local time."},
	{path: "lines[].maintenance.for", required: true, least: int64(minute), most: int64(24 * hour), text: "How long it lasts."},
	{path: "lines[].maintenance.days", allowed: "a list of mon, tue, wed, thu, fri, sat, sun",
		text: "The days on which it begins; without them every day."},
	{path: "lines[].trusted", def: "false", text: "Passed on to the plugin: nobody listens in on this line. Plugin sasl offers PLAIN and LOGIN only then. It lets nobody in by itself."},
	{path: "lines[].dialog", required: true, allowed: "a name under dialogs",
		text: "The dialog that asks every caller on this line who they are."},
	{path: "lines[].service", required: true, allowed: "a name under services", text: "What a caller who was let in gets."},
	{path: "lines[].routes", allowed: "a list of routes",
		text: "Calls that get another dialog or service than the line's: the first that fits decides."},
	{path: "lines[].routes[].ring", pattern: ringPattern, allowed: "a ring as the modem reports it, such as B; * and ? stand for any text and one sign",
		text: "A distinctive ring: B and RING B are the same; a cadence reads \"on 20 off 40\" (DRON and DROF)."},
	{path: "lines[].routes[].called", pattern: calledPattern, allowed: "a number; * stands for any digits, ? for one",
		text: "The number that was dialled (MSN). Only digits count."},
	{path: "lines[].routes[].dialog", allowed: "a name under dialogs", text: "Asks the callers of this route. Without it: the line's dialog."},
	{path: "lines[].routes[].service", allowed: "a name under services", text: "What they get. Without it: the line's service."},
	{path: "lines[].on_load_error", def: "stop", enum: []string{"stop", "disable"},
		text: "When the dialog's plugin cannot be loaded. stop: rashost does not start. disable: this line is disabled, the others work."},

	{path: "dialogs", text: "The dialogs, by name. " + "A name is " + nameForm + "."},
	{path: "dialogs.*.plugin", required: true, allowed: "the name of a plugin, see `rashost plugins`", text: "What decides."},
	{path: "dialogs.*.timeout", def: "2m", least: int64(20 * second), most: int64(600 * second), text: "For the whole dialog, from CONNECT to the verdict."},
	{path: "dialogs.*.end_grace", def: "30s", least: int64(second), most: int64(600 * second), text: "How long a plugin may put off its end."},
	{path: "dialogs.*.attempts", def: "3", least: 1, most: 99, text: "Tries a caller has in one call. Used by plugins password, sasl, sspi and anyone."},
	{path: "dialogs.*.banner", text: "Shown before the first prompt, in plugin sasl as part of the greeting. Say nothing there that helps a stranger. Used by plugins password, sasl, sspi and anyone."},
	{path: "dialogs.*.echo", def: "off", enum: []string{"off", "on", "masked"},
		text: "Echo by the host, for plugins that don't echo themselves. Not with plugins password, sasl and sspi, which know what is a secret."},
	{path: "dialogs.*.options", allowed: "a mapping", text: "The plugin's own settings, checked by it."},
	{path: "dialogs.*.lockout", text: "Refuse an account on a line for a while after too many failures. Used by plugins password, sasl and sspi."},
	{path: "dialogs.*.lockout.denials", def: "0", least: 1, most: 1000, zero: true,
		text: "Failures of an account on one line before it is locked on that line; each line counts by itself. 0: lock-out is off. It also lets a stranger lock others out, on the lines that the stranger reaches."},
	{path: "dialogs.*.lockout.reset", def: "15m", least: int64(second), most: int64(30 * 24 * hour), text: "How long an account stays locked on that line."},
	{path: "dialogs.*.isolation", def: "call", enum: []string{"call", "line", "shared"},
		text: "Plugins external and native: one process for each call, for each line, or one for all lines of the dialog. Only for plugins that say they can share one."},
	{path: "dialogs.*.user", allowed: "a user of this machine",
		text: "Plugins external and native: the user that the process runs as. Required when rashost runs as root; root only when written out."},
	{path: "dialogs.*.limits", text: "Plugins external and native: bounds of each process (plugin-sandbox.md)."},
	{path: "dialogs.*.limits.memory", def: "0", least: 16, most: 65536, zero: true,
		text: "Address space in MiB; programs in Go and Java reserve far more than they use. 0: no limit."},
	{path: "dialogs.*.limits.cpu", def: "0", least: int64(second), most: int64(hour), zero: true, text: "Processor time, in whole seconds. 0: no limit."},
	{path: "dialogs.*.limits.files", def: "256", least: 8, most: 65536, zero: true, text: "Open files. 0: no limit."},
	{path: "dialogs.*.limits.processes", def: "64", least: 1, most: 4096, zero: true,
		text: "Processes and threads, where the system lets rashost count them. 0: no limit."},
	{path: "dialogs.*.limits.file_size", def: "16", least: 1, most: 65536, zero: true, text: "Size of each file it writes, in MiB. 0: no limit."},

	{path: "services", text: "What callers can get, by name. A name is " + nameForm + "."},
	{path: "services.*.type", required: true, enum: []string{"command", "ppp", "tcp", "serial"},
		text: "command: a program on a pty of its own. ppp: pppd. tcp: relay to a host and port. serial: relay to another tty."},
	{path: "services.*.command", allowed: "a list: the program, by absolute path or bare name, then its arguments",
		text: "Type command. No shell is involved unless it is named here."},
	{path: "services.*.options", allowed: "a list of pppd options",
		text: "Type ppp: options of pppd(8), one argument each. `rashost check` warns of those that start programs or touch files."},
	{path: "services.*.direct", def: "false",
		text: "Type ppp. true: pppd gets the line itself, not a pty (ppp.md). It then obeys the carrier by itself, and counts the octets."},
	{path: "services.*.peer", def: "check", enum: []string{"check", "record"},
		text: "Type ppp: the name that the caller gives in PPP. check: it must be the one that the dialog let in, otherwise the call ends with event " +
			"20100; needs the hook in /etc/ppp (ppp.md), unless options has `noauth`: then nobody gives a name. record: it is only recorded."},
	{path: "services.*.address", allowed: "host:port", text: "Type tcp."},
	{path: "services.*.device", allowed: "a path", text: "Type serial. Not a device that is a line."},
	{path: "services.*.baud", def: "9600", least: 50, most: 4000000, text: "Type serial: speed in bit/s."},
	{path: "services.*.idle", def: "0", least: int64(second), most: int64(24 * hour), zero: true,
		text: "Ends the session after this long without a byte either way. 0: never, which `carrier: ignore` does not allow."},
	{path: "services.*.absolute", def: "0", least: int64(second), most: int64(30 * 24 * hour), zero: true,
		text: "Ends the session this long after it began. 0: never."},
	{path: "services.*.warning", def: "20s for type command, otherwise 0", least: int64(second), most: int64(hour), zero: true,
		text: "How long before idle or absolute ends the session a caller is told so, in a line of text. 0: no warning, so that a relay stays byte-exact."},
	{path: "services.*.run_as", allowed: "a user of this machine",
		text: "Type command: the user it runs as. Required when rashost runs as root; root only when written out."},
	{path: "services.*.grace", def: "5s", least: int64(100 * millisecond), most: int64(8 * second),
		text: "Types command and ppp: time between SIGHUP and kill when the call is over. The line waits for it, and must be back within 15 s."},

	{path: "records", text: "The record of calls."},
	{path: "records.on_failure", def: "continue", enum: []string{"continue", "refuse"},
		text: "What new calls meet while records cannot be written. continue: they are answered. refuse: they are not."},
	{path: "records.unknown_names", def: "false",
		text: "Record names that are not in the user file as typed. Off, since such a name may be a password: first letter and length are kept."},
}

// keyIndex finds keys by path.
func keyIndex() map[string]*key {
	m := make(map[string]*key, len(keys))
	for i := range keys {
		m[keys[i].path] = &keys[i]
	}
	return m
}

// allows says in words what k may hold.
func (k *key) allows(duration bool) string {
	var s string
	switch {
	case len(k.enum) > 0:
		return orList(k.enum)
	case k.most > 0 && duration:
		s = Duration(k.least).String() + " to " + Duration(k.most).String()
	case k.most > 0:
		s = strconv.FormatInt(k.least, 10) + " to " + strconv.FormatInt(k.most, 10)
	default:
		return k.allowed
	}
	if k.zero {
		s += ", or 0"
	}
	return s
}

// checkRange returns what is wrong with v, "" for nothing.
func (k *key) checkRange(v int64, duration bool) string {
	if k.most == 0 || (k.zero && v == 0) || (v >= k.least && v <= k.most) {
		return ""
	}
	shown := strconv.FormatInt(v, 10)
	if duration {
		shown = Duration(v).String()
	}
	return fmt.Sprintf("%s is out of range: allowed is %s", shown, k.allows(duration))
}

func orList(words []string) string {
	if len(words) == 1 {
		return words[0]
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
