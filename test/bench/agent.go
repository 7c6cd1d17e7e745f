package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// agent is a sentinel-agent that runs in the lab's victim.
type agent struct {
	dir    string
	cmd    *exec.Cmd
	done   chan struct{} // closed when it has ended
	client *control.Client
}

// source is a log that an agent reads.
type source struct{ path, kind string }

// agentDir makes the folder of an agent with its configuration. Everything is
// as shipped, but the limits on the number of blocks are out of the way.
func (b *bench) agentDir(name string, sources ...source) (string, error) {
	dir := filepath.Join(b.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	var c strings.Builder
	fmt.Fprintf(&c, "agent:\n  socket: %s/s\n  hostname: %s\nlogs:\n  discovery: false\n  sources:\n", dir, logHost)
	for _, s := range sources {
		fmt.Fprintf(&c, "    - {path: %s, type: %s, from_start: true}\n", s.path, s.kind)
	}
	fmt.Fprintf(&c, "detection:\n  rules:\n    custom_rules_dir: %s/rules.d\n", dir)
	fmt.Fprintf(&c, "response:\n  protect_cdn: false\n  max_blocks: 1000000\n  max_new_blocks_per_minute: 1000000\n  firewall: {backend: nftables}\n")
	fmt.Fprintf(&c, "database:\n  path: %s/db\n", dir)
	return dir, os.WriteFile(filepath.Join(dir, "config.yml"), []byte(c.String()), 0o644)
}

// start runs an agent in a fresh lab and waits until it answers and the firewall
// is ready. procs limits it to so many cores, 0 for all.
func (b *bench) start(dir string, procs int) (*agent, error) {
	if err := b.freshLab(); err != nil {
		return nil, err
	}
	a, err := b.launch(dir, procs)
	if err != nil {
		return nil, err
	}
	if err := a.wait(20*time.Second, "it is ready", func() (bool, error) {
		s, err := a.status()
		return err == nil && s.Firewall.Healthy, nil
	}); err != nil {
		a.stop()
		return nil, err
	}
	return a, nil
}

// startOnLog starts an agent that follows an empty SSH log, which it returns to be
// written to.
func (b *bench) startOnLog(name string) (a *agent, f *os.File, err error) {
	log := filepath.Join(b.dir, name+".log")
	if f, err = os.Create(log); err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
		}
	}()
	dir, err := b.agentDir(name, source{log, "ssh"})
	if err != nil {
		return nil, nil, err
	}
	a, err = b.start(dir, 0)
	return a, f, err
}

// launch starts the program and does not wait for it.
func (b *bench) launch(dir string, procs int) (*agent, error) {
	out, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	a := &agent{dir: dir, done: make(chan struct{})}
	a.cmd = exec.Command(filepath.Join(b.bin, "sentinel-agent"), "-config", filepath.Join(dir, "config.yml"))
	a.cmd.Stdout, a.cmd.Stderr = out, out
	a.cmd.Env = environment(procs)
	err = b.lab.victim.do(func() error { return a.cmd.Start() })
	if err != nil {
		return nil, fmt.Errorf("starting the agent: %w", err)
	}
	go func() {
		defer close(a.done)
		_ = a.cmd.Wait()
	}()
	return a, nil
}

// environment is that of this process with another GOMAXPROCS.
func environment(procs int) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GO") && !strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			env = append(env, v)
		}
	}
	if procs > 0 {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(procs))
	}
	return env
}

// stop ends the agent in order; if that takes too long, at once.
func (a *agent) stop() {
	if a.client != nil {
		_ = a.client.Close()
	}
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-a.done:
	case <-time.After(10 * time.Second):
		_ = a.cmd.Process.Kill()
		<-a.done
	}
}

// call gives f a connection to the agent.
func (a *agent) call(f func(context.Context, *control.Client) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if a.client == nil {
		c, err := control.Dial(ctx, filepath.Join(a.dir, "s"))
		if err != nil {
			return err
		}
		a.client = c
	}
	err := f(ctx, a.client)
	if err != nil {
		_ = a.client.Close()
		a.client = nil
	}
	return err
}

func (a *agent) status() (s *control.Status, err error) {
	err = a.call(func(ctx context.Context, c *control.Client) error {
		s, err = c.Status(ctx)
		return err
	})
	return s, err
}

// lines returns how many lines the agent has read of all its logs.
func (a *agent) lines() (n uint64, err error) {
	err = a.call(func(ctx context.Context, c *control.Client) error {
		r, err := c.Sources(ctx)
		if err != nil {
			return err
		}
		for _, s := range r.Sources {
			n += s.Lines
		}
		return nil
	})
	return n, err
}

// blocked returns the addresses that the agent says it blocks.
func (a *agent) blocked() (set map[string]bool, err error) {
	err = a.call(func(ctx context.Context, c *control.Client) error {
		r, err := c.AllBlocks(ctx, control.BlocksParams{})
		if err != nil {
			return err
		}
		set = make(map[string]bool, len(r.Blocks))
		for _, b := range r.Blocks {
			set[b.Prefix.Addr().String()] = true
		}
		return nil
	})
	return set, err
}

// wait asks every few milliseconds until f is true.
func (a *agent) wait(limit time.Duration, what string, f func() (bool, error)) error {
	for end := time.Now().Add(limit); ; {
		ok, err := f()
		if ok {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-a.done:
			return fmt.Errorf("the agent ended (%s):\n%s", a.cmd.ProcessState, a.tail())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(end) {
			return fmt.Errorf("after %v still not: %s; the agent says:\n%s", limit, what, a.tail())
		}
	}
}

// read waits until the agent has read n lines.
func (a *agent) read(n int, limit time.Duration) error {
	var got uint64
	err := a.wait(limit, fmt.Sprintf("%d lines are read", n), func() (bool, error) {
		var err error
		got, err = a.lines()
		return err == nil && got >= uint64(n), err
	})
	if err == nil && got != uint64(n) {
		return fmt.Errorf("%d lines were written and %d read", n, got)
	}
	return err
}

// tail is the end of what the agent printed.
func (a *agent) tail() string {
	data, err := os.ReadFile(filepath.Join(a.dir, "log"))
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-8):], []byte("\n")))
}

// cpu returns what the process has used of all cores, to the nanosecond.
func (a *agent) cpu() (time.Duration, error) {
	var ts unix.Timespec
	// The clock of another process: its id inverted, in front of CPUCLOCK_SCHED.
	id := int32(^a.cmd.Process.Pid<<3 | 2)
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0, fmt.Errorf("reading the agent's processor time: %w", err)
	}
	return time.Duration(ts.Nano()), nil
}

// memory reads a value in kB from /proc/PID/FILE and returns bytes.
func (a *agent) memory(file, key string) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", a.cmd.Process.Pid, file))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(data) {
		f := bytes.Fields(line)
		if len(f) >= 2 && string(f[0]) == key+":" {
			n, err := strconv.ParseUint(string(f[1]), 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no " + key + " in " + file)
}
