package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// story is a source over time: each second it is written to, each lookEvery it
// is looked at.
type story struct {
	t      *testing.T
	now    time.Time
	sight  sight
	source control.SourceStatus
	alarms []control.Alarm
}

func newStory(t *testing.T) *story {
	return &story{t: t, now: time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC),
		source: control.SourceStatus{ID: "/var/log/auth.log", Path: "/var/log/auth.log", State: "active"}}
}

// pass lets time pass; each second f writes.
func (s *story) pass(d time.Duration, f func(second int, x *control.SourceStatus)) {
	for i := range int(d / time.Second) {
		s.now = s.now.Add(time.Second)
		if f != nil {
			f(i, &s.source)
		}
		if s.now.Unix()%int64(lookEvery/time.Second) == 0 {
			s.alarms = append(s.alarms, s.sight.look(s.now, []control.SourceStatus{s.source})...)
		}
	}
}

// one good line each n seconds.
func good(n int) func(int, *control.SourceStatus) {
	return func(i int, x *control.SourceStatus) {
		if i%n == 0 {
			x.Lines, x.Parsed, x.Recognised = x.Lines+1, x.Parsed+1, x.Recognised+1
		}
	}
}

// blind wants one alarm within a minute of its cause, and one when it is over.
func (s *story) blind(want string, cause, mend func(int, *control.SourceStatus)) {
	s.t.Helper()
	if len(s.alarms) > 0 {
		s.t.Fatalf("an alarm before there is a cause: %v", s.alarms)
	}
	begin := s.now
	s.pass(3*time.Minute, cause)
	if len(s.alarms) != 1 || s.alarms[0].Kind != alarmBlind || !strings.Contains(s.alarms[0].Text, want) {
		s.t.Fatalf("got %v, want one alarm that says %q", s.alarms, want)
	}
	if took := s.alarms[0].Time.Sub(begin); took > time.Minute {
		s.t.Errorf("the alarm came after %s", took)
	}
	if s.sight.reason(s.source.ID) == "" {
		s.t.Error("status does not say that the source is blind")
	}
	s.pass(3*time.Minute, mend)
	if len(s.alarms) != 2 || s.alarms[1].Kind != alarmSeeing {
		s.t.Errorf("got %v, want a second alarm that says that it sees again", s.alarms)
	}
	if why := s.sight.reason(s.source.ID); why != "" {
		s.t.Errorf("status still says: %s", why)
	}
}

func TestFaultBlindness(t *testing.T) {
	t.Run("C22 a steady source falls silent", func(t *testing.T) {
		s := newStory(t)
		s.pass(15*time.Minute, good(2))
		s.blind("no line came for", func(int, *control.SourceStatus) {}, good(2))
	})
	t.Run("C22 its format changes", func(t *testing.T) {
		s := newStory(t)
		s.pass(5*time.Minute, good(1))
		s.blind("were understood", func(_ int, x *control.SourceStatus) { x.Lines++; x.Unparsed++ }, good(1))
	})
	t.Run("C22 its program is renamed", func(t *testing.T) {
		s := newStory(t)
		s.pass(5*time.Minute, good(1))
		s.blind("none was recognised", func(_ int, x *control.SourceStatus) { x.Lines++; x.Parsed++ }, good(1))
	})
	t.Run("C22 it becomes unreadable", func(t *testing.T) {
		for state, want := range map[string]string{"denied": "permission", "missing": "is gone", "failing": "cannot be read"} {
			s := newStory(t)
			s.pass(time.Minute, good(5))
			s.blind(want, func(_ int, x *control.SourceStatus) { x.State = state },
				func(i int, x *control.SourceStatus) { x.State = "active"; good(5)(i, x) })
		}
	})
	t.Run("C22 no alarm without a cause", func(t *testing.T) {
		quiet := map[string]func(*story){
			"a rotation": func(s *story) {
				for range 20 {
					s.pass(time.Minute, good(1))
					s.source.State = "missing"
					s.pass(6*time.Second, nil)
					s.source.State = "active"
				}
			},
			"a source that is seldom written": func(s *story) {
				s.pass(6*time.Hour, good(600))
				s.pass(2*time.Hour, nil)
			},
			"bursts with pauses that were there before": func(s *story) {
				for range 10 {
					s.pass(5*time.Minute, good(1))
					s.pass(4*time.Minute, nil)
				}
			},
			"half of it in a known form": func(s *story) {
				s.pass(20*time.Minute, func(i int, x *control.SourceStatus) {
					x.Lines++
					if i%5 < 3 {
						x.Parsed++
					}
				})
			},
			"a file that is still being read": func(s *story) {
				s.pass(15*time.Minute, good(1))
				s.source.Lag = 1 << 30
				s.pass(5*time.Minute, nil)
			},
		}
		for name, tell := range quiet {
			s := newStory(t)
			if name == "bursts with pauses that were there before" {
				// The first pause can only be learned.
				s.pass(4*time.Minute, nil)
			}
			tell(s)
			if len(s.alarms) > 0 {
				t.Errorf("%s: %v", name, s.alarms)
			}
		}
	})
}
