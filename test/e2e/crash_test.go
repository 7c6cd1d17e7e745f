package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// load is a log to which attackers write, each ten failed logins in a row. Ten,
// so that however a crash cuts the row in two, one part is enough for a block:
// what was committed is a block, and what was not is read again.
type load struct {
	log       *logFile
	lines     int
	attackers []string
}

const perAttacker = 10

// manyBlocks lets blocks come as fast as a test makes them.
const manyBlocks = "max_new_blocks_per_minute: 1000000"

func newLoad(t *testing.T) *load {
	return &load{log: newLog(t, filepath.Join(tempDir(t), "auth.log"))}
}

// attack lets one more attacker appear.
func (l *load) attack(t *testing.T) {
	n := len(l.attackers)
	from := netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}).String()
	l.attackers = append(l.attackers, from)
	lines := make([]string, perAttacker)
	for i := range lines {
		lines[i] = failure(from, n*perAttacker+i)
	}
	l.log.write(t, lines...)
	l.lines += perAttacker
}

// attackFor lets attackers appear for a time, at 50,000 lines a second.
func (l *load) attackFor(t *testing.T, d time.Duration) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-tick.C {
		for range pace / 1000 / perAttacker {
			l.attack(t)
		}
	}
}

func (l *load) sorted() []string { return slices.Sorted(slices.Values(l.attackers)) }

// The agent is killed at random moments under load, again and again.
func TestFaultCrash(t *testing.T) {
	t.Parallel()
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	l, w := newLab(t), newLoad(t)
	a := newAgent(t, l.victim, settings{logs: map[string]string{w.log.path: "ssh"}, response: []string{manyBlocks}})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var orphans, unsettled, lost, miscounted []string
	for round := range rounds {
		a.start(t)
		a.ready(t)
		w.attackFor(t, time.Duration(random.IntN(150))*time.Millisecond)
		before := l.kernel(t)
		a.kill()
		dead := l.kernel(t)
		inDB, _ := a.stored(t)
		for _, b := range dead {
			if !slices.Contains(inDB, b) {
				orphans = append(orphans, fmt.Sprintf("round %d: %s is in the kernel only", round, b))
			}
		}
		for _, b := range before {
			if !slices.Contains(dead, b) {
				lost = append(lost, fmt.Sprintf("round %d: %s went with the agent", round, b))
			}
		}
		// Once more, and undisturbed: all that is in the log takes effect.
		a.start(t)
		want := w.sorted()
		a.expect(t, "everything is read and in force", func(s *control.Status) bool {
			return s.Blocks >= len(want) && s.Firewall.Actual >= len(want) && s.Firewall.Healthy
		})
		if k, b := l.kernel(t), a.blocks(t); !slices.Equal(k, want) || !slices.Equal(b, want) {
			unsettled = append(unsettled, fmt.Sprintf("round %d: %d in the kernel, %d in memory, want %d", round, len(k), len(b), len(want)))
		}
		if code := a.stop(t); code != 0 {
			t.Errorf("round %d: exit code %d", round, code)
		}
		inDB, events := a.stored(t)
		if !slices.Equal(inDB, want) {
			unsettled = append(unsettled, fmt.Sprintf("round %d: %d in the database, want %d", round, len(inDB), len(want)))
		}
		if events != int64(w.lines) {
			miscounted = append(miscounted, fmt.Sprintf("round %d: %d events counted, %d lines written", round, events, w.lines))
		}
	}
	t.Logf("%d attackers, %d lines, %d kills", len(w.attackers), w.lines, rounds)
	for name, faults := range map[string][]string{
		"E01 killed before the kernel has a block: both agree after the start": unsettled,
		"E02 killed before the kernel has answered: no block without a row":    orphans,
		"F04 killed again and again: each line has its effect once":            miscounted,
		"blocks stay in force while the agent is dead":                         lost,
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range faults {
				t.Error(f)
			}
		})
	}
}

// An orderly stop under load ends in time and loses nothing.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	l, w := newLab(t), newLoad(t)
	a := runAgent(t, l.victim, settings{logs: map[string]string{w.log.path: "ssh"}, response: []string{manyBlocks}})
	w.attackFor(t, 50*time.Millisecond)
	a.read(t, w.log.path, 1)
	w.attackFor(t, 50*time.Millisecond)
	a.signal(syscall.SIGTERM)
	for a.running() {
		w.attackFor(t, time.Millisecond)
	}
	// The agent itself gives up after 5 s and says so by its exit code.
	if code := a.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	inDB, events := a.stored(t)
	if k := l.kernel(t); !slices.Equal(k, inDB) {
		t.Errorf("%d blocks in the kernel, %d in the database", len(k), len(inDB))
	}
	t.Logf("stopped after %d of %d lines", events, w.lines)
	a.start(t)
	a.expect(t, "the rest is read", func(s *control.Status) bool {
		return s.Last24h.Events == uint64(w.lines) && s.Firewall.Actual == len(w.attackers)
	})
	if k := l.kernel(t); !slices.Equal(k, w.sorted()) {
		t.Errorf("%d blocks in the kernel, want %d", len(k), len(w.attackers))
	}
}
