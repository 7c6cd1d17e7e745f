package collect

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestFollow(t *testing.T) {
	for _, poll := range []bool{false, true} {
		t.Run(map[bool]string{false: "inotify", true: "polling"}[poll], func(t *testing.T) {
			path := tempLog(t)
			write(t, path, "one\ntwo\r\n")
			cfg := one(path)
			cfg.noInotify = poll
			r := follow(t, cfg, nil)
			r.want("one", "two")
			write(t, path, "thr")
			write(t, path, "ee\n\nfive\n")
			r.want("one", "two", "three", "", "five")
			st := r.state(StateActive)
			if st.Lines != 5 || st.Offset != 21 || st.Lag != 0 || st.Bytes != 21 || st.LastRead.IsZero() || st.Hinted == poll {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// A source without position starts behind what was there, at a line's start,
// and its position is known at once.
func TestStartsAtEnd(t *testing.T) {
	path := tempLog(t)
	write(t, path, "old\nhal")
	cfg := one(path)
	cfg.Sources[0].FromStart = false
	r := follow(t, cfg, nil)
	r.state(StateActive)
	write(t, path, "f\nnew\n")
	r.want("half", "new")

	quiet := follow(t, cfg, nil)
	quiet.until("position", func() bool { quiet.mu.Lock(); defer quiet.mu.Unlock(); return len(quiet.last) == 1 })
	from := quiet.positions()
	write(t, path, "while stopped\n")
	follow(t, cfg, from).want("while stopped")
}

func TestLateFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "app.log")
	cfg := one(path)
	cfg.Sources[0].FromStart = false
	cfg.Poll = 1 << 40 // inotify alone
	r := follow(t, cfg, nil)
	r.state(StateMissing)
	must(t, os.MkdirAll(dir, 0o755))
	write(t, path, "one\n")
	r.want("one")
}

func TestDirectoryComesBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "log")
	path := filepath.Join(dir, "app.log")
	must(t, os.Mkdir(dir, 0o755))
	cfg := one(path)
	cfg.Linger = 1
	r := follow(t, cfg, nil)
	write(t, path, "one\n")
	r.want("one")
	must(t, os.RemoveAll(dir))
	r.state(StateMissing)
	must(t, os.Mkdir(dir, 0o755))
	write(t, path, "two\n")
	r.want("one", "two")
}

func TestResume(t *testing.T) {
	path := tempLog(t)
	write(t, path, "one\ntwo\nthr")
	r := follow(t, one(path), nil)
	r.want("one", "two")
	from := r.positions()
	if p := from[path]; p.Offset != 8 || p.FingerprintLen != 8 || p.Path != path || p.Inode == 0 {
		t.Errorf("position %+v", p)
	}
	write(t, path, "ee\nfour\n")
	follow(t, one(path), from).want("three", "four")
}

// What nobody took does not count as read.
func stopWhileBlocked(t *testing.T) {
	path := tempLog(t)
	write(t, path, "one\n")
	c, err := New(one(path), nil)
	must(t, err)
	ctx, out, done := t.Context(), make(chan sentinel.Batch), make(chan struct{})
	ctx, cancel := context.WithCancel(ctx)
	go func() { defer close(done); _ = c.Run(ctx, out) }()
	<-out // the position
	r := &rig{t: t, c: c}
	r.until("a blocked batch", func() bool { st := c.Status(); return len(st) == 1 && st[0].Blocked })
	write(t, path, "two\n")
	r.until("the lag", func() bool { return c.Status()[0].Lag == 8 })
	cancel()
	<-done
	if st := c.Status()[0]; st.Lines != 0 || st.Offset != 0 {
		t.Errorf("status %+v", st)
	}
}

func TestGlob(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, sub := range []string{"a", "b"} {
		must(t, os.Mkdir(at(sub), 0o755))
	}
	write(t, at("a/x.log.1"), "rotated\n")
	write(t, at("a/x-20260101.log"), "rotated\n")
	write(t, at("a/x.log.2.gz"), "rotated\n")
	yesterday := time.Now().Add(-24 * time.Hour)
	for _, name := range []string{"a/x.log.1", "a/x-20260101.log", "a/x.log.2.gz"} {
		must(t, os.Chtimes(at(name), yesterday, yesterday))
	}
	write(t, at("a/x.log"), "a1\n")
	cfg := Config{Sources: []Source{{ID: "all", Path: at("*/*log*"), FromStart: true}, {ID: "none", Path: at("none*")}}, Poll: 1 << 40}
	r := follow(t, cfg, nil)
	r.want("a1")
	write(t, at("b/y.log"), "b1\n")
	r.want("a1", "b1")
	must(t, os.Mkdir(at("c"), 0o755))
	write(t, at("c/z.log"), "c1\n")
	r.want("a1", "b1", "c1")
	must(t, os.Rename(at("a/x.log"), at("a/x.log.3")))
	write(t, at("a/x.log"), "a2\n")
	r.want("a1", "b1", "c1", "a2")
	var paths []string
	for _, st := range r.c.Status() {
		if st.State != StateWaiting {
			paths = append(paths, strings.TrimPrefix(st.Path, dir))
			if st.Source != st.Path || st.Config != "all" {
				t.Errorf("status %+v", st)
			}
		}
	}
	if want := []string{"/a/x.log", "/b/y.log", "/c/z.log"}; !slices.Equal(paths, want) {
		t.Errorf("followed %q, want %q", paths, want)
	}
	if st := r.status(at("none*")); st.State != StateWaiting {
		t.Errorf("glob without matches: %+v", st)
	}
}

// Two paths to one file: its lines come once.
func TestSameFileTwice(t *testing.T) {
	dir := t.TempDir()
	path, link := filepath.Join(dir, "app.log"), filepath.Join(dir, "current")
	write(t, path, "one\n")
	must(t, os.Symlink(path, link))
	cfg := Config{Sources: []Source{{Path: path, FromStart: true}, {Path: link, FromStart: true}}}
	r := follow(t, cfg, nil)
	r.state(StateDuplicate)
	write(t, path, "two\n")
	r.want("one", "two")
}

func manyFiles(t *testing.T) {
	n := 5010
	if testing.Short() {
		n = 210
	}
	dir := t.TempDir()
	var want []string
	for _, name := range numbered(0, n) {
		write(t, filepath.Join(dir, strings.ReplaceAll(name, " ", "_")), name+"\n")
		want = append(want, name)
	}
	cfg := Config{Sources: []Source{{ID: "many", Path: filepath.Join(dir, "*"), FromStart: true}}, MaxFiles: n - 10}
	r := follow(t, cfg, nil)
	r.until("all", func() bool { return len(r.got()) == n-10 })
	got := r.got()
	slices.Sort(got)
	if !slices.Equal(got, want[:n-10]) {
		t.Error("other lines than written")
	}
	if r.c.Refused() != 10 || r.log.count("left out") != 1 {
		t.Errorf("%d files refused, said %d times", r.c.Refused(), r.log.count("left out"))
	}
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]Config{
		"relative":  {Sources: []Source{{Path: "app.log"}}},
		"twice":     {Sources: []Source{{Path: "/a"}, {Path: "/a"}}},
		"pattern":   {Sources: []Source{{Path: "/a["}}},
		"root":      {Roots: []string{"var/log"}},
		"poll":      {Poll: 1},
		"lines":     {BatchLines: -1},
		"bytes":     {BatchBytes: 1000},
		"files":     {MaxFiles: -1},
		"lingering": {Linger: -1},
	} {
		if _, err := New(cfg, nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
