package e2e

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// pace is how fast logs grow in these tests, in lines a second.
const pace = 50_000

// writeAt writes lines to what open returns at that pace until stop, and counts
// what it wrote. Each slice of lines is handed to a file that is open then.
func writeAt(t *testing.T, last time.Duration, between func(elapsed time.Duration) io.Writer) (written int) {
	t.Helper()
	const slice = pace / 100
	tick := time.NewTicker(time.Second / 100)
	defer tick.Stop()
	begin := time.Now()
	var b strings.Builder
	for n := 0; n < int(last/(time.Second/100)); n++ {
		b.Reset()
		for range slice {
			b.WriteString(visit(written) + "\n")
			written++
		}
		if _, err := io.WriteString(between(time.Since(begin)), b.String()); err != nil {
			t.Fatal(err)
		}
		<-tick.C
	}
	return written
}

// visit is a successful request of an ordinary visitor.
func visit(n int) string {
	return request(fmt.Sprintf("192.0.2.%d", n%250+1), fmt.Sprintf("/page/%d", n))
}

// span is how long a rotation test writes.
func span() time.Duration {
	if testing.Short() {
		return time.Second
	}
	return 3 * time.Second
}

// rules off: lines are counted and nothing else.
func counting(t *testing.T, l *lab, path string) *agentProc {
	t.Helper()
	return runAgent(t, l.victim, settings{logs: map[string]string{path: "nginx"}, rules: []string{"enabled: false"}})
}

func TestFaultRotation(t *testing.T) {
	l := newLab(t)

	t.Run("C01 rename and create at 50,000 lines a second", func(t *testing.T) {
		path := filepath.Join(tempDir(t), "access.log")
		f := newLog(t, path).f
		a := counting(t, l, path)
		rotations := 0
		const every = 100 * time.Millisecond
		written := writeAt(t, span(), func(elapsed time.Duration) io.Writer {
			if elapsed > time.Duration(rotations+1)*every {
				// As logrotate does: all numbers move up by one.
				for i := rotations; i > 0; i-- {
					must(t, os.Rename(fmt.Sprintf("%s.%d", path, i), fmt.Sprintf("%s.%d", path, i+1)))
				}
				must(t, os.Rename(path, path+".1"))
				f = newLog(t, path).f
				rotations++
			}
			return f
		})
		s := a.expect(t, fmt.Sprintf("all %d lines are read", written), func(s *control.Status) bool { return linesOf(s, path) >= uint64(written) })
		if got := linesOf(s, path); got != uint64(written) || s.Sources[0].Rotations != uint64(rotations) {
			t.Errorf("%d lines and %d rotations were seen, want %d and %d", got, s.Sources[0].Rotations, written, rotations)
		}
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if _, events := a.stored(t); events != int64(written) {
			t.Errorf("%d events were counted, want %d", events, written)
		}
		t.Logf("%d lines, %d rotations", written, rotations)
	})

	t.Run("C02 copy and truncate at 50,000 lines a second", func(t *testing.T) {
		path := filepath.Join(tempDir(t), "access.log")
		f := newLog(t, path).f
		a := counting(t, l, path)
		rotations, gap := 0, 0
		const every = 300 * time.Millisecond
		written := writeAt(t, span(), func(elapsed time.Duration) io.Writer {
			if elapsed > time.Duration(rotations+1)*every {
				rotations++
				copyLog(t, path, fmt.Sprintf("%s.%d", path, rotations))
				// The program that writes the log does not know and goes on.
				for range 10 {
					_, err := f.WriteString(request("192.0.2.99", "/in-the-gap") + "\n")
					must(t, err)
					gap++
				}
				must(t, os.Truncate(path, 0))
			}
			return f
		})
		_, err := f.WriteString(request("192.0.2.98", "/last") + "\n")
		must(t, err)
		most, least := uint64(written+gap+1), uint64(written+1)
		s := a.expect(t, fmt.Sprintf("at least %d lines are read", least), func(s *control.Status) bool { return linesOf(s, path) >= least })
		if got := linesOf(s, path); got > most {
			t.Errorf("%d lines were seen, at most %d were written", got, most)
		}
		if got := s.Sources[0].Losses; got != uint64(rotations) {
			t.Errorf("%d possible losses were counted in %d truncations", got, rotations)
		}
		t.Logf("%d of %d lines written in the gap were seen, %d truncations", linesOf(s, path)-least, gap, rotations)
	})
}

// Reloads while the engine is behind neither lose a line nor read one twice.
func TestFaultReloadStorm(t *testing.T) {
	l := newLab(t)
	path := filepath.Join(tempDir(t), "access.log")
	f := newLog(t, path)
	written := 300_000
	if testing.Short() {
		written = 100_000
	}
	lines := make([]string, written)
	for i := range lines {
		lines[i] = visit(i)
	}
	f.write(t, lines...)
	a := newAgent(t, l.victim, settings{logs: map[string]string{path: "nginx"}})
	a.start(t)
	t.Run("D07 reloads at full speed", func(t *testing.T) {
		reloads := 0
		a.expect(t, "all lines are read", func(s *control.Status) bool {
			a.signal(syscall.SIGHUP)
			reloads = s.Generation - 1
			return linesOf(s, path) >= uint64(written)
		})
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if _, events := a.stored(t); events != int64(written) {
			t.Errorf("%d events were counted, want %d", events, written)
		}
		t.Logf("%d lines, %d reloads", written, reloads)
	})
}

// copyLog copies a log as logrotate's copytruncate does.
func copyLog(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.Create(to)
	must(t, err)
	defer out.Close()
	_, err = io.Copy(out, in)
	must(t, err)
}
