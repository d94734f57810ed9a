package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestWatchPushes(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan Event, 10)
	done := make(chan error, 1)
	go func() { done <- c.Watch(ctx, func(e Event) error { events <- e; return nil }) }()
	for _, want := range []string{"modem1", "modem2"} {
		if e := <-events; e.Type != EventLine || e.Line.Name != want {
			t.Errorf("got %+v, want %s as it is", e, want)
		}
	}
	r.host.Publish(Event{Type: EventRemoved, Name: "modem2"})
	if e := <-events; e.Type != EventRemoved || e.Name != "modem2" {
		t.Errorf("got %+v", e)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("a watch that was cancelled: %v", err)
	}

	stop := errors.New("enough")
	if err := c.Watch(t.Context(), func(Event) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestWatchEndsWithTheDaemon(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	done := make(chan error, 1)
	go func() { done <- c.Watch(t.Context(), func(Event) error { return nil }) }()
	<-r.host.watched
	r.stop()
	if err := <-done; err == nil {
		t.Error("the end of the daemon was not told")
	}
}

func TestManyWatchers(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	got := make(chan struct{}, maxWatchers)
	var all sync.WaitGroup
	for range maxWatchers {
		all.Go(func() {
			_ = c.Watch(ctx, func(e Event) error {
				if e.Name == "gone" {
					got <- struct{}{}
				}
				return nil
			})
		})
	}
	for range maxWatchers {
		<-r.host.watched
	}
	err := c.Watch(ctx, func(Event) error { return nil })
	if status, ok := errors.AsType[*StatusError](err); !ok || status.Status != http.StatusServiceUnavailable {
		t.Errorf("one watcher too many: %v", err)
	}
	r.host.Publish(Event{Type: EventRemoved, Name: "gone"})
	for range maxWatchers {
		<-got
	}
	cancel()
	all.Wait()
}

func TestSlowWatcherIsDropped(t *testing.T) {
	r := start(t, func(o *Options) { o.watchWrite = 50 * time.Millisecond })
	conn := send(t, r.path, "GET /v1/watch HTTP/1.1\r\nHost: x\r\n\r\n")
	<-r.host.watched
	r.host.Publish(Event{Type: EventLine, Line: &LineView{Reason: strings.Repeat("x", 4<<20)}}) // more than the socket holds
	eventually(t, func() bool { return r.server.watchers.Load() == 0 })
	if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection does not end: %v", err)
	}
	if _, err := dial(t, r.path).Lines(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHubEndsAWatch(t *testing.T) {
	var h Hub
	ctx, cancel := context.WithCancel(t.Context())
	ch := h.Watch(ctx)
	h.Publish(Event{Name: "a"})
	if e := <-ch; e.Name != "a" {
		t.Errorf("got %+v", e)
	}
	if !h.Watched() {
		t.Error("nobody watches, it says")
	}
	cancel()
	if _, open := <-ch; open {
		t.Error("an event after the end")
	}
	if h.Watched() {
		t.Error("somebody still watches, it says")
	}
	slow := h.Watch(t.Context())
	for range hubBuffer + 1 {
		h.Publish(Event{})
	}
	n := 0
	for range slow {
		n++
	}
	if n != hubBuffer {
		t.Errorf("the slow watcher got %d events, then the end; want %d", n, hubBuffer)
	}
}
