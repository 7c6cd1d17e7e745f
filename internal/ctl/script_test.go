package ctl

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sentinel-ai/sentinel-ai/internal/drill"
)

// TestScript runs the stories in testdata/script. In them
//
//	sentinelctl ARGS   runs a command line at the time of clock; $SOCKET is a
//	                   fake agent's, TTY=N makes stdout a terminal of N columns,
//	                   EUID=N is who runs it
//	exit N             compares the last exit code
//	heard TEXT         looks for what the agent was told
//	agent denied|degraded|healthy|gone|reads FILE
//
// Set UPDATE=1 to rewrite the expected output.
func TestScript(t *testing.T) {
	type world struct {
		agent   *fake
		code    int
		removed bool
	}
	key := new(int)
	t.Setenv("TMPDIR", t.TempDir()) // where texts that nobody wanted are kept
	testscript.Run(t, testscript.Params{
		Dir:             "testdata/script",
		UpdateScripts:   os.Getenv("UPDATE") != "",
		ContinueOnError: true,
		Setup: func(env *testscript.Env) error {
			w := &world{agent: newFake()}
			env.Values[key] = w
			env.Setenv("SOCKET", startAgent(deferrer{env}, w.agent))
			env.Setenv("TTY", "")
			env.Setenv("EUID", "1000")
			return os.Chtimes(env.WorkDir, clock, clock)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"sentinelctl": func(ts *testscript.TestScript, neg bool, args []string) {
				w := ts.Value(key).(*world)
				a := &app{
					version: "1.0.0", stdin: strings.NewReader(""), now: func() time.Time { return clock },
					out: &screen{w: bufio.NewWriter(ts.Stdout())}, err: &screen{w: bufio.NewWriter(ts.Stderr())},
					defaultConfig: ts.MkAbs("config.yml"),
					removeTable:   func(context.Context) error { w.removed = true; return nil },
					inspect: func(context.Context) (*drill.Kernel, error) {
						return &drill.Kernel{Table: true, Chain: true, Hooked: ts.Getenv("HOOK") == "", Priority: -310, Rules: 6}, nil
					},
				}
				a.env = ts.Getenv
				a.euid, _ = strconv.Atoi(ts.Getenv("EUID"))
				if tty, err := strconv.Atoi(ts.Getenv("TTY")); err == nil {
					a.out.tty, a.out.width, a.out.colour = true, tty, true
				}
				if stdin := ts.Getenv("STDIN"); stdin != "" {
					a.stdin = strings.NewReader(ts.ReadFile(stdin))
				}
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				// Files are named relative to the script's directory.
				for i, arg := range args {
					if path := ts.MkAbs(arg); i > 0 && !strings.HasPrefix(arg, "-") && exists(path) {
						args[i] = path
					}
				}
				w.code = a.run(ctx, append([]string{"--socket", ts.Getenv("SOCKET")}, args...))
				if failed := w.code != 0; failed != neg {
					ts.Fatalf("exit code %d", w.code)
				}
			},
			"exit": func(ts *testscript.TestScript, _ bool, args []string) {
				if w := ts.Value(key).(*world); len(args) != 1 || strconv.Itoa(w.code) != args[0] {
					ts.Fatalf("exit code %d, want %v", w.code, args)
				}
			},
			"heard": func(ts *testscript.TestScript, neg bool, args []string) {
				w := ts.Value(key).(*world)
				if strings.Contains(w.agent.heard(), strings.Join(args, " ")) == neg {
					ts.Fatalf("the agent heard %q", w.agent.heard())
				}
			},
			"removed": func(ts *testscript.TestScript, neg bool, _ []string) {
				if ts.Value(key).(*world).removed == neg {
					ts.Fatalf("table removed: %v", !neg)
				}
			},
			// gzip and mtime prepare files for ai analyze.
			"gzip":  func(ts *testscript.TestScript, _ bool, args []string) { compress(ts, "gz", args) },
			"zstd":  func(ts *testscript.TestScript, _ bool, args []string) { compress(ts, "zst", args) },
			"mtime": setTime,
			"agent": func(ts *testscript.TestScript, _ bool, args []string) {
				w := ts.Value(key).(*world)
				w.agent.denied, w.agent.degraded = args[0] == "denied", args[0] == "degraded"
				w.agent.file = ""
				if args[0] == "reads" {
					w.agent.file = ts.MkAbs(args[1])
				}
				if args[0] == "gone" {
					ts.Setenv("SOCKET", filepath.Join(ts.MkAbs("."), "nobody.sock"))
				}
			},
		},
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, os.ErrNotExist)
}

// deferrer lets startAgent use a script's environment.
type deferrer struct{ *testscript.Env }

func (d deferrer) Cleanup(f func())  { d.Defer(f) }
func (d deferrer) Fatal(args ...any) { d.T().Fatal(args...) }

func setTime(ts *testscript.TestScript, _ bool, args []string) {
	t, err := time.Parse(time.RFC3339, args[1])
	ts.Check(err)
	ts.Check(os.Chtimes(ts.MkAbs(args[0]), t, t))
}
