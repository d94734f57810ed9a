package port

import (
	"errors"
	"log/slog"
	"time"

	"rashost/port/modem"
)

// startScript begins a script.
func (l *line) startScript(steps []modem.Step) {
	l.script = &modem.Script{Steps: steps}
	l.act(l.script.Start())
}

// act does what the script wants.
func (l *line) act(a modem.Action) {
	switch a.Kind {
	case modem.Send:
		if l.hang.phase != phaseProbe {
			l.split.Echo(l.script.Current().Send) // the probe wants to see an echo: it shows that the settings are lost
		}
		if !l.write(a.Send) {
			return
		}
		l.in(timeStep, max(a.Timeout, time.Nanosecond))
	case modem.Pause:
		l.in(timeStep, max(a.Timeout, time.Nanosecond))
	case modem.Done:
		l.scriptOver(nil)
	case modem.Failed:
		l.scriptOver(a.Err)
	case modem.Keep:
	}
}

// scriptOver goes on after a script.
func (l *line) scriptOver(err error) {
	script := l.script
	l.script = nil
	l.in(timeStep, 0)
	l.countersign.asked = l.countersign.asked && err == nil
	for _, r := range script.Refused() {
		l.logAt(slog.LevelDebug, "optional command refused", "err", r)
	}
	switch {
	case l.state == HangingUp:
		l.hangupScriptOver(err)
	case l.state == Recovering:
		l.rungOver(l.unlessItRings(err))
	case l.state == Disabled || l.state == Quarantined:
		l.offHookOver(err)
	case l.state == Initializing && l.asking != nil:
		l.recogniseNext(script)
	case err != nil:
		if l.state == Initializing {
			l.forget() // it may be another modem
		}
		if l.state == Listening {
			l.event(EventProbe, "the idle probe failed", err.Error())
		}
		l.climb.refused = obeyed(err)
		l.post(evFailed, err.Error())
	case l.state == Initializing && l.countersign.asked:
		l.signOver()
	case l.state == Initializing && l.testing:
		l.testing = false
		l.post(evReady, "")
	case l.state == Initializing && len(l.back.ask) > 0:
		l.readBackOver(script.Refused())
	case l.state == Initializing:
		l.setUp(script.Refused())
	case l.state == Listening:
		l.in(timeState, l.cfg.IdleProbe)
	}
}

// writeTime is how long a command may take to be written: with RTS/CTS a dead modem takes nothing.
const writeTime = time.Second

// write sends to the modem, and says whether it took it.
func (l *line) write(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	dev := l.tty.dev
	if err := dev.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		l.post(evGone, "device gone: "+err.Error())
		return false
	}
	_, err := dev.Write(p)
	switch {
	case err == nil:
		return true
	case isTimeout(err):
		l.in(timeStep, 0)
		l.script = nil
		l.takesNothing("the modem takes no commands (CTS low?)")
	default:
		l.post(evGone, "device gone: "+err.Error())
	}
	return false
}

// takesNothing goes on when the modem takes no commands.
func (l *line) takesNothing(why string) {
	switch {
	case l.state == Answering:
		l.post(evNoConnect, why)
	case l.state == Recovering && l.climb.on:
		l.rungOver(errors.New(why))
	case l.state == Disabled || l.state == Quarantined:
		l.offHookOver(errors.New(why))
	default:
		l.post(evFailed, why)
	}
}
