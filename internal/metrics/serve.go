package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"
)

// Bounds of the server: it answers a collector or two.
const (
	maxConns   = 16
	maxHeader  = 8 << 10
	timeout    = 5 * time.Second
	idleExpiry = 2 * time.Minute
)

// Server serves GET /metrics.
type Server struct {
	listener net.Listener
	http     http.Server
}

// Listen opens an address, which must be a loopback one. text makes the answer;
// it is called for each request. Run serves.
func Listen(address string, text func() string, log *slog.Logger) (*Server, error) {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().Unmap().IsLoopback() {
		return nil, fmt.Errorf("%q is not a loopback address with a port", address)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening for Prometheus: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", ContentType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_, _ = io.WriteString(w, text())
	})
	return &Server{
		listener: netutil.LimitListener(l, maxConns),
		http: http.Server{
			Handler: local(mux), ReadTimeout: timeout, WriteTimeout: timeout, IdleTimeout: idleExpiry, MaxHeaderBytes: maxHeader,
			ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		},
	}, nil
}

// local refuses requests for another host's name: a page in a browser of this
// host may have had its name point here.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		a, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || !a.Unmap().IsLoopback()) {
			http.Error(w, "this is served under loopback addresses only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Addr returns the address that is listened on.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends and returns nil then.
func (s *Server) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = s.http.Close() })()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving Prometheus: %w", err)
	}
	return nil
}

// Close ends a server that was not run.
func (s *Server) Close() error { return s.listener.Close() }
