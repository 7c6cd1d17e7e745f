package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/user"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creachadair/jrpc2"
)

// The groups whose members may use the socket. Since the file's mode lets in
// the first group only, administrators are members of both.
const (
	DefaultGroup      = "sentinel"
	DefaultAdminGroup = "sentinel-admin"
)

// Options say where the socket is and what it bears. Zero values are replaced
// by the defaults named.
type Options struct {
	// Path is the absolute path of the socket, at most 90 bytes.
	Path string
	// LookupGroup finds the number of a group (default: the host's database).
	LookupGroup func(name string) (gid uint32, ok bool)
	// Logger gets what callers must not learn (default: nothing is logged).
	Logger *slog.Logger
	// MaxConns is how many connections there are (64); a new one takes the
	// place of the one that was idle longest. A user who is no administrator
	// has at most half of them.
	MaxConns int
	// MaxInFlight is how many requests are served at once (32), MaxPerConn how
	// many of them one connection has (8), MaxStreams how many streams there
	// are (16).
	MaxInFlight, MaxPerConn, MaxStreams int
	// IdleTimeout ends connections that ask nothing (10 min), RequestTimeout
	// those that take longer to send a request (10 s), WriteTimeout those that
	// do not read (5 s). CallTimeout is how long a request is served (30 s);
	// streams have no end.
	IdleTimeout, RequestTimeout, WriteTimeout, CallTimeout time.Duration
}

func (o Options) withDefaults() Options {
	number := func(p *int, n int) {
		if *p <= 0 {
			*p = n
		}
	}
	period := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	number(&o.MaxConns, 64)
	number(&o.MaxInFlight, 32)
	number(&o.MaxPerConn, 8)
	number(&o.MaxStreams, 16)
	period(&o.IdleTimeout, 10*time.Minute)
	period(&o.RequestTimeout, 10*time.Second)
	period(&o.WriteTimeout, 5*time.Second)
	period(&o.CallTimeout, 30*time.Second)
	if o.LookupGroup == nil {
		o.LookupGroup = lookupGroup
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func lookupGroup(name string) (uint32, bool) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, false
	}
	gid, err := strconv.ParseUint(g.Gid, 10, 32)
	return uint32(gid), err == nil
}

// Server serves an Agent on a socket.
type Server struct {
	agent   Agent
	options Options
	access  access
	socket  *socket
	calls   chan struct{}
	streams chan struct{}

	mu    sync.Mutex
	conns map[*conn]struct{}
	wg    sync.WaitGroup
}

// conn is one connection.
type conn struct {
	peer Peer
	link *link
	rpc  *jrpc2.Server
}

// Listen makes the socket, so that callers can connect; Run answers them.
func Listen(agent Agent, o Options) (*Server, error) {
	o = o.withDefaults()
	a := access{owner: uint32(os.Geteuid())}
	a.member, a.memberOK = o.LookupGroup(DefaultGroup)
	a.admin, a.adminOK = o.LookupGroup(DefaultAdminGroup)
	gid := -1
	if a.memberOK {
		gid = int(a.member)
	}
	s, err := listen(o.Path, gid)
	if err != nil {
		return nil, err
	}
	return &Server{
		agent: agent, options: o, access: a, socket: s,
		calls:   make(chan struct{}, o.MaxInFlight),
		streams: make(chan struct{}, o.MaxStreams),
		conns:   map[*conn]struct{}{},
	}, nil
}

// Path returns the path of the socket.
func (s *Server) Path() string { return s.socket.path }

// Close removes the socket of a server that was not run. After Run it does
// nothing.
func (s *Server) Close() error { return s.socket.Close() }

// Run answers callers until ctx ends, then disconnects all, removes the socket
// and returns nil. It returns an error if the socket fails.
func (s *Server) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ctx, func() { _ = s.socket.Close() })()
	for {
		c, err := s.socket.AcceptUnix()
		if err != nil {
			ended := ctx.Err() != nil
			if !ended && temporary(err) {
				s.options.Logger.Warn("control socket: accepting a connection", "error", err)
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
				continue
			}
			stop()
			s.disconnect()
			s.wg.Wait()
			if ended {
				return nil
			}
			_ = s.socket.Close()
			return fmt.Errorf("accepting on the control socket: %w", err)
		}
		s.accept(ctx, c)
	}
}

// temporary reports whether accepting may work again: too many files are open,
// memory is short, or the caller is gone already.
func temporary(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.EINTR, syscall.EAGAIN,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// disconnect ends all connections.
func (s *Server) disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.link.Close()
	}
}

// accept finds out who is calling and serves the connection.
func (s *Server) accept(ctx context.Context, uc *net.UnixConn) {
	peer, err := peerOf(uc)
	if err != nil {
		s.options.Logger.Warn("control socket: refusing a connection", "error", err)
		_ = uc.Close()
		return
	}
	peer.Role = s.access.role(peer)
	c := &conn{peer: peer}
	c.link = newLink(uc, limits{s.options.IdleTimeout, s.options.RequestTimeout, s.options.WriteTimeout, s.options.MaxPerConn})
	if fault := s.admit(c); fault != nil {
		// A new connection has room for one frame: this does not wait.
		_ = c.link.put(errorFrame(nil, fault))
		_ = c.link.Close()
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	c.rpc = jrpc2.NewServer(s.handlers(c), &jrpc2.ServerOptions{
		AllowPush: true, DisableBuiltin: true, Concurrency: s.options.MaxPerConn,
		NewContext: func() context.Context { return ctx },
	})
	c.link.cancel = c.rpc.CancelRequest
	s.wg.Go(func() {
		defer cancel()
		c.rpc.Start(c.link)
		if err := c.rpc.Wait(); err != nil {
			s.options.Logger.Debug("control socket: connection ended", "peer", peer.String(), "error", err)
		}
		_ = c.link.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	})
}

// admit makes room for a connection, or says why there is none.
func (s *Server) admit(c *conn) *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	share := s.options.MaxConns
	switch c.peer.Role {
	case RoleMember:
		share = max(1, share/2)
	case RoleNone:
		share = max(1, share/16)
	}
	same := 0
	for other := range s.conns {
		if other.peer.UID == c.peer.UID {
			same++
		}
	}
	switch {
	case same >= share && !s.evict(func(o *conn) bool { return o.peer.UID == c.peer.UID }):
		return Errorf(CodeBusy, "you have %d connections to the agent, all in use", same).WithHint("close one, or try again")
	case same < share && len(s.conns) >= s.options.MaxConns && !s.evict(func(o *conn) bool { return o.peer.Role <= c.peer.Role }):
		return Errorf(CodeBusy, "all %d connections to the agent are in use", s.options.MaxConns).WithHint("try again")
	}
	s.conns[c] = struct{}{}
	return nil
}

