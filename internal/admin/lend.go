package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// LendRequest asks for a line's device.
type LendRequest struct {
	// To names the program that wants it: 1 to 40 characters, printable ASCII. The process at the other end of the socket is added.
	To string `json:"to"`
}

// LendReply is one line of the answer to a LendRequest.
type LendReply struct {
	// State is "waiting" while a call is on the line, and "lent" when its device is free.
	State string `json:"state"`
}

// The states of a LendReply.
const (
	lendWaiting = "waiting"
	lendLent    = "lent"
)

// Loan is a line that was taken out of service for another program.
type Loan interface {
	// Free is closed when the device is free for the program, Ended when the line is gone.
	Free() <-chan struct{}
	Ended() <-chan struct{}
	// Return gives the line back. It may be called twice.
	Return()
}

// loans are those under way.
type loans struct {
	mu  sync.Mutex
	all map[loanKey]Loan
}

// loanKey is a line and the process that has it.
type loanKey struct {
	line string
	pid  int32
}

func (l *loans) put(k loanKey, n Loan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[loanKey]Loan{}
	}
	l.all[k] = n
}

func (l *loans) get(k loanKey) Loan {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[k]
}

// drop forgets n, and not another one that the process has had since.
func (l *loans) drop(k loanKey, n Loan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all[k] == n {
		delete(l.all, k)
	}
}

// lendRoutes adds the requests for lending.
func (s *Server) lendRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/lines/{name}/lend", s.lend)
	mux.HandleFunc("POST /v1/lines/{name}/return", s.changing("return", func(_ context.Context, line string, peer Peer, _ []byte) (any, error) {
		key := loanKey{line, peer.PID}
		n := s.loans.get(key)
		if n == nil {
			return nil, NotFound(fmt.Errorf("line %.64q is not lent to process %d", line, peer.PID))
		}
		n.Return()
		s.loans.drop(key, n)
		return struct{}{}, nil
	}))
}

// lend takes a line out of service for as long as the connection lasts, whatever ends it.
func (s *Server) lend(w http.ResponseWriter, r *http.Request) {
	line, peer := r.PathValue("name"), peerOf(r.Context())
	log := s.log.With("request", "lend", "line", fmt.Sprintf("%.64q", line), "uid", peer.UID, "gid", peer.GID, "pid", peer.PID)
	if !peer.Known {
		log.Warn("control request refused: the kernel names no peer")
		s.fail(w, http.StatusForbidden, "the kernel does not say who you are")
		return
	}
	n, err := s.loan(r, line, peer)
	if err != nil {
		log.Warn("control request failed", "error", fmt.Sprintf("%.200q", err.Error()))
		s.failWith(w, err)
		return
	}
	key := loanKey{line, peer.PID}
	s.loans.put(key, n)
	defer func() {
		n.Return()
		s.loans.drop(key, n)
		log.Info("the line is back")
	}()
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Time{}) != nil {
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	send := func(state string) bool {
		return control.SetWriteDeadline(time.Now().Add(s.watchWrite)) == nil && encoder.Encode(LendReply{State: state}) == nil && control.Flush() == nil
	}
	if !send(lendWaiting) {
		return
	}
	select {
	case <-n.Free():
		log.Info("the line is lent")
	case <-n.Ended():
		return
	case <-r.Context().Done():
		return
	}
	if !send(lendLent) {
		return
	}
	select {
	case <-n.Ended():
	case <-r.Context().Done(): // given back, or the process has ended
	}
}

// loan asks the host for a line.
func (s *Server) loan(r *http.Request, line string, peer Peer) (Loan, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, Invalid(fmt.Errorf("the request's body is cut short or larger than %d bytes", maxBody))
	}
	var q LendRequest
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		return nil, Invalid(fmt.Errorf(`the body must be {"to": "the program"}: %.200q`, err.Error()))
	}
	if len(q.To) < 1 || len(q.To) > 40 {
		return nil, Invalid(errors.New("to must have 1 to 40 characters"))
	}
	for _, c := range []byte(q.To) {
		if c < ' ' || c > '~' {
			return nil, Invalid(errors.New("to must be printable ASCII"))
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), actionTime)
	defer cancel()
	return s.host.Lend(ctx, line, fmt.Sprintf("%s, pid %d", q.To, peer.PID))
}

// Lease is a line that this process has from the daemon. It ends with Close, or with the process.
type Lease struct {
	client *Client
	line   string
	stop   context.CancelFunc
	ended  chan struct{}
}

// Lend waits until the daemon has taken a line out of service for this process, named to, or until ctx ends. Errors: ErrNotFound,
// ErrConflict, ErrInvalid.
func (c *Client) Lend(ctx context.Context, line, to string) (*Lease, error) {
	body, err := json.Marshal(LendRequest{To: to})
	if err != nil {
		return nil, err
	}
	lasting, stop := context.WithCancel(context.WithoutCancel(ctx))
	unless := context.AfterFunc(ctx, stop)
	defer unless()
	l := &Lease{client: c, line: line, stop: stop, ended: make(chan struct{})}
	stream, err := l.open(lasting, body)
	if err == nil && ctx.Err() == nil {
		go l.hold(stream)
		return l, nil
	}
	stop()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return nil, err
}

// open makes the request, and returns the rest of its answer when the line is lent.
func (l *Lease) open(ctx context.Context, body []byte) (io.ReadCloser, error) {
	url := "http://rashost/v1/lines/" + url.PathEscape(l.line) + "/lend"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := l.client.send(req)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(io.LimitReader(resp.Body, maxEvent))
	for {
		var said LendReply
		if err := decoder.Decode(&said); err != nil {
			_ = resp.Body.Close()
			return nil, fmt.Errorf("rashost at %s does not lend the line: it stops, or its configuration has changed", l.client.path)
		}
		if said.State == lendLent {
			return resp.Body, nil
		}
	}
}

// hold waits for the end of the lease.
func (l *Lease) hold(stream io.ReadCloser) {
	defer close(l.ended)
	defer stream.Close()
	_, _ = io.Copy(io.Discard, stream)
}

// Ended is closed when the lease is over: after Close, or because the daemon has stopped or the line is gone.
func (l *Lease) Ended() <-chan struct{} { return l.ended }

// Close gives the line back, and returns when the daemon has it.
func (l *Lease) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), writeTime)
	defer cancel()
	_ = l.client.Do(ctx, "return", l.line) // the end of the connection says the same
	l.stop()
	<-l.ended
}
