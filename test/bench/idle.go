package main

import (
	"context"
	"fmt"
	"time"
)

// fewLines is where the memory for each further line is counted from.
const fewLines = 256

// rest is how long a daemon is left alone before it is measured.
const rest = 10 * time.Second

// idle measures what lines cost that nobody calls.
func idle(ctx context.Context, o options, t *table) error {
	few, _, err := sizeOf(ctx, o, fewLines, nil)
	if err != nil {
		return err
	}
	var rate float64
	var private int
	many, threads, err := sizeOf(ctx, o, o.lines, func(d *daemon) error {
		if rate, err = wakeUps(ctx, d.pid, o.idle); err == nil {
			private, err = anonymousOf(d.pid)
		}
		return err
	})
	if err != nil {
		return err
	}
	each := float64(many) / float64(o.lines)
	slope := float64(many-few) / float64(o.lines-fewLines)
	t.add(rowPSS(o)).put(rashost, "%.1f KB", each).want("<= 24 KB", each <= 24)
	t.add(rowPrivate(o)).put(rashost, "%.1f KB", float64(private)/float64(o.lines))
	t.add(rowSlope(o)).put(rashost, "%.1f KB", slope).want("<= 10 KB", slope <= 10)
	t.add(rowThreads(o)).put(rashost, "%d", threads).want("<= 16", threads <= 16)
	t.add(rowSwitches(o)).put(rashost, "%.2f /s", rate).want("<= 0.5 /s", rate <= 0.5)
	if o.peers {
		return idlePeers(ctx, o, t)
	}
	return nil
}

// sizeOf measures a daemon with n idle lines: PSS in KB and threads. also may measure more of it.
func sizeOf(ctx context.Context, o options, n int, also func(*daemon) error) (pss, threads int, err error) {
	d, err := boot(ctx, o, setup{lines: n, dtr: "500ms", service: "type: tcp, address: \"127.0.0.1:1\""})
	if err != nil {
		return 0, 0, err
	}
	defer d.stop()
	if err := pause(ctx, rest); err != nil {
		return 0, 0, err
	}
	if also != nil {
		if err := also(d); err != nil {
			return 0, 0, err
		}
	}
	if pss, err = pssOf(d.pid); err != nil {
		return 0, 0, err
	}
	threads, err = threadsOf(d.pid)
	return pss, threads, err
}

// wakeUps counts context switches for each second.
func wakeUps(ctx context.Context, pid int, length time.Duration) (float64, error) {
	before, err := switchesOf(pid)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := pause(ctx, length); err != nil {
		return 0, err
	}
	after, err := switchesOf(pid)
	return float64(after-before) / time.Since(began).Seconds(), err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// The rows of idle lines.
func rowPSS(o options) string {
	return fmt.Sprintf("%d idle lines: PSS for a line, base included", o.lines)
}
func rowPrivate(o options) string {
	return fmt.Sprintf("%d idle lines: of it anonymous, without the program's file", o.lines)
}
func rowSlope(o options) string {
	return fmt.Sprintf("PSS for each line between %d and %d", fewLines, o.lines)
}
func rowThreads(o options) string { return fmt.Sprintf("%d idle lines: threads", o.lines) }
func rowSwitches(o options) string {
	return fmt.Sprintf("%d idle lines: context switches of the process", o.lines)
}
