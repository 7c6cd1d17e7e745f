package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// The agent is stopped for an hour in which the log goes on.
func TestFaultDowntime(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, log := quiet(t, l)
	log.write(t, failures(good.String(), 1)...)
	a.read(t, log.path, 1)
	t.Run("C20 an hour at 100 lines a second", func(t *testing.T) {
		if code := a.stop(t); code != 0 {
			t.Fatalf("exit code %d", code)
		}
		const lines, rate = 360_000, 100
		begin := time.Now().Add(-time.Hour)
		for i := range lines {
			at := begin.Add(time.Duration(i) * time.Second / rate)
			text := fmt.Sprintf("cron[%d]: (root) CMD (true)", i)
			switch ago := time.Since(at).Minutes(); {
			case i%50 == 0 && ago > 50: // long ago, as often as it wants
				text = fmt.Sprintf("sshd[%d]: Failed password for root from %s port %d ssh2", i, evil[0], 1024+i%60000)
			case i%50 == 0 && ago < 2: // still going on
				text = fmt.Sprintf("sshd[%d]: Failed password for root from %s port %d ssh2", i, evil[1], 1024+i%60000)
			}
			_, err := fmt.Fprintf(log.w, "%s victim %s\n", at.Format(time.RFC3339Nano), text)
			must(t, err)
		}
		must(t, log.w.Flush())
		a.start(t)
		a.expect(t, "the gap is read", func(s *control.Status) bool { return linesOf(s, log.path) == lines })
		l.cut(t, evil[1])
		if b := a.blocks(t); !slices.Equal(b, []string{evil[1].String()}) {
			t.Errorf("blocked are %v, want only who attacked just now", b)
		}
		old := slices.ContainsFunc(a.threats(t), func(th control.ThreatRow) bool { return th.AttackerIP == evil[0] })
		if !old {
			t.Error("who attacked an hour ago is not told of")
		}
		l.open(t, evil[0])
	})
}
