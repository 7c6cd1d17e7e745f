package e2e

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// The load of TestFaultRestart: 10,000 lines a second.
const (
	stepsPerSecond = 50
	linesPerStep   = 200
)

// script writes what two servers log while they are under attack. Attackers come
// and go all the time; each has so many attempts, up to just below, at and above
// what rules count to, with so much time between them that kills come in between.
type script struct {
	ssh, web *logFile
	rnd      *rand.Rand
	active   []*scripted
	made     int
	lines    [2]int // of ssh and web
}

type scripted struct {
	ip    string
	web   bool
	left  int
	every int // steps
	next  int
	n     int
}

func newScript(t *testing.T, dir string) *script {
	return &script{
		ssh: newLog(t, filepath.Join(dir, "auth.log")), web: newLog(t, filepath.Join(dir, "access.log")),
		rnd: rand.New(rand.NewPCG(1, 2)),
	}
}

// step writes the next lines, all stamped with at.
func (s *script) step(t *testing.T, step int, at time.Time) {
	for range 2 { // new attackers
		n := s.made
		s.made++
		a := &scripted{ip: fmt.Sprintf("198.18.%d.%d", n>>8&255, n&255), web: n%3 == 0, next: step}
		a.left = []int{2, 3, 4, 5, 6, 9, 10, 14, 15, 40}[s.rnd.IntN(10)]
		a.every = 1 + s.rnd.IntN(2*stepsPerSecond)
		s.active = append(s.active, a)
	}
	var ssh, web []string
	kept := s.active[:0]
	for _, a := range s.active {
		if a.next <= step && a.left > 0 {
			a.left, a.next, a.n = a.left-1, step+a.every, a.n+1
			if a.web {
				web = append(web, a.request(at))
			} else {
				ssh = append(ssh, a.login(at))
			}
		}
		if a.left > 0 {
			kept = append(kept, a)
		}
	}
	s.active = kept
	for n := len(ssh) + len(web); n < linesPerStep; n++ { // what nobody minds
		from := fmt.Sprintf("192.0.2.%d", s.rnd.IntN(200))
		if n%2 == 0 {
			web = append(web, access(from, at, fmt.Sprintf("/page/%d", s.rnd.IntN(50)), 200))
		} else {
			ssh = append(ssh, fmt.Sprintf("%s victim sshd[%d]: Connection closed by %s port %d", at.Format(syslogTime), 1000+n, from, 1024+n))
		}
	}
	s.ssh.write(t, ssh...)
	s.web.write(t, web...)
	s.lines[0] += len(ssh)
	s.lines[1] += len(web)
}

const syslogTime = "2006-01-02T15:04:05.000000-07:00"

func (a *scripted) login(at time.Time) string {
	user := "root"
	if a.every%2 == 0 {
		user = fmt.Sprint("user", a.n)
	}
	return fmt.Sprintf("%s victim sshd[%d]: Failed password for %s from %s port %d ssh2", at.Format(syslogTime), 2000+a.n*7, user, a.ip, 1024+a.n)
}

func (a *scripted) request(at time.Time) string {
	switch a.every % 3 {
	case 0:
		return access(a.ip, at, fmt.Sprintf("/item?id=%d%%27%%20OR%%201=1--", a.n), 200)
	case 1:
		return access(a.ip, at, fmt.Sprintf("/wp-admin/%d.php", a.n), 404)
	}
	return access(a.ip, at, []string{"/.env", "/.git/config", "/etc/passwd?x=../../../../etc/passwd"}[a.n%3], 404)
}

func access(from string, at time.Time, path string, status int) string {
	return fmt.Sprintf(`%s - - [%s] "GET %s HTTP/1.1" %d 512 "-" "Mozilla/5.0"`, from, at.Format("02/Jan/2006:15:04:05 -0700"), path, status)
}

// outcome is what an agent that has ended stored of threats and blocks. Of a
// score only its band is compared: it also depends on which of two sources was
// read first.
func (a *agentProc) outcome(t *testing.T) (threats map[string]string, blocks []string, events int64) {
	t.Helper()
	threats = map[string]string{}
	within(t, func(ctx context.Context) error {
		s, err := store.Open(ctx, a.db, store.Options{})
		if err != nil {
			return err
		}
		defer s.Close()
		for offset := 0; ; offset += 500 {
			list, total, err := s.Threats(ctx, store.ThreatFilter{Limit: 500, Offset: offset})
			if err != nil {
				return err
			}
			for _, th := range list {
				key := fmt.Sprintf("%s %s %s", th.Scope, th.Key, th.Group)
				threats[key] += fmt.Sprintf("%d events, %s, %s, %s; ", th.EventCount, th.RuleID, th.Severity, th.Action)
			}
			if offset+500 >= total {
				break
			}
		}
		return nil
	})
	blocks, events = a.stored(t)
	return threats, blocks, events
}

