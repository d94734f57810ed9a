package native

import (
	"strings"
	"testing"

	"rashost/dialog"
	"rashost/plugin"
)

// Codes of Winerror.h that only libraries use.
const (
	errorNoMoreItems plugin.Code = 259
	errorCancelled   plugin.Code = 1223
)

// beginFailed is the result of a Begin that returned code.
func beginFailed(code plugin.Code) result {
	return result{dialog.BeginRefused, plugin.Error, code, plugin.EventSecurityInternal, ""}
}

// next is the caller after a mishap: served as if nothing had happened.
func (r *rig) next(t *testing.T) {
	t.Helper()
	c := r.call("line1")
	c.t = t
	c.expect("What: ")
	c.send("ok\r")
	c.want(granted("well"))
}

// A library that goes wrong: one verdict, the right event, and the next caller is served.
func TestMishaps(t *testing.T) {
	r := newRig(t, "mishap.c", Options{})
	for _, tc := range []struct {
		what string
		want result
	}{
		{"ok", granted("well")},
		{"defer", granted("well")},                                     // rule E3
		{"defer-worse", refused("well")},                               // rule E5
		{"defer-error", failed(errorCancelled).of("well")},             // rule E5
		{"defer-other", failed(plugin.ErrorInvalidParameter)},          // rule E5: another user
		{"defer-forever", overdue()},                                   // rule E4
		{"crash", failed(plugin.ErrorProcessAborted)},                  // contract 1.12
		{"crash-after", failed(plugin.ErrorProcessAborted).of("well")}, // a success that its library has not survived
		{"stop-process", failed(plugin.ErrorProcessAborted)},           // ExitProcess
		{"twice", refused("well")},                                     // rule C2
		{"long-name", failed(plugin.ErrorInvalidData)},                 // rule C5: 257 bytes and no NUL
		{"no-name", failed(plugin.ErrorInvalidParameter)},              // rule C3
		{"bad-verdict", failed(plugin.ErrorInvalidParameter)},          // rule C4
		{"error", failed(plugin.ErrorAccessDenied)},                    // a code that is not Raserror.h's
		{"something that it has not got", refused("(unknown mishap)")},
	} {
		t.Run(tc.what, func(t *testing.T) {
			c := r.call("line1")
			c.t = t
			c.expect("What: ")
			c.send(tc.what + "\r")
			c.want(tc.want)
			r.next(t)
		})
	}
}

// of is r with a user.
func (r result) of(user string) result {
	r.user = user
	return r
}

// overdue is the result of a library that defers its end for ever.
func overdue() result {
	return result{dialog.EndOverdue, plugin.Error, plugin.ErrorRequestTimeout, plugin.EventSecurityInternal, ""}
}

// A library that spins after a drop, ignores every error and then reports a success: it does not get in (rule C6).
func TestSpinAfterDrop(t *testing.T) {
	r := newRig(t, "mishap.c", Options{})
	c := r.call("line1")
	c.send("spin\r")
	c.expect("Hang up now. ")
	c.send("er")
	c.hangUp()
	c.want(dropped())
	r.reported(plugin.Success)
	r.settled()
	if !strings.Contains(r.log.String(), "verdict=none code=619 ended=dropped") {
		t.Error("the log does not say that nobody was let in")
	}
	r.next(t)
}

// A library that waits for ever, and then defers its end for ever: the limit of the dialog, or a drop, ends the call, and the grace ends the
// process (rules C9, E4, E7).
func TestWaitsForEver(t *testing.T) {
	t.Parallel()
	r := newRig(t, "mishap.c", Options{})
	never, waits, lost := r.call("line1"), r.call("line2"), r.call("line3")
	never.send("never\r")
	waits.send("wait\r")
	lost.send("wait\r")
	never.expect("Never. ")
	waits.expect("Waiting. ")
	lost.expect("Waiting. ")
	lost.hangUp()
	lost.want(dropped())
	r.next(t)
	limit := result{dialog.LimitReached, 0, plugin.ErrorRequestTimeout, plugin.EventAuthTimeout, ""}
	never.want(limit)
	waits.want(limit)
	r.next(t)
	r.gone()
}

// What goes wrong in Begin, or before it has returned (rules B3, B4, B5, E2).
func TestBeginMishaps(t *testing.T) {
	t.Parallel()
	for device, want := range map[string]result{
		"begin refuses":               beginFailed(errorNoMoreItems),
		"begin pends":                 beginFailed(plugin.Pending),
		"begin completes":             granted("early"),
		"begin completes and refuses": beginFailed(errorNoMoreItems),
		"begin hangs":                 beginFailed(plugin.ErrorRequestTimeout),
		"begin crashes":               beginFailed(plugin.ErrorProcessAborted),
	} {
		t.Run(device, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, "mishap.c", Options{})
			r.o.DeviceName = device
			r.call("line1").want(want)
			if n, ended := len(r.seen.ends), want.ended == dialog.Completed; (n == 1) != ended {
				t.Errorf("End was called %d times after %v", n, want)
			}
			r.o.DeviceName = ""
			r.next(t)
		})
	}
}

// A library that misuses its process: what it breaks is its own.
func TestStrays(t *testing.T) {
	r := newRig(t, "stray.c", Options{})
	for _, tc := range []struct {
		what string
		want result
	}{
		{"exit", failed(plugin.ErrorProcessAborted)},
		{"_exit", failed(plugin.ErrorProcessAborted)},
		{"abort", failed(plugin.ErrorProcessAborted)},
		{"close", failed(plugin.ErrorProcessAborted)},
		{"fork", granted("well")},
		{"fork-and-talk", refused("well")},
		{"print", granted("well")},
		{"read", granted("well")},
		{"overrun", failed(plugin.ErrorProcessAborted)},
		{"overrun-by-one", failed(plugin.ErrorProcessAborted)},
	} {
		t.Run(tc.what, func(t *testing.T) {
			c := r.call("line1")
			c.t = t
			c.expect("What: ")
			c.send(tc.what + "\r")
			c.want(tc.want)
			r.next(t)
			r.gone() // forked children too
		})
	}
}

// A library that ignores every signal and never returns: the end of the call ends it.
func TestIgnoresSignals(t *testing.T) {
	r := newRig(t, "stray.c", Options{})
	c := r.call("line1")
	c.expect("What: ")
	c.send("signals\r")
	c.hangUp()
	c.want(dropped())
	r.next(t)
	r.gone()
}
