package port

import "time"

// onHookPoll is how often DCD is looked at while DTR is low, to see the modem go on hook.
const onHookPoll = 20 * time.Millisecond

// callersBytes says whether what comes may still be the caller's. From the beginning of a hang-up until the modem is known to be on
// hook, nothing that comes counts as the modem's word: a caller who goes on sending RING or a caller id would otherwise fake the next
// call. A RING that is lost by it comes again.
func (l *line) callersBytes() bool {
	if l.state != HangingUp || l.hang.onHook {
		return false
	}
	switch l.hang.phase {
	case phaseHandler, phaseDrain, phaseDTR:
		l.lookOnHook() // what has come is dropped all the same: it may hold the caller's last bytes
		return true
	case phaseNone, phaseReset, phaseReopen, phaseProbe, phaseEscape, phaseQuiet, phaseDiagnostics, phaseDone:
	}
	return false
}

// lookOnHook looks whether the modem has gone on hook since DTR is low.
func (l *line) lookOnHook() {
	if l.tty.dev == nil || l.hang.onHook || !l.hang.dcd || l.hang.dtrLow.IsZero() {
		return
	}
	if l.inCall() {
		l.in(timePoll, onHookPoll)
		return
	}
	l.onHook()
}

// onHook drops what the caller sent last: from now on the modem speaks.
func (l *line) onHook() {
	if l.hang.onHook || l.tty.dev == nil {
		return
	}
	l.hang.onHook = true
	_ = l.tty.dev.Flush(In)
	l.split.Reset()
	l.rings, l.ids = 0, nil
}

// ringsInCall says that a RING can't be one, because the modem is still in a call as far as DCD tells.
func (l *line) ringsInCall() bool {
	return (l.state == HangingUp || l.state == Recovering) && l.inCall()
}
