package collect

import (
	"compress/gzip"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// 100 rotations at about 50,000 lines a second, none lost, none doubled, all in
// order. The writer shifts names as logrotate does.
func TestRotateUnderLoad(t *testing.T) {
	for _, how := range []string{"shift", "dates"} {
		for _, poll := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,polling=%t", how, poll), func(t *testing.T) {
				path := tempLog(t)
				cfg := one(path)
				cfg.noInotify = poll
				write(t, path, "")
				r := follow(t, cfg, nil)
				r.state(StateActive)
				const rotations, lines, chunk = 100, 500, 50
				written := make(chan error, 1)
				go func() {
					written <- func() error {
						tick := time.NewTicker(time.Millisecond) // 50 lines each
						defer tick.Stop()
						for n := range rotations {
							f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
							if err != nil {
								return err
							}
							for i := 0; i < lines; i += chunk {
								if i == chunk && n > 0 { // the writer opened anew in between
									<-tick.C
								}
								if _, err := f.WriteString(text(numbered(n*lines+i, chunk))); err != nil {
									return err
								}
								<-tick.C
							}
							if how == "dates" {
								err = os.Rename(path, fmt.Sprintf("%s-20260131-%06d", path, n))
							} else {
								err = shift(path, n)
							}
							if err != nil {
								return err
							}
							if _, err = f.WriteString(text(numbered(rotations*lines+n, 1))); err != nil {
								return err // still to the renamed file
							}
							f.Close()
						}
						return nil
					}()
				}()
				must(t, <-written)
				var want []string
				for n := range rotations {
					want = append(append(want, numbered(n*lines, lines)...), numbered(rotations*lines+n, 1)...)
				}
				r.want(want...)
				if st := r.c.Status()[0]; st.Rotations != rotations-1 || st.Losses != 0 {
					t.Errorf("status %+v", st)
				}
			})
		}
	}
}

// Lines are written, files rotated and collectors stopped in any order. What is
// stored is the position of the last batch that was taken.
func TestRestartsAndRotations(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			path := tempLog(t)
			var all, got []string
			write(t, path, "")
			from := map[string]sentinel.Position{}
			r := follow(t, one(path), nil)
			r.until("the position", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.last) > 0 })
			rotations := 0
			var spans []sentinel.Span
			stop := func() {
				maps.Copy(from, r.positions())
				got = append(got, r.lines...)
				spans = append(spans, r.spans...)
				r = nil
			}
			for range 60 {
				switch k := rnd.IntN(10); {
				case k < 5:
					more := numbered(len(all), 1+rnd.IntN(2000))
					all = append(all, more...)
					write(t, path, text(more))
				case k < 7:
					must(t, shift(path, rotations))
					rotations++
					write(t, path, "")
				case r == nil:
					r = follow(t, one(path), from)
					if rnd.IntN(2) == 0 {
						r.state(StateActive)
					}
				default:
					stop()
				}
			}
			if r != nil {
				stop()
			}
			r = follow(t, one(path), from)
			r.until("the rest", func() bool { return len(got)+len(r.got()) >= len(all) })
			stop()
			for i := range min(len(got), len(all)) {
				if got[i] != all[i] {
					t.Fatalf("line %d of %d is %q, want %q", i, len(all), got[i], all[i])
				}
			}
			if len(got) != len(all) {
				t.Fatalf("%d lines, want %d", len(got), len(all))
			}
			wantAgain(t, spans, all)
		})
	}
}

// shift renames path.n to path.n+1 and so on, and path to path.1.
func shift(path string, n int) error {
	for i := n; i > 0; i-- {
		if err := os.Rename(fmt.Sprintf("%s.%d", path, i), fmt.Sprintf("%s.%d", path, i+1)); err != nil {
			return err
		}
	}
	return os.Rename(path, path+".1")
}

