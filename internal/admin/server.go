package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Bounds of what a client may do.
const (
	maxBody     = 4 << 10
	maxHeader   = 8 << 10
	maxWatchers = 64
	maxConns    = 256
	maxCalls    = 10_000
	readTime    = 10 * time.Second
	writeTime   = 30 * time.Second
	actionTime  = 20 * time.Second // for a changing request: longer than a hang-up may take
	closeTime   = time.Second
)

// Options of Listen. Log nil discards.
type Options struct {
	Host Host
	Log  *slog.Logger

	watchWrite time.Duration // how long a watcher may take for one event; 0 means 10 s
}

// Server answers on the control socket.
type Server struct {
	host       Host
	log        *slog.Logger
	listener   *listener
	http       *http.Server
	watchers   atomic.Int32
	loans      loans
	watchWrite time.Duration
	stop       context.CancelFunc // ends the requests
}

// Listen takes the socket at path, whose folder is made if missing. Errors: ErrInUse when another daemon answers there.
func Listen(ctx context.Context, path string, o Options) (*Server, error) {
	l, err := listen(ctx, path)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.watchWrite == 0 {
		o.watchWrite = 10 * time.Second
	}
	s := &Server{host: o.Host, log: o.Log, listener: l, watchWrite: o.watchWrite}
	base, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: readTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       readTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       withPeer,
	}
	return s, nil
}

// Serve answers until ctx ends; then it ends the watchers, lets requests under way finish for a moment and removes the socket.
func (s *Server) Serve(ctx context.Context) error {
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(s.listener) }()
	select {
	case err := <-failed:
		s.stop()
		return errors.Join(err, s.http.Close())
	case <-ctx.Done():
	}
	s.stop()
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	if err := s.http.Shutdown(limit); err != nil {
		_ = s.http.Close()
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close gives the socket back when Serve is not called.
func (s *Server) Close() error {
	s.stop()
	return s.listener.Close()
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/lines", func(w http.ResponseWriter, _ *http.Request) {
		s.reply(w, http.StatusOK, LinesReply{Lines: orEmpty(s.host.Lines()), Health: s.host.Health()})
	})
	mux.HandleFunc("GET /v1/lines/{name}", func(w http.ResponseWriter, r *http.Request) {
		reply, err := s.host.Line(r.Context(), r.PathValue("name"))
		reply.Events, reply.Health = orEmpty(reply.Events), s.host.Health()
		s.answer(w, reply, err)
	})
	mux.HandleFunc("GET /v1/calls", s.calls)
	mux.HandleFunc("GET /v1/calls/{id}", func(w http.ResponseWriter, r *http.Request) {
		call, err := s.host.Call(r.Context(), r.PathValue("id"))
		s.answer(w, call, err)
	})
	mux.HandleFunc("GET /v1/plugins", func(w http.ResponseWriter, _ *http.Request) {
		s.reply(w, http.StatusOK, PluginsReply{Plugins: orEmpty(s.host.Plugins())})
	})
	mux.HandleFunc("GET /v1/health", func(w http.ResponseWriter, _ *http.Request) {
		s.reply(w, http.StatusOK, s.host.Health())
	})
	mux.HandleFunc("GET /v1/watch", s.watch)
	mux.HandleFunc("POST /v1/ppp/pre-up", s.preUp)
	for name, do := range map[string]func(context.Context, string) error{
		"hangup": s.host.Hangup, "disable": s.host.Disable, "drain": s.host.Drain, "enable": s.host.Enable, "reset": s.host.Reset,
	} {
		mux.HandleFunc("POST /v1/lines/{name}/"+name, s.action(name, do))
	}
	s.armRoutes(mux)
	s.lendRoutes(mux)
	return s.jsonErrors(mux)
}

