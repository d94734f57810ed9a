package config

import (
	"fmt"
	"slices"
)

// maxSpeeds bounds what autobaud tries.
const maxSpeeds = 16

// answering checks which calls a line answers, and how.
func (c *checker) answering(path string, l Line) {
	direct := l.Direct || l.Modem == "none"
	c.callerRules(path+".caller_id", l.CallerID)
	if direct && (l.CallerID.Require || len(l.CallerID.Rules) > 0) {
		c.wrong(path+".caller_id", "a direct line has no caller id: remove it")
	}
	for i, r := range l.Routes {
		c.route(fmt.Sprintf("%s.routes[%d]", path, i), r)
	}
	if direct && len(l.Routes) > 0 {
		c.wrong(path+".routes", "a direct line has no ring and no called number: remove it")
	}
	c.autobaud(path, l, direct)
	c.init(path, l, direct)
}

// callerRules checks the rules between the rules: each has one key, and none comes too late.
func (c *checker) callerRules(path string, id CallerID) {
	allows, any := false, -1
	for i, r := range id.Rules {
		at := fmt.Sprintf("%s.rules[%d]", path, i)
		switch {
		case r.Allow == "" && r.Deny == "" && !c.bad[at+".allow"] && !c.bad[at+".deny"]:
			c.wrong(at, "says nothing: give allow or deny, each with %s", callerForm)
		case r.Allow != "" && r.Deny != "":
			c.wrong(at, "has allow and deny: make two rules of them, the first that fits decides")
		}
		if any >= 0 && r.Allow != "unclear" && r.Deny != "unclear" {
			c.warn(at, "has no effect: rule %d fits every call that is not unclear", any+1)
		} else if any < 0 && (r.Allow == "any" || r.Deny == "any") {
			any = i
		}
		if word := r.Allow + r.Deny; id.Require && (word == "absent" || word == "unclear") {
			c.warn(at, "has no effect: with require a call without caller id, or one that is unclear, is not answered")
		}
		allows = allows || r.Allow != "" || c.bad[at+".allow"]
	}
	if len(id.Rules) == 0 && c.has(path+".rules") {
		c.wrong(path+".rules", "is empty, which would answer everybody: say who may call, or remove the key")
	}
	if len(id.Rules) > 0 && !allows {
		c.warn(path+".rules", "no rule allows anybody, so no call is answered: end with {allow: any}, or add who may call")
	}
}

// route checks that one of several calls is meant.
func (c *checker) route(path string, r Route) {
	switch {
	case r.Ring == "" && r.Called == "" && !c.bad[path+".ring"] && !c.bad[path+".called"]:
		c.wrong(path, "fits no call: give ring or called")
	case r.Ring != "" && r.Called != "":
		c.wrong(path, "has ring and called: make two routes of them, the first that fits decides")
	}
	if r.Dialog == "" && r.Service == "" && !c.bad[path+".dialog"] && !c.bad[path+".service"] {
		c.wrong(path, "changes nothing: give dialog, service or both")
	}
}

// maxInit bounds the commands of a line's own.
const maxInit = 16

// init checks the commands of a line's own.
func (c *checker) init(path string, l Line, direct bool) {
	if len(l.Init) > 0 && direct {
		c.warn(path+".init", "has no effect: a direct line has no modem")
	}
	if len(l.Init) > maxInit {
		c.wrong(path+".init", "has %d commands: at most %d are allowed", len(l.Init), maxInit)
	}
	for i, command := range l.Init {
		at := fmt.Sprintf("%s.init[%d]", path, i)
		switch {
		case c.bad[at]:
		case !initPattern.MatchString(command):
			c.wrong(at, "%.60q is no modem command: AT and up to 78 printable characters", command)
		}
	}
}

// autobaud checks what finds the caller's speed.
func (c *checker) autobaud(path string, l Line, direct bool) {
	on := l.Autobaud == "cr" || l.Autobaud == "break"
	switch {
	case on && !direct:
		c.wrong(path+".autobaud", "only a direct line finds the caller's speed: behind a modem `baud` is fixed")
	case on && len(l.Speeds) == 0 && !c.bad[path+".speeds"]:
		c.wrong(path+".autobaud", "needs speeds: the list of those to try, such as [9600, 1200, 300]")
	case !on && len(l.Speeds) > 0:
		c.warn(path+".speeds", "has no effect without autobaud: cr or break")
	case on && c.has(path+".baud"):
		c.warn(path+".baud", "has no effect: autobaud begins with the first of speeds")
	}
	if len(l.Speeds) > maxSpeeds {
		c.wrong(path+".speeds", "has %d speeds: at most %d are allowed", len(l.Speeds), maxSpeeds)
	}
	for i, speed := range l.Speeds {
		at := fmt.Sprintf("%s.speeds[%d]", path, i)
		switch {
		case c.bad[at]:
		case speed < 50 || speed > 4000000:
			c.wrong(at, "%d is out of range: allowed is 50 to 4000000", speed)
		case slices.Contains(l.Speeds[:i], speed):
			c.warn(at, "%d stands there already", speed)
		default:
			c.baud(at, speed)
		}
	}
}