// Files that come and go while a batch waits are opened in time, even if they
// are deleted afterwards.
func TestRotateWhileBlocked(t *testing.T) {
	path := tempLog(t)
	write(t, path, "one\n")
	c, err := New(one(path), nil)
	must(t, err)
	out, done := make(chan sentinel.Batch), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(done); _ = c.Run(ctx, out) }()
	<-out
	r := &rig{t: t, c: c}
	for i, text := range []string{"two\n", "three\n", "four\n"} {
		r.until("notice", func() bool {
			st := c.Status()
			return len(st) == 1 && st[0].Blocked && st[0].Lag >= []int64{4, 8, 14}[i]
		})
		must(t, os.Remove(path))
		write(t, path, text)
	}
	var got []string
	for len(got) < 4 {
		for _, l := range (<-out).Lines {
			got = append(got, l.Text)
		}
	}
	if want := []string{"one", "two", "three", "four"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	cancel()
	<-done
}

// A source is active as soon as it is read, not only when all has been.
func TestActiveWhileBlocked(t *testing.T) {
	path := tempLog(t)
	write(t, path, "one\n")
	c, err := New(one(path), nil)
	must(t, err)
	out, done := make(chan sentinel.Batch), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(done); _ = c.Run(ctx, out) }()
	r := &rig{t: t, c: c}
	r.until("active", func() bool {
		st := c.Status()
		return len(st) == 1 && st[0].Blocked && st[0].State == StateActive
	})
	cancel()
	<-done
}

func TestFaultRotatedWhileStopped(t *testing.T) {
	rename := func(t *testing.T, path string) {
		write(t, path, "3\n")
		must(t, os.Rename(path, path+".1"))
		write(t, path, "4\n")
	}
	for name, test := range map[string]struct {
		do   func(t *testing.T, path string)
		want []string
	}{
		"not at all":   {func(t *testing.T, path string) { write(t, path, "3\n") }, []string{"3"}},
		"once":         {rename, []string{"3", "4"}},
		"not yet anew": {func(t *testing.T, path string) { write(t, path, "3\n"); must(t, os.Rename(path, path+".1")) }, []string{"3"}},
		"dateext": {func(t *testing.T, path string) {
			write(t, path, "3\n")
			must(t, os.Rename(path, path+"-20260131"))
			write(t, path, "4\n")
		}, []string{"3", "4"}},
		"extension": {func(t *testing.T, path string) {
			write(t, path, "3\n")
			must(t, os.Rename(path, strings.TrimSuffix(path, ".log")+"-20260131.log"))
			write(t, path, "4\n")
		}, []string{"3", "4"}},
		"three times": {func(t *testing.T, path string) {
			for i := range 3 {
				write(t, path, fmt.Sprintln(3+i))
				must(t, shift(path, i))
			}
			write(t, path, "6\n")
		}, []string{"3", "4", "5", "6"}},
		"C17 compressed": {func(t *testing.T, path string) {
			rename(t, path)
			pack(t, path+".1")
		}, []string{"3", "4"}},
		"C17 compressed twice": {func(t *testing.T, path string) {
			rename(t, path)
			must(t, shift(path, 1))
			write(t, path, "5\n")
			pack(t, path+".1")
			pack(t, path+".2")
		}, []string{"3", "4", "5"}},
		"copytruncate": {func(t *testing.T, path string) {
			write(t, path, "3\n")
			copyFile(t, path, path+".1")
			must(t, os.Truncate(path, 0))
			write(t, path, "4\n")
		}, []string{"3", "4"}},
		"copytruncate twice": {func(t *testing.T, path string) {
			write(t, path, "3\n")
			copyFile(t, path, path+".2")
			must(t, os.Truncate(path, 0))
			write(t, path, "4\n")
			copyFile(t, path, path+".1")
			must(t, os.Truncate(path, 0))
			write(t, path, "5\n")
		}, []string{"3", "4", "5"}},
		"C04 truncated and grown": {func(t *testing.T, path string) {
			must(t, os.Truncate(path, 0))
			write(t, path, strings.Repeat("longer than before\n", 100))
		}, slices.Repeat([]string{"longer than before"}, 100)},
		"C03 deleted and made anew": {func(t *testing.T, path string) {
			must(t, os.Remove(path)) // ext4 gives the inode again
			write(t, path, strings.Repeat("longer than before\n", 100))
		}, slices.Repeat([]string{"longer than before"}, 100)},
		"moved elsewhere": {func(t *testing.T, path string) {
			must(t, os.Rename(path, filepath.Join(t.TempDir(), "else")))
			write(t, path, "4\n")
		}, []string{"4"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := tempLog(t)
			first := []string{strings.Repeat("1", 80), "2"}
			write(t, path, text(first))
			r := follow(t, one(path), nil)
			r.want(first...)
			from := r.positions()
			test.do(t, path)
			r = follow(t, one(path), from)
			r.want(test.want...)
			write(t, path, "last\n")
			r.want(append(test.want, "last")...)
			from = r.positions()
			again := follow(t, one(path), from)
			write(t, path, "again\n")
			again.want("again")
		})
	}
}