// jsonErrors answers unknown paths and methods in the form of every other error.
func (s *Server) jsonErrors(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		if _, pattern := mux.Handler(r); pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		status := http.StatusNotFound
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			other := r.Clone(r.Context())
			other.Method = method
			if _, pattern := mux.Handler(other); pattern != "" {
				w.Header().Set("Allow", method)
				status = http.StatusMethodNotAllowed
			}
		}
		s.fail(w, status, fmt.Sprintf("there is no %s %.100q", r.Method, r.URL.Path))
	})
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func (s *Server) calls(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r)
	if err != nil {
		s.fail(w, http.StatusBadRequest, err.Error())
		return
	}
	calls, err := s.host.Calls(r.Context(), q)
	s.answer(w, CallsReply{Calls: orEmpty(calls), Health: s.host.Health()}, err)
}

func parseQuery(r *http.Request) (CallQuery, error) {
	v := r.URL.Query()
	q := CallQuery{Line: v.Get("line"), User: v.Get("user")}
	var err error
	if text := v.Get("since"); text != "" {
		if q.Since, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return q, fmt.Errorf("since %.40q is not a time in the form of RFC 3339", text)
		}
	}
	if text := v.Get("open"); text != "" {
		if q.Open, err = strconv.ParseBool(text); err != nil {
			return q, fmt.Errorf("open %.40q is not true or false", text)
		}
	}
	if text := v.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > maxCalls {
			return q, fmt.Errorf("limit %.40q is not a number from 1 to %d", text, maxCalls)
		}
	}
	return q, nil
}

// action is a changing request without particulars.
func (s *Server) action(name string, do func(context.Context, string) error) http.HandlerFunc {
	return s.changing(name, func(ctx context.Context, line string, _ Peer, _ []byte) (any, error) {
		return struct{}{}, do(ctx, line)
	})
}

// changing runs a changing request and logs who asked for it.
func (s *Server) changing(name string, do func(ctx context.Context, line string, peer Peer, body []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		line, peer := r.PathValue("name"), peerOf(r.Context())
		log := s.log.With("request", name, "line", fmt.Sprintf("%.64q", line), "uid", peer.UID, "gid", peer.GID, "pid", peer.PID)
		if !peer.Known {
			log.Warn("control request refused: the kernel names no peer")
			s.fail(w, http.StatusForbidden, "the kernel does not say who you are")
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			log.Warn("control request refused", "error", err.Error())
			s.fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the request's body is cut short or larger than %d bytes", maxBody))
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), actionTime)
		defer cancel()
		reply, err := do(ctx, line, peer, body)
		if err != nil {
			log.Warn("control request failed", "error", fmt.Sprintf("%.200q", err.Error()))
			s.failWith(w, err)
			return
		}
		log.Info("control request done")
		s.reply(w, http.StatusOK, reply)
	}
}

// watch streams one JSON object a line: every line as it is now, then what changes.
func (s *Server) watch(w http.ResponseWriter, r *http.Request) {
	if s.watchers.Add(1) > maxWatchers {
		s.watchers.Add(-1)
		s.fail(w, http.StatusServiceUnavailable, fmt.Sprintf("there are %d watchers already", maxWatchers))
		return
	}
	defer s.watchers.Add(-1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	events := s.host.Watch(ctx)
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Time{}) != nil {
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	send := func(e Event) bool {
		return control.SetWriteDeadline(time.Now().Add(s.watchWrite)) == nil && encoder.Encode(e) == nil
	}
	for _, line := range s.host.Lines() {
		if !send(Event{Type: EventLine, At: line.Since, Line: &line}) {
			return
		}
	}
	for {
		if control.Flush() != nil {
			return
		}
		select {
		case e, open := <-events:
			if !open || !send(e) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		s.failWith(w, err)
		return
	}
	s.reply(w, http.StatusOK, v)
}

func (s *Server) failWith(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, ErrConflict):
		status = http.StatusConflict
	case errors.Is(err, ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, context.DeadlineExceeded):
		status = http.StatusGatewayTimeout
	}
	s.fail(w, status, err.Error())
}

func (s *Server) fail(w http.ResponseWriter, status int, text string) {
	s.reply(w, status, errorReply{Error: text})
}

func (s *Server) reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone: nobody to tell
}
