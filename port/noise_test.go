package port

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestNoNoise: what belongs to a line that works is no noise: answers to the idle probe, RING and caller id before and behind it, and a
// stray byte now and then.
func TestNoNoise(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.IdleProbe, r.cfg.Rings = 10*time.Second, 20 }, func(r *rig) {
		r.within(time.Second, Listening)
		r.stays(time.Hour, Listening)
		for range 100 {
			r.say("\r\nDATE = 0102\r\nTIME = 0304\r\nNMBR = 5551234\r\nNAME = SOMEBODY WITH A LONG NAME\r\n\r\nRING\r\n")
			r.stays(time.Minute, Listening)
		}
		for range 1000 {
			r.say("\xff")
			time.Sleep(2 * time.Minute)
		}
		if told := r.told(EventNoise); len(told) > 0 {
			t.Error(told)
		}
	})
}

// countedOpener counts the reads of what it opens.
type countedOpener struct {
	Opener
	reads atomic.Int64
}

type countedDevice struct {
	Device
	reads *atomic.Int64
}

func (d countedDevice) Read(p []byte) (int, error) {
	n, err := d.Device.Read(p)
	d.reads.Add(1)
	return n, err
}

// Open implements Opener.
func (o *countedOpener) Open(ctx context.Context) (Device, error) {
	d, err := o.Opener.Open(ctx)
	if err != nil {
		return nil, err
	}
	return countedDevice{d, &o.reads}, nil
}

// TestNoiseIsReadInGulps: a line that babbles byte by byte is not woken for each of them, and still hears a RING.
func TestNoiseIsReadInGulps(t *testing.T) {
	o := new(countedOpener)
	bubble(t, FakeOptions{}, func(r *rig) {
		o.Opener = r.fake
		r.mgr.openers = func(LineConfig) (Opener, error) { return o, nil }
	}, func(r *rig) {
		r.within(time.Second, Listening)
		for range 60_000 {
			r.say("~")
			time.Sleep(time.Millisecond)
		}
		if n := o.reads.Load(); n > 60*110 {
			t.Errorf("%d reads in a minute", n)
		}
		if told := r.told(EventNoise); len(told) != 1 {
			t.Errorf("told: %v", told)
		}
		r.say(strings.Repeat("~", 300) + "\r\nRING\r\n")
		r.within(time.Second, Dialog)
	})
}