// evict closes the connection that has been idle longest among those given.
func (s *Server) evict(among func(*conn) bool) bool {
	var oldest *conn
	var since int64
	for c := range s.conns {
		if at, ok := c.link.idle(); ok && among(c) && (oldest == nil || at < since) {
			oldest, since = c, at
		}
	}
	if oldest == nil {
		return false
	}
	_ = oldest.link.Close()
	delete(s.conns, oldest)
	return true
}

// handlers is the table of methods, tied to one connection.
type handlers map[string]jrpc2.Handler

func (s *Server) handlers(c *conn) handlers {
	h := handlers{}
	for _, row := range methods() {
		h[row.name] = func(ctx context.Context, req *jrpc2.Request) (any, error) {
			result, err := s.serve(ctx, c, row, req)
			if err != nil {
				return nil, s.outward(row.name, c.peer, err).wire()
			}
			return result, nil
		}
	}
	return h
}

// Assign implements jrpc2.Assigner. It has a handler for methods that do not
// exist, too: the library never forgets the id of a request that has none.
func (h handlers) Assign(_ context.Context, name string) jrpc2.Handler {
	if f, ok := h[name]; ok {
		return f
	}
	return func(_ context.Context, req *jrpc2.Request) (any, error) {
		return nil, Errorf(CodeMethodNotFound, "there is no method %q", cut(req.Method(), 60)).
			WithHint("there are %s", strings.Join(slices.Sorted(maps.Keys(h)), ", ")).wire()
	}
}

// serve checks the caller's role, waits for its turn and asks the agent.
func (s *Server) serve(ctx context.Context, c *conn, row method, req *jrpc2.Request) (result any, err error) {
	if c.peer.Role < row.role {
		return nil, denied(row, c.peer)
	}
	defer func() {
		if r := recover(); r != nil {
			s.options.Logger.Error("control socket: a request failed badly", "method", row.name, "panic", r, "stack", string(debug.Stack()))
			result, err = nil, Errorf(CodeInternal, "internal error").WithHint("the agent's log says more")
		}
	}()
	var send func(LogEvent) error
	turn := s.calls
	if row.stream {
		turn = s.streams
		send = func(e LogEvent) error {
			return c.rpc.Notify(ctx, methodEvent, eventParams{json.RawMessage(req.ID()), e})
		}
	} else {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.options.CallTimeout)
		defer cancel()
	}
	if err := take(ctx, turn, row.stream); err != nil {
		return nil, err
	}
	defer func() { <-turn }()
	var params json.RawMessage
	if err := req.UnmarshalParams(&params); err != nil {
		return nil, Errorf(CodeInvalidParams, "%s", err)
	}
	result, err = row.call(ctx, s.agent, c.peer, params, send)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("encoding the answer: %w", err)
	}
	if len(text) > MaxFrame-1024 {
		return nil, Errorf(CodeTooLarge, "the answer is longer than %d bytes", MaxFrame).WithHint("ask for less, with a smaller limit")
	}
	return json.RawMessage(text), nil
}

// eventParams are the parameters of methodEvent: the id of the request for the
// stream, and an event.
type eventParams struct {
	Stream json.RawMessage `json:"stream"`
	Event  LogEvent        `json:"event"`
}

// take takes a turn: a call waits for it, a stream does not.
func take(ctx context.Context, turns chan struct{}, stream bool) error {
	if stream {
		select {
		case turns <- struct{}{}:
			return nil
		default:
			return Errorf(CodeBusy, "all %d streams are in use", cap(turns)).WithHint("end one, or try again")
		}
	}
	select {
	case turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return Errorf(CodeBusy, "the agent is busy").WithHint("try again")
	}
}

func denied(row method, peer Peer) *Error {
	if row.role == RoleAdmin && peer.Role == RoleMember {
		return Errorf(CodeDenied, "%s may not call %s", peer, row.name).
			WithHint("only root and members of the group %s may", DefaultAdminGroup)
	}
	return Errorf(CodeDenied, "%s may not call %s", peer, row.name).
		WithHint("only root and members of the group %s may", DefaultGroup)
}

// outward turns an error into what the caller may learn of it.
func (s *Server) outward(method string, peer Peer, err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.Canceled):
		return Errorf(CodeCancelled, "the request was given up")
	case errors.Is(err, context.DeadlineExceeded):
		return Errorf(CodeDeadline, "the request took longer than %s", s.options.CallTimeout)
	}
	s.options.Logger.Error("control socket: a request failed", "method", method, "peer", peer.String(), "error", err)
	return Errorf(CodeInternal, "internal error").WithHint("the agent's log says more")
}
