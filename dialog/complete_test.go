package dialog

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rashost/plugin"
)

func TestC1_UnknownOrClosedHPort(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.host.DialogComplete(nil)
		r.host.DialogComplete(plugin.NewMessage(0, plugin.Success, 0, "eric", ""))
		r.host.DialogComplete(plugin.NewMessage(99, plugin.Success, 0, "eric", ""))
		d := r.start()
		check(t, d.end(), Completed, plugin.Failure, 0, plugin.EventSecurityFailure)
		d.complete(plugin.Success, 0, "eric")
		if s := r.host.Stats(); s.LateCalls != 4 {
			t.Errorf("LateCalls = %d, want 4", s.LateCalls)
		}
		if r.log.count("closed transaction", "level=DEBUG") != 3 {
			t.Error("the ignored verdicts were not logged")
		}
	})
}

func TestC2_FirstCompleteWins(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onBegin = func(b plugin.Begin) plugin.Code { // no End can come between the two
			b.Complete(plugin.NewMessage(b.HPort, plugin.Failure, 0, "eric", ""))
			b.Complete(plugin.NewMessage(b.HPort, plugin.Success, 0, "root", ""))
			return plugin.NoError
		}
		o := r.run(r.line).wait()
		check(t, o, Completed, plugin.Failure, 0, plugin.EventSecurityFailure)
		if o.User != "eric" {
			t.Errorf("user %q", o.User)
		}
		if r.log.count("second verdict") != 1 {
			t.Error("the second verdict was not logged")
		}
	})
}

func TestC2_ASecondCompleteBeforeEndIsNotTheOneADeferralOwes(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers
		r.p.onBegin = func(b plugin.Begin) plugin.Code {
			b.Complete(plugin.NewMessage(b.HPort, plugin.Success, 0, "eric", ""))
			b.Complete(plugin.NewMessage(b.HPort, plugin.Success, 0, "eric", ""))
			return plugin.NoError
		}
		check(t, r.run(r.line).wait(), EndOverdue, plugin.Error, plugin.ErrorRequestTimeout, plugin.EventSecurityInternal)
	})
}

// messages runs one dialog per message and checks its outcome.
func messages(t *testing.T, cases map[string]message) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in(t, func(t *testing.T, r *rig) {
				d := r.start()
				m := plugin.NewMessage(d.b.HPort, c.v, c.code, c.user, c.domain)
				d.b.Complete(m)
				clear(m.UserName[:]) // the message is the plugin's memory: the host has copied it
				o := d.wait()
				check(t, o, Completed, c.want, c.wantCode, c.ev)
				if o.User != c.wantUser {
					t.Errorf("user %q, want %q", o.User, c.wantUser)
				}
			})
		})
	}
}

type message struct {
	v            plugin.Verdict
	code         plugin.Code
	user, domain string
	want         plugin.Verdict
	wantCode     plugin.Code
	ev           plugin.EventID
	wantUser     string
}

func TestC3_EmptyUserName(t *testing.T) {
	messages(t, map[string]message{
		"success": {1, 0, "", "", 3, 87, 20098, ""},
		"failure": {2, 0, "", "", 2, 0, 20097, ""},
		"error":   {3, 5, "", "", 3, 5, 20098, ""},
	})
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		d.complete(plugin.Failure, 0, "")
		d.wait()
		if r.log.count("dialog ended", `user=(unknown)`) != 1 {
			t.Error("(unknown) was not logged")
		}
	})
}

func TestC4_UnknownMessageAndErrorWithoutACode(t *testing.T) {
	messages(t, map[string]message{
		"0":                     {0, 0, "eric", "", 3, 87, 20098, ""},
		"4":                     {4, 0, "eric", "", 3, 87, 20098, ""},
		"max":                   {0xffffffff, 0, "eric", "", 3, 87, 20098, ""},
		"error 0":               {3, 0, "eric", "", 3, 635, 20098, "eric"},
		"error 1326":            {3, 1326, "eric", "", 3, 1326, 20098, "eric"},
		"success, code unused":  {1, 5, "eric", "", 1, 0, 0, "eric"},
		"failure, code unused":  {2, 5, "eric", "", 2, 0, 20097, "eric"},
		"failure with any name": {2, 0, "-x\x1b[2J", "", 2, 0, 20097, "-x\x1b[2J"},
	})
}

func TestC5_NameWithoutNUL(t *testing.T) {
	long := strings.Repeat("x", 300)
	messages(t, map[string]message{
		"user":           {1, 0, long, "", 3, 13, 20098, ""},
		"domain":         {1, 0, "eric", long, 3, 13, 20098, ""},
		"failure":        {2, 0, long, "", 3, 13, 20098, ""},
		"longest domain": {1, 0, "eric", long[:15], 1, 0, 0, "eric"},
	})
}