func pack(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	st, err := os.Stat(path)
	must(t, err)
	f, err := os.Create(path + ".gz")
	must(t, err)
	z := gzip.NewWriter(f)
	_, err = z.Write(data)
	must(t, err)
	must(t, z.Close())
	must(t, f.Close())
	must(t, os.Chtimes(path+".gz", st.ModTime(), st.ModTime()))
	must(t, os.Remove(path))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, data, 0o644))
}

func TestCopyTruncate(t *testing.T) {
	path := tempLog(t)
	first := numbered(0, 100)
	write(t, path, text(first))
	r := follow(t, one(path), nil)
	r.want(first...)
	copyFile(t, path, path+".1")
	must(t, os.Truncate(path, 0))
	write(t, path, "two\n")
	r.want(append(first, "two")...)
	// Truncated and grown past the offset between two looks.
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	must(t, f.Truncate(0))
	_, err = f.WriteString("something else\nand more\n")
	must(t, err)
	must(t, f.Close())
	r.want(append(first, "two", "something else", "and more")...)
	r.until("losses", func() bool { return r.c.Status()[0].Losses == 2 })
}

// What was written before the copy and not read yet comes from the copy.
func TestCopyTruncateBehind(t *testing.T) {
	path := tempLog(t)
	all := numbered(0, 5000)
	write(t, path, text(all))
	c, err := New(one(path), nil)
	must(t, err)
	out, done := make(chan sentinel.Batch), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { defer close(done); _ = c.Run(ctx, out) }()
	<-out
	var got []string
	take := func() {
		for _, l := range (<-out).Lines {
			got = append(got, l.Text)
		}
	}
	take()
	more := numbered(5000, 100)
	write(t, path, text(more)) // not in the chunk that is being handed over
	copyFile(t, path, path+".1")
	must(t, os.Truncate(path, 0))
	write(t, path, "new\n")
	all = append(append(all, more...), "new")
	for len(got) < len(all) {
		take()
	}
	if !slices.Equal(got, all) {
		t.Errorf("got %d lines, want %d in order", len(got), len(all))
	}
	cancel()
	<-done
}

func deletedButOpen(t *testing.T) {
	path := tempLog(t)
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	cfg := one(path)
	cfg.Linger = 300 * time.Millisecond
	r := follow(t, cfg, nil)
	r.state(StateActive)
	must(t, os.Remove(path))
	r.state(StateDraining)
	_, err = f.WriteString("one\npart")
	must(t, err)
	r.want("one", "part")
	r.state(StateMissing)
	r.until("release", func() bool { return !holds(t, path) })
	write(t, path, "two\n")
	r.want("one", "part", "two")
}

// holds says whether this process reads a deleted file of that name.
func holds(t *testing.T, path string) bool {
	fds, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	n := 0
	for _, fd := range fds {
		if name, _ := os.Readlink("/proc/self/fd/" + fd.Name()); name == path+" (deleted)" {
			n++
		}
	}
	return n > 1 // the test's own
}

