package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"
)

// maxReply bounds one answer, and one event of a watch, that the client takes.
const (
	maxReply = 64 << 20
	maxEvent = 1 << 20
)

// ErrNotRunning: nobody listens on the socket.
var ErrNotRunning = errors.New("rashost is not running")

// StatusError is an error that the daemon answered with.
type StatusError struct {
	Status int
	Text   string
}

// Error returns the daemon's text.
func (e *StatusError) Error() string { return e.Text }

// Is makes errors.Is work with ErrNotFound, ErrConflict and ErrInvalid.
func (e *StatusError) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrConflict:
		return e.Status == http.StatusConflict
	case ErrInvalid:
		return e.Status == http.StatusBadRequest
	default:
		return false
	}
}

// Client talks to a running daemon. Its methods may be called from any goroutine.
type Client struct {
	path string
	http *http.Client
}

// Dial makes sure that a daemon answers on the socket at path. Errors: ErrNotRunning, fs.ErrPermission.
func Dial(ctx context.Context, path string) (*Client, error) {
	c := &Client{path: path}
	c.http = &http.Client{Transport: &http.Transport{
		DisableCompression:    true,
		ResponseHeaderTimeout: writeTime,
		DialContext:           func(ctx context.Context, _, _ string) (net.Conn, error) { return c.connect(ctx) },
	}}
	conn, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	return c, conn.Close()
}

func (c *Client) connect(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Timeout: 5 * time.Second}
	conn, err := d.DialContext(ctx, "unix", c.path)
	switch {
	case err == nil:
		return conn, nil
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOTSOCK):
		return nil, fmt.Errorf("%w (no answer at %s): start it with `rashost serve`, or name its configuration with -c", ErrNotRunning, c.path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("you may not use %s: become root or a member of the socket's group: %w", c.path, fs.ErrPermission)
	default:
		return nil, fmt.Errorf("control socket %s: %w", c.path, err)
	}
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Lines returns the state of every line.
func (c *Client) Lines(ctx context.Context) (LinesReply, error) {
	return get[LinesReply](ctx, c, "/v1/lines")
}

// Line returns one line with its newest events, oldest first. Errors: ErrNotFound.
func (c *Client) Line(ctx context.Context, name string) (LineReply, error) {
	return get[LineReply](ctx, c, "/v1/lines/"+url.PathEscape(name))
}

// Calls returns the calls that q chooses, newest first.
func (c *Client) Calls(ctx context.Context, q CallQuery) (CallsReply, error) {
	v := url.Values{}
	if !q.Since.IsZero() {
		v.Set("since", q.Since.Format(time.RFC3339Nano))
	}
	if q.Line != "" {
		v.Set("line", q.Line)
	}
	if q.User != "" {
		v.Set("user", q.User)
	}
	if q.Open {
		v.Set("open", "true")
	}
	if q.Limit > 0 {
		v.Set("limit", strconv.Itoa(q.Limit))
	}
	return get[CallsReply](ctx, c, "/v1/calls?"+v.Encode())
}

// Call returns one call, by its id or the beginning of it. Errors: ErrNotFound.
func (c *Client) Call(ctx context.Context, id string) (CallView, error) {
	return get[CallView](ctx, c, "/v1/calls/"+url.PathEscape(id))
}

// Plugins returns the known plugins.
func (c *Client) Plugins(ctx context.Context) (PluginsReply, error) {
	return get[PluginsReply](ctx, c, "/v1/plugins")
}

// Health says whether the daemon works as it should.
func (c *Client) Health(ctx context.Context) (HealthView, error) {
	return get[HealthView](ctx, c, "/v1/health")
}

// Do runs hangup, disable, drain, enable, reset or disarm on a line. Errors: ErrNotFound, ErrConflict.
func (c *Client) Do(ctx context.Context, action, line string) error {
	resp, err := c.request(ctx, http.MethodPost, "/v1/lines/"+url.PathEscape(line)+"/"+action)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// Watch calls each with every line as it is now and with every change, until ctx ends (nil), each fails, or the daemon ends it.
func (c *Client) Watch(ctx context.Context, each func(Event) error) error {
	resp, err := c.request(ctx, http.MethodGet, "/v1/watch")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	scanner := bufio.NewScanner(resp.Body)
	scanner.Buffer(nil, maxEvent)
	for scanner.Scan() {
		var e Event
		if err := json.Unmarshal(scanner.Bytes(), &e); err != nil {
			return fmt.Errorf("rashost at %s sent something that is no event: %w", c.path, err)
		}
		if err := each(e); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("rashost at %s has ended the watch: it stopped, or this terminal was too slow", c.path)
}

func get[T any](ctx context.Context, c *Client, path string) (T, error) {
	var v T
	resp, err := c.request(ctx, http.MethodGet, path)
	if err != nil {
		return v, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxReply)).Decode(&v); err != nil {
		return v, fmt.Errorf("rashost at %s gave an answer that cannot be read: %w", c.path, err)
	}
	return v, nil
}

// request returns an answer with status 200; everything else is an error.
func (c *Client) request(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://rashost"+path, nil)
	if err != nil {
		return nil, err
	}
	return c.send(req)
}

func (c *Client) send(req *http.Request) (*http.Response, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var fault errorReply
	if json.NewDecoder(io.LimitReader(resp.Body, maxEvent)).Decode(&fault) != nil || fault.Error == "" {
		fault.Error = "rashost answered " + resp.Status
	}
	return nil, &StatusError{Status: resp.StatusCode, Text: fault.Error}
}
