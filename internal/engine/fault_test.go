package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// Whoever writes a line writes its stamp: neither the future nor the past that a
// line claims may move what is counted now, or how long a block lasts.
func TestFaultForgedTimes(t *testing.T) {
	login := func(at time.Time, from string, n int) string {
		return fmt.Sprintf("%s web1 sshd[%d]: Failed password for root from %s port 4242 ssh2", at.UTC().Format("2006-01-02T15:04:05Z"), 100+n, from)
	}
	t.Run("B14 stamps of the future count as now", func(t *testing.T) {
		e := newEngine(t)
		src := e.NewSource("log", parse.Config{})
		blocks := 0
		for i := range 6 {
			now := noon.Add(time.Duration(i) * 10 * time.Second)
			st := e.Line(src, login(now.Add(48*time.Hour), "203.0.113.7", i), now, now)
			for _, b := range st.Effects.Blocks {
				blocks++
				if r := b.Record(); !r.Created.Equal(now) || r.Expires.Sub(now) > 24*time.Hour {
					t.Errorf("the block is of %v until %v, made at %v", r.Created, r.Expires, now)
				}
			}
			for _, th := range st.Effects.Threats {
				if th.LastSeen.After(now) {
					t.Errorf("seen last at %v, now is %v", th.LastSeen, now)
				}
			}
		}
		if blocks == 0 {
			t.Error("an attacker with stamps of the future is not blocked")
		}
	})
	t.Run("B14 stamps of the past are scored and block nobody", func(t *testing.T) {
		e := newEngine(t)
		src := e.NewSource("log", parse.Config{})
		threats := 0
		for i := range 20 {
			now := noon.Add(time.Duration(i) * time.Second)
			st := e.Line(src, login(now.Add(-48*time.Hour), "203.0.113.7", i), now, now)
			threats += len(st.Effects.Threats)
			if len(st.Effects.Blocks) > 0 {
				t.Fatalf("blocked for what was two days ago: %v", st.Effects.Blocks[0].Record())
			}
		}
		if threats == 0 {
			t.Error("nothing is reported")
		}
	})
	t.Run("B14 stamps from anywhere do not disturb the count of others", func(t *testing.T) {
		e := newEngine(t)
		src := e.NewSource("log", parse.Config{})
		r := rand.New(rand.NewPCG(14, 14))
		blocked := map[string]bool{}
		for i := range 3000 {
			now := noon.Add(time.Duration(i) * 20 * time.Millisecond)
			claimed := now.Add(time.Duration(r.Int64N(int64(4*365*24*time.Hour))) - 2*365*24*time.Hour)
			e.Line(src, login(claimed, fmt.Sprintf("198.51.100.%d", r.IntN(200)), i), now, now)
			if i%300 == 0 { // an honest line each six seconds
				st := e.Line(src, login(now, "203.0.113.7", 10_000+i), now, now)
				for _, b := range st.Effects.Blocks {
					blocked[b.Prefix().String()] = true
					if rec := b.Record(); !rec.Created.Equal(now) {
						t.Errorf("made at %v, now is %v", rec.Created, now)
					}
				}
			}
		}
		if !blocked["203.0.113.7/32"] {
			t.Error("ten failures within a minute were not counted among lines with forged stamps")
		}
	})
}