func TestLateWriterToRotatedFile(t *testing.T) {
	path := tempLog(t)
	f, err := os.Create(path)
	must(t, err)
	defer f.Close()
	r := follow(t, one(path), nil)
	_, err = f.WriteString("one\n")
	must(t, err)
	r.want("one")
	must(t, os.Rename(path, path+".1"))
	write(t, path, "two\n")
	r.want("one", "two")
	_, err = f.WriteString("three\n")
	must(t, err)
	r.want("one", "two", "three")
	p := r.positions()[path]
	if p.Path != path || p.Offset != 4 {
		t.Errorf("position %+v is not in the new file", p)
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	link := at("current.log")
	swap := func(to string) {
		must(t, os.Symlink(to, at("tmp")))
		must(t, os.Rename(at("tmp"), link))
	}
	must(t, os.Mkdir(at("data"), 0o755))
	write(t, at("data/a"), "a1\n")
	swap(at("data/a"))
	cfg := one(link)
	cfg.Roots = []string{at("")}
	r := follow(t, cfg, nil)
	r.want("a1")
	// The target is rotated.
	must(t, os.Rename(at("data/a"), at("data/a.1")))
	write(t, at("data/a"), "a2\n")
	r.want("a1", "a2")
	// The link leads elsewhere and back.
	write(t, at("data/b"), "b1\n")
	swap(at("data/b"))
	r.want("a1", "a2", "b1")
	swap(at("data/a"))
	write(t, at("data/a"), "a3\n")
	r.want("a1", "a2", "b1", "a3")
	// Out of the roots: nothing is read.
	secret := filepath.Join(t.TempDir(), "shadow")
	write(t, secret, "root:secret\n")
	swap(secret)
	r.state(StateRefused)
	swap(at("data/b"))
	write(t, at("data/b"), "b2\n")
	r.want("a1", "a2", "b1", "a3", "b2")
}

func TestRotationNames(t *testing.T) {
	for _, test := range []struct {
		name, base string
		number     int
		packed     string
		ok         bool
	}{
		{"a.log.1", "a.log", 1, "", true},
		{"a.log.12.gz", "a.log", 12, ".gz", true},
		{"a.log-20260131", "a.log", 0, "", true},
		{"a.log-20260131.xz", "a.log", 0, ".xz", true},
		{"a-2026-01-31T10:00:00.log", "a.log", 0, "", true},
		{"a.log.old", "a.log", 1, "", true},
		{"a.log.gz", "a.log", 0, ".gz", true},
		{"a.log", "a.log", 0, "", false},
		{"a.log.bak", "a.log", 0, "", false},
		{"b.log.1", "a.log", 0, "", false},
		{"a.log1", "a.log", 0, "", false},
		{"access-admin.log", "access.log", 0, "", false},
		{"a.log.", "a.log", 0, "", false},
		{".log", "a.log", 0, "", false},
		{"auth-1", "auth", 1, "", true},
	} {
		number, packed, ok := rotation(test.name, test.base)
		if ok != test.ok || ok && (number != test.number || packed != test.packed) {
			t.Errorf("rotation(%q, %q) = %d, %q, %t", test.name, test.base, number, packed, ok)
		}
	}
}

// The real logrotate, if it is installed, agrees with us.
func TestLogrotate(t *testing.T) {
	program, err := exec.LookPath("logrotate")
	if err != nil {
		t.Log("logrotate is not installed; the other tests rename by themselves")
		return
	}
	path := tempLog(t)
	conf := path + ".conf"
	must(t, os.WriteFile(conf, []byte(fmt.Sprintf("%s {\n rotate 5\n create\n compress\n delaycompress\n}\n", path)), 0o600))
	r := follow(t, one(path), nil)
	var want []string
	for i := range 5 {
		line := numbered(i, 1)[0]
		write(t, path, line+"\n")
		want = append(want, line)
		if out, err := exec.Command(program, "-f", "-s", path+".state", conf).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	r.want(want...)
}
