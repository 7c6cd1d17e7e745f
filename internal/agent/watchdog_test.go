package agent

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
)

// runTestAgent runs an agent that reads a log of its own and reaches no kernel.
// It returns the agent and the log's path.
func runTestAgent(t *testing.T, change func(*config.Config)) (*Agent, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // a socket's path may not be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	log := filepath.Join(dir, "auth.log")
	if err := os.WriteFile(log, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Agent.Socket = filepath.Join(dir, "s")
	cfg.Agent.Sandbox = config.SandboxOff
	cfg.Logs.Discovery = false
	source := config.DefaultSource()
	source.Path, source.Type, source.FromStart = log, "ssh", true
	cfg.Logs.Sources = []config.Source{source}
	cfg.Detection.Rules.CustomDir = filepath.Join(dir, "rules")
	cfg.Response.Firewall.Backend = config.BackendDryRun
	cfg.Database.Path = filepath.Join(dir, "db")
	if change != nil {
		change(cfg)
	}
	a, err := New(t.Context(), Options{Config: cfg, Utmp: filepath.Join(dir, "utmp")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return a, log
}

// listenNotify makes a socket as systemd's and returns what arrives there.
func listenNotify(t *testing.T, watchdog time.Duration) <-chan string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", fmt.Sprint(watchdog.Microseconds()))
	t.Setenv("WATCHDOG_PID", fmt.Sprint(os.Getpid()))
	out := make(chan string, 10_000)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			out <- string(buf[:n])
		}
	}()
	return out
}

// pings waits for n pings.
func pings(t *testing.T, from <-chan string, n int) {
	t.Helper()
	limit := time.After(60 * time.Second)
	for n > 0 {
		select {
		case text := <-from:
			if strings.HasPrefix(text, "WATCHDOG=1") {
				n--
			}
		case <-limit:
			t.Fatalf("%d pings are missing", n)
		}
	}
}

// silence waits until no ping comes.
func silence(t *testing.T, from <-chan string) {
	t.Helper()
	limit := time.After(60 * time.Second)
	for {
		select {
		case <-from:
		case <-time.After(2 * time.Second):
			return
		case <-limit:
			t.Fatal("the pings do not stop")
		}
	}
}

func TestFaultWatchdog(t *testing.T) {
	from := listenNotify(t, time.Second)
	a, log := runTestAgent(t, nil)

	t.Run("G18 quiet logs: the watchdog is fed", func(t *testing.T) {
		pings(t, from, 8)
	})
	t.Run("G18 the database is locked: the watchdog is fed", func(t *testing.T) {
		db, err := sql.Open("sqlite", a.store.Path())
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(log, []byte("Nov 23 10:00:00 host sshd[1]: Failed password for root from 203.0.113.9 port 1 ssh2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		limit := time.Now().Add(30 * time.Second)
		for a.pulse.storing.Load() == 0 && time.Now().Before(limit) {
			time.Sleep(5 * time.Millisecond)
		}
		if a.pulse.storing.Load() == 0 {
			t.Fatal("the engine does not store")
		}
		for len(from) > 0 {
			<-from
		}
		pings(t, from, 8) // 2 s: twice as long as the watchdog waits
		if _, err := db.Exec("ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("G18 the engine stands still: no more pings until it goes on", func(t *testing.T) {
		release := make(chan struct{})
		done := make(chan error, 1)
		go func() { done <- a.do(context.Background(), func() { <-release }) }()
		silence(t, from)
		close(release)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		pings(t, from, 2)
	})
}

// TestStalled is the judgement, with readers that cannot be made to hang.
func TestStalled(t *testing.T) {
	const now, bound = time.Hour, 30 * time.Second
	a := &Agent{started: time.Now()}
	looked := func(ago time.Duration, blocked bool) collect.Status {
		return collect.Status{Looked: a.started.Add(now - ago), Blocked: blocked}
	}
	fresh, old, waiting, unknown := looked(time.Second, false), looked(time.Minute, false), looked(time.Hour, true), collect.Status{}
	for _, test := range []struct {
		name            string
		beaten, storing time.Duration
		readers         []collect.Status
		want            string
	}{
		{"all is well", now - time.Second, 0, []collect.Status{fresh, fresh}, ""},
		{"no readers", now - time.Second, 0, nil, ""},
		{"the engine stands still", now - 31*time.Second, 0, []collect.Status{fresh}, "the engine has not come round for 31s"},
		{"a slow store", now - 5*time.Minute, now - 5*time.Minute, []collect.Status{waiting}, ""},
		{"a store that never comes back", 0, now - 11*time.Minute, nil, "the engine has waited for the database for 11m0s"},
		{"one reader of two hangs", now, 0, []collect.Status{fresh, old}, ""},
		{"all readers hang", now, 0, []collect.Status{old, old}, "none of 2 readers has looked at its log for 30s"},
		{"they wait for the engine", now, 0, []collect.Status{waiting, waiting}, ""},
		{"globs that match nothing", now, 0, []collect.Status{unknown}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a.pulse.beaten.Store(int64(test.beaten))
			a.pulse.storing.Store(int64(test.storing))
			if got := a.stalled(now, test.readers, bound); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestWatchdogIsOptional: without systemd nothing is written anywhere.
func TestWatchdogIsOptional(t *testing.T) {
	for name, env := range map[string][3]string{
		"no systemd":      {"", "", ""},
		"no watchdog":     {"/nowhere", "", ""},
		"not a number":    {"/nowhere", "soon", ""},
		"another process": {"/nowhere", "1000000", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("NOTIFY_SOCKET", env[0])
			t.Setenv("WATCHDOG_USEC", env[1])
			t.Setenv("WATCHDOG_PID", env[2])
			ctx, stop := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("it waits"))
			defer stop()
			(&Agent{}).watchdog(ctx)
			if ctx.Err() != nil {
				t.Error(context.Cause(ctx))
			}
		})
	}
}
