package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"rashost/internal/pppd"
)

// remark is what `rashost check` says of an option of pppd(8).
type remark struct {
	fault  bool // otherwise a warning
	direct bool // only with direct: true
	check  bool // only with peer: check
	text   string
}

const (
	starts   = "starts a program, with the rights of rashost itself: make sure that you mean it"
	readsOne = "reads a file, with the rights of rashost itself: make sure that you mean it"
	more     = "reads more options from a file, which rashost check does not see: make sure that you know them"
	noDial   = "makes a connection, and there is one already: remove it"
	openName = "lets a caller go without a name in PPP: whoever passes the dialog can take any address. The record says that the name was not checked"
	ours     = "is rashost's to say, from what the line has: remove it"
)

// pppdOptions are options that reach beyond the line, leave something open, or make no sense for a caller who is there already.
var pppdOptions = map[string][]remark{
	"persist":    {{fault: true, text: "would call again when the caller has hung up: remove it"}},
	"demand":     {{fault: true, text: "waits for traffic before it takes a call, and there is one already: remove it"}},
	"updetach":   {{fault: true, text: "leaves pppd running without rashost: remove it"}},
	"dryrun":     {{fault: true, text: "makes pppd stop before it begins: remove it"}},
	"lock":       {{text: "has no effect: rashost holds the locks of the line"}},
	"nolock":     {{text: "has no effect: rashost holds the locks of the line"}},
	"modem":      {{text: ours}},
	"local":      {{text: ours}},
	"nodetach":   {{text: ours}},
	"logfd":      {{text: ours}},
	"logfile":    {{text: "has no effect: rashost reads what pppd says"}},
	"nolog":      {{text: "has no effect: rashost reads what pppd says"}},
	"multilink":  {{fault: true, check: true, text: "joins a second call to the first without asking for the name: remove it, or set peer: record"}},
	"mp":         {{fault: true, check: true, text: "joins a second call to the first without asking for the name: remove it, or set peer: record"}},
	"ipv6":       {{fault: true, check: true, text: "carries data before anybody asks for the name: remove it, or set peer: record"}},
	"+ipv6":      {{fault: true, check: true, text: "carries data before anybody asks for the name: remove it, or set peer: record"}},
	"noauth":     {{text: openName}},
	"password":   {{text: "shows a password to every user of this machine who lists the processes: put it into pap-secrets or chap-secrets"}},
	"notty":      {{fault: true, text: noDial}},
	"socket":     {{fault: true, text: noDial}},
	"pty":        {{fault: true, text: noDial}},
	"connect":    {{fault: true, direct: true, text: noDial}, {text: starts}},
	"init":       {{fault: true, direct: true, text: "talks to the modem while the caller is there: use the modem profile"}, {text: starts}},
	"disconnect": {{fault: true, direct: true, text: "hangs up, which is rashost's: use the modem profile"}, {text: starts}},
	"welcome":    {{text: starts}},
	"record": {{fault: true, direct: true, text: "puts a pty between pppd and the line: remove it, or direct"},
		{text: "writes a file with all that is sent, passwords included"}},
	"sync":         {{text: "is for synchronous lines: a modem's is not"}},
	"ip-up-script": {{text: starts}}, "ip-down-script": {{text: starts}}, "ipv6-up-script": {{text: starts}}, "ipv6-down-script": {{text: starts}},
	"ip-pre-up-script": {{fault: true, check: true, text: "takes the place of /etc/ppp/ip-pre-up, which asks rashost for the name: remove it"},
		{text: starts}},
	"plugin": {{text: "loads code from a file, with the rights of rashost itself: make sure that you mean it"}},
	"file":   {{text: more}}, "call": {{text: more}}, "+ua": {{text: "reads a name and a password from a file"}},
	"show-password": {{text: "writes passwords to the system's log: remove it"}},
	"ca":            {{text: readsOne}}, "capath": {{text: readsOne}}, "cert": {{text: readsOne}}, "key": {{text: readsOne}}, "crl": {{text: readsOne}},
	"crl-dir": {{text: readsOne}}, "pkcs12": {{text: readsOne}},
	"privgroup": {{text: "gives a group of users what is for root"}},
}

// noEscape finds what pppd can be told to escape and must not: 20 to 3f become control characters.
var noEscape = regexp.MustCompile(`(?i)\b(0x)?[23][0-9a-f]\b`)

// pppd checks a service of type ppp, and the lines that use it.
func (c *checker) pppd(path, name string, s Service) {
	for _, o := range pppd.Parse(s.Options) {
		at := fmt.Sprintf("%s.options[%d]", path, o.Index)
		if strings.HasPrefix(o.Name, "/dev/") {
			c.wrong(at, "%s is a device: rashost gives pppd the line", bounded(o.Name))
			continue
		}
		if code := noEscape.FindString(o.Arg); o.Name == "escape" && code != "" {
			c.wrong(at, "escape %s: what it becomes is thrown away by the far end until LCP is agreed on (RFC 1662): remove it", code)
		}
		for _, r := range pppdOptions[o.Name] {
			if r.direct && !s.Direct || r.check && s.Peer != "check" {
				continue
			}
			if r.fault {
				c.wrong(at, "%s %s", o.Name, r.text)
			} else {
				c.warn(at, "%s %s", o.Name, r.text)
			}
			break
		}
	}
	for i, l := range c.cfg.Lines {
		if slices.Contains(l.Services(), name) {
			c.pppLine(fmt.Sprintf("lines[%d]", i), l, name, s)
		}
	}
}

// pppLine checks a line that carries PPP.
func (c *checker) pppLine(path string, l Line, name string, s Service) {
	if l.Parity != "none" {
		c.wrong(path+".parity", "PPP needs eight bits: remove parity, or service %s", name)
	}
	if l.Flow == "xonxoff" && !hasArg(s.Options, "asyncmap") {
		c.warn(path+".flow", "XON and XOFF are taken from the data: let services.%s.options have asyncmap a0000", name)
	}
	if s.Direct && strings.HasPrefix(l.Device, PtyPrefix) {
		c.warn("services."+name+".direct", "has no effect on line %s: a pty: device has no tty to give to pppd, which gets one of its own", bounded(l.Name))
	}
}

func hasArg(options []string, name string) bool {
	for _, o := range pppd.Parse(options) {
		if o.Name == name {
			return true
		}
	}
	return false
}
