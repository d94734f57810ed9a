package main

import (
	"testing"
	"time"

	"rashost/internal/config"
)

// The line waits longer for a call's handler than the service does before it kills, or the exit status would be lost.
func TestHandlerGrace(t *testing.T) {
	for grace, want := range map[time.Duration]time.Duration{
		0:                      5 * time.Second,
		300 * time.Millisecond: 5 * time.Second,
		5 * time.Second:        7 * time.Second,
		8 * time.Second:        10 * time.Second,
		time.Minute:            10 * time.Second,
	} {
		if got := handlerGrace(config.Service{Grace: config.Duration(grace)}); got != want {
			t.Errorf("grace %s: %s, want %s", grace, got, want)
		}
	}
}