func TestNamesThatMayBeLetIn(t *testing.T) {
	messages(t, map[string]message{
		"plain":       {1, 0, "eric", "(RASHOST - Unkn", 1, 0, 0, "eric"},
		"all kinds":   {1, 0, "_A9.b@c+d-e", "", 1, 0, 0, "_A9.b@c+d-e"},
		"64":          {1, 0, strings.Repeat("a", 64), "", 1, 0, 0, strings.Repeat("a", 64)},
		"65":          {1, 0, strings.Repeat("a", 65), "", 3, 13, 20098, ""},
		"option":      {1, 0, "-froot", "", 3, 13, 20098, ""},
		"dot":         {1, 0, ".eric", "", 3, 13, 20098, ""},
		"space":       {1, 0, "eric x", "", 3, 13, 20098, ""},
		"escape":      {1, 0, "eric\x1b[2J", "", 3, 13, 20098, ""},
		"8 bit":       {1, 0, "\xe9ric", "", 3, 13, 20098, ""},
		"newline":     {1, 0, "eric\n", "", 3, 13, 20098, ""},
		"bad domain":  {1, 0, "eric", "A\r\nB", 3, 13, 20098, ""},
		"8 bit dom.":  {1, 0, "eric", "Z\xfcrich", 1, 0, 0, "eric"},
		"DEL in dom.": {1, 0, "eric", "A\x7f", 3, 13, 20098, ""},
	})
}

func TestRefusedNameIsMaskedInLogAndSteps(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		d.complete(plugin.Failure, 0, "hunter2")
		o := d.wait()
		if r.log.count("hunter2") != 0 || r.log.count("h... (7 bytes)") != 1 {
			t.Error("the log does not mask the name")
		}
		for _, s := range o.Steps {
			if strings.Contains(s.What, "hunter2") {
				t.Errorf("a step holds the name: %q", s.What)
			}
		}
		if masked("\x1b]0;x") != "?... (5 bytes)" {
			t.Errorf("masked = %q", masked("\x1b]0;x"))
		}
	})
}

func TestC6_SuccessAfterADropIsIgnored(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		var after sync.WaitGroup
		r.p.onEnd = func(plugin.HPORT) plugin.Code { after.Wait(); return plugin.ErrorPortDisconnected }
		after.Add(1)
		r.line.hangUp(io.EOF)
		synctest.Wait()
		d.complete(plugin.Success, 0, "errrr") // as a known plugin does
		after.Done()
		check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, 0)
	})
}

func TestC6_NothingCountsOnceTheLineIsDown(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		d.cancel(errors.New("carrier lost"))
		d.complete(plugin.Failure, 0, "errrr") // before anyone could act on the drop
		check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, 0)
	})
}

func TestC6_DropWinsOverASuccessNotYetActedOn(t *testing.T) {
	for name, drop := range map[string]func(d *dialog){
		"line":    func(d *dialog) { d.line.hangUp(io.EOF); time.Sleep(time.Nanosecond) }, // until a Read has seen it
		"context": func(d *dialog) { d.cancel(errors.New("carrier lost")) },
		"stop":    func(d *dialog) { d.cancel(ErrStop) },
	} {
		for _, when := range []string{"while End runs", "while draining", "with the last byte"} {
			t.Run(name+" "+when, func(t *testing.T) {
				in(t, func(t *testing.T, r *rig) {
					d := r.start()
					switch when {
					case "while End runs":
						r.p.onEnd = func(plugin.HPORT) plugin.Code {
							drop(d)
							time.Sleep(time.Millisecond) // until the loop has seen it
							return plugin.ErrorPortDisconnected
						}
					case "while draining":
						r.line.block(true)
						mustPend(t, r.host.DialogSend(d.b.HPort, []byte("Welcome\r\n")))
					case "with the last byte":
						r.line.block(true)
						r.line.accepted = func() { drop(d) }
						mustPend(t, r.host.DialogSend(d.b.HPort, []byte("Welcome\r\n")))
					}
					d.complete(plugin.Success, 0, "eric")
					synctest.Wait()
					switch when {
					case "while draining":
						drop(d)
					case "with the last byte":
						r.line.block(false)
					}
					want := Dropped
					if name == "stop" {
						want = Stopped
					}
					o := d.wait()
					check(t, o, want, 0, plugin.ErrorPortDisconnected, 0)
					if o.User != "" {
						t.Errorf("user %q", o.User)
					}
				})
			})
		}
	}
}

func TestFailureOutlivesADrop(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.p.onEnd = func(plugin.HPORT) plugin.Code {
			r.line.hangUp(io.EOF)
			time.Sleep(time.Millisecond)
			return plugin.ErrorPortDisconnected
		}
		d.complete(plugin.Failure, 0, "eric")
		if o := d.wait(); o.Verdict != plugin.Failure || o.Event != plugin.EventSecurityFailure || o.User != "eric" {
			t.Errorf("%v, event %d, user %q: the refused caller's hanging up hides the refusal", o.Verdict, o.Event, o.User)
		}
	})
}