// The agent is killed again and again while 10,000 lines a second come in. What
// it found in the end is what an agent found that nobody disturbed.
func TestFaultRestart(t *testing.T) {
	rounds := 5
	if os.Getenv("SENTINEL_FAULTS") == "long" {
		rounds = 50
	}
	dir := tempDir(t)
	s := newScript(t, dir)
	logs := map[string]string{s.ssh.path: "ssh", s.web.path: "nginx"}
	dry := []string{manyBlocks, "firewall: {backend: dryrun}"}
	l := newLab(t)
	calm := runAgent(t, l.world, settings{logs: logs, response: dry})
	a := newAgent(t, l.victim, settings{logs: logs, response: dry})
	a.start(t)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	t.Logf("%d rounds", rounds)
	step, began := 0, time.Now()
	feed := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); step++ {
			at := began.Add(time.Duration(step) * time.Second / stepsPerSecond)
			time.Sleep(time.Until(at))
			s.step(t, step, at)
		}
	}
	for range rounds {
		feed(time.Duration(300+random.IntN(1200)) * time.Millisecond)
		a.kill()
		feed(time.Duration(random.IntN(200)) * time.Millisecond)
		a.start(t)
	}
	feed(time.Second)
	total := s.lines[0] + s.lines[1]
	all := func(st *control.Status) bool { return st.Last24h.Events >= uint64(total) }
	st := a.expect(t, "all is read", all)
	if r := st.Database.Rebuilt; r != nil {
		t.Logf("at the last start %d lines were read again in %s, %d batches were lost", r.Lines, r.Took, r.Lost)
	}
	calm.expect(t, "all is read", all)
	for _, agent := range []*agentProc{a, calm} {
		if code := agent.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
	}
	threats, blocks, events := a.outcome(t)
	want, wantBlocks, wantEvents := calm.outcome(t)
	t.Logf("%d rounds, %d lines, %d threats, %d blocks", rounds, wantEvents, len(want), len(wantBlocks))
	t.Run(fmt.Sprintf("F04 killed %d times under 10,000 lines a second: as if undisturbed", rounds), func(t *testing.T) {
		if events != int64(total) || wantEvents != int64(total) {
			t.Errorf("%d events counted, %d undisturbed, %d lines written", events, wantEvents, total)
		}
		if fmt.Sprint(blocks) != fmt.Sprint(wantBlocks) {
			t.Errorf("%d blocks, want %d", len(blocks), len(wantBlocks))
		}
		if maps.Equal(threats, want) {
			return
		}
		t.Errorf("%d threats, want %d", len(threats), len(want))
		shown := 0
		for key, text := range want {
			if threats[key] != text && shown < 20 {
				shown++
				t.Errorf("%s: %q, undisturbed %q", key, threats[key], text)
			}
		}
		for key, text := range threats {
			if want[key] == "" && shown < 40 {
				shown++
				t.Errorf("%s: %q, undisturbed none", key, text)
			}
		}
	})
}

// Counters go on where they stood, however the agent ended.
func TestFaultRestartCounts(t *testing.T) {
	whole := t
	l := newLab(t)
	a, log := quiet(t, l)
	lines := 0
	write := func(t *testing.T, from netip.Addr, n int) {
		t.Helper()
		for range n {
			log.write(t, failure(from.String(), lines))
			lines++
		}
		a.expect(t, "it is stored", func(s *control.Status) bool { return s.Last24h.Events == uint64(lines) })
	}
	// enough is how many failures are one too many.
	const enough = 5
	last := func(t *testing.T, from netip.Addr) {
		t.Helper()
		if l.isCut(t, from) {
			t.Errorf("%s is blocked before its last failure", from)
		}
		write(t, from, 1)
		l.cut(t, from)
	}

	t.Run("stopped in order: nothing is read again", func(t *testing.T) {
		write(t, evil[0], enough-1)
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		a.start(t)
		a.ready(t)
		if s := a.status(); s.Database.Rebuilt != nil || s.Database.Snapshot == nil || s.Database.Snapshot.Size == 0 {
			t.Errorf("%+v", s.Database)
		}
		last(t, evil[0])
	})
	t.Run("killed, and the log is rotated and packed before the next start", func(t *testing.T) {
		write(t, evil[1], enough-1)
		a.kill()
		must(t, os.Rename(log.path, log.path+".1"))
		if out, err := exec.Command("gzip", log.path+".1").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		log = newLog(whole, log.path)
		a.start(t)
		a.ready(t)
		s := a.expect(t, "lines were read again", func(s *control.Status) bool { return s.Database.Rebuilt != nil })
		if r := s.Database.Rebuilt; r.Lines == 0 || r.Lost != 0 || s.Last24h.Events != uint64(lines) {
			t.Errorf("%+v, %d events", r, s.Last24h.Events)
		}
		last(t, evil[1])
	})
	t.Run("killed, and the log is gone at the next start: said", func(t *testing.T) {
		a.stop(t)
		a.start(t)
		a.ready(t)
		write(t, evil[2], enough-1)
		a.kill()
		for _, path := range []string{log.path, log.path + ".1.gz"} {
			must(t, os.Remove(path))
		}
		log = newLog(whole, log.path)
		a.start(t)
		a.ready(t)
		a.expect(t, "it is said", func(s *control.Status) bool { return hasAlarm(s, "windows", "no longer there") })
	})
	t.Run("the snapshot is damaged: said, and all begins anew", func(t *testing.T) {
		write(t, evil[3], 1)
		a.stop(t)
		must(t, os.Truncate(a.db+".windows", 100))
		a.start(t)
		a.ready(t)
		a.expect(t, "it is said", func(s *control.Status) bool { return hasAlarm(s, "windows", "begin anew") })
		for _, n := range []int{0, 1} {
			if !l.isCut(t, evil[n]) {
				t.Errorf("%s is not blocked any more", evil[n])
			}
		}
	})
}