func TestC7_PendingReceiveIsCancelled(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers // the line stays, and bytes go on to come
		d := r.start()
		d.b.RecvBuf[0] = 'z'
		rc := d.receive(5, 3)
		rc.n = 5
		d.complete(plugin.Success, 0, "eric")
		r.line.typed("late")
		time.Sleep(5 * time.Second)
		if rc.set() || rc.n != 5 || d.b.RecvBuf[0] != 'z' {
			t.Errorf("event, *n = %d, buffer %q", rc.n, d.b.RecvBuf[:5])
		}
		if e := d.info().LastError; e == plugin.Pending || e == plugin.NoError {
			t.Errorf("LastError = %v", e)
		}
		if got := d.receive(9, 0).text(); got != "late" {
			t.Errorf("the next Receive got %q", got)
		}
		d.complete(plugin.Success, 0, "eric")
		d.wait()
	})
}

func TestC7_ReceiveOfADeadHPortIsCancelled(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		var rc *receiving
		r.p.onEnd = func(plugin.HPORT) plugin.Code {
			rc = d.receive(5, 2)
			return plugin.ErrorPortDisconnected
		}
		r.line.block(true)
		mustPend(t, r.host.DialogSend(d.b.HPort, []byte("goodbye")))
		d.complete(plugin.Failure, 0, "eric")
		synctest.Wait()
		r.line.typed("late")
		time.Sleep(3 * time.Second)
		if rc.set() || rc.n != 5 {
			t.Error("a Receive ended after the transaction was closed")
		}
		d.wait()
	})
}

func TestC8_OutputIsDrained(t *testing.T) {
	for _, v := range []plugin.Verdict{plugin.Success, plugin.Failure} {
		in(t, func(t *testing.T, r *rig) {
			d := r.start()
			r.line.block(true)
			mustPend(t, r.host.DialogSend(d.b.HPort, []byte("goodbye\r\n")))
			d.complete(v, 0, "eric")
			time.Sleep(4 * time.Second)
			if d.over() {
				t.Fatal("Run returned before the output had left")
			}
			freed := time.Now()
			r.line.block(false)
			if o := d.wait(); time.Since(freed) != 0 || o.Verdict != v || r.line.output() != "goodbye\r\n" {
				t.Errorf("%v, sent %q", o.Verdict, r.line.output())
			}
		})
	}
}

func TestC8_DrainIsBounded(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.block(true)
		mustPend(t, r.host.DialogSend(d.b.HPort, bytes.Repeat([]byte("x"), 1000)))
		start := time.Now()
		d.complete(plugin.Failure, 0, "eric")
		o := d.wait()
		check(t, o, Completed, plugin.Failure, 0, plugin.EventSecurityFailure)
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("drained for %v, want 5s", took)
		}
		if !hasStep(o, "1000 bytes did not leave") {
			t.Errorf("steps: %v", o.Steps)
		}
	})
}

// hasStep says whether a step of o holds part.
func hasStep(o Outcome, part string) bool {
	for _, s := range o.Steps {
		if strings.Contains(s.What, part) {
			return true
		}
	}
	return false
}

func TestC9_LimitReached(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		rc := d.receive(1, 0)
		start := time.Now()
		check(t, d.wait(), LimitReached, 0, plugin.ErrorRequestTimeout, plugin.EventAuthTimeout)
		if took := time.Since(start); took != 120*time.Second {
			t.Errorf("limit after %v, want 120s", took)
		}
		if !rc.set() {
			t.Error("the worker was not woken")
		}
		if n := r.p.endCalls(d.b.HPort); n != 1 {
			t.Errorf("End was called %d times, want once", n)
		}
	})
}

func TestC9_LimitStopsAtComplete(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers
		r.o.Timeout, r.o.EndGrace = 20*time.Second, time.Minute
		d := r.start()
		time.Sleep(19 * time.Second)
		d.complete(plugin.Success, 0, "eric")
		time.Sleep(30 * time.Second)
		d.complete(plugin.Success, 0, "eric")
		check(t, d.wait(), Completed, plugin.Success, 0, 0)
	})
}

func TestC9_WhatWasSentBeforeTheLimitIsDrained(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.block(true)
		mustPend(t, r.host.DialogSend(d.b.HPort, []byte("time is up\r\n")))
		time.Sleep(121 * time.Second)
		r.line.block(false)
		check(t, d.wait(), LimitReached, 0, plugin.ErrorRequestTimeout, plugin.EventAuthTimeout)
		if got := r.line.output(); got != "time is up\r\n" {
			t.Errorf("sent %q", got)
		}
	})
}

func TestC9_ADropEndsTheDrainAfterTheLimit(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.block(true)
		mustPend(t, r.host.DialogSend(d.b.HPort, []byte("time is up\r\n")))
		time.Sleep(121 * time.Second)
		d.cancel(errors.New("carrier lost"))
		dropped := time.Now()
		o := d.wait()
		check(t, o, LimitReached, 0, plugin.ErrorRequestTimeout, plugin.EventAuthTimeout)
		if took := time.Since(dropped); took != 0 {
			t.Errorf("Run returned %v after the drop", took)
		}
		if !hasStep(o, "12 bytes could not be sent") {
			t.Errorf("steps: %v", o.Steps)
		}
	})
}
