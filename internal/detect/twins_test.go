package detect

import (
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestTwins(t *testing.T) {
	for _, c := range []struct {
		name, sources string // a letter a line; a capital is "repeated 3 times"
		want          int
	}{
		{"one source", "aaa", 3},
		{"both, one after the other", "ab", 1},
		{"twice in both", "aabb", 2},
		{"twice in both, in turn", "abab", 2},
		{"the second has more", "abb", 2},
		{"far behind", "aaaaaaaaaabbbbbbbbbb", 10},
		{"four sources", "abcdabdc", 2},
		{"one folds, last", "bbbbaA", 4},
		{"one folds, first", "aAbbbb", 4},
		{"one folds, half said", "bbaA", 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			var w twins
			got := 0
			for _, s := range []byte(c.sources) {
				n := 1
				if s == 'A' {
					s, n = 'a', 3
				}
				got += w.fresh(5, uint16(s), n, noon)
			}
			if got != c.want {
				t.Errorf("%d events, want %d", got, c.want)
			}
		})
	}
	var w twins
	w.fresh(5, 1, 1, noon)
	if w.fresh(5, 2, 1, noon+twinSeconds+1) != 1 {
		t.Error("events far apart are taken for one")
	}
}

// TestFaultTwins has row C24 as far as it is about what syslog and the journal
// write differently.
func TestFaultTwins(t *testing.T) {
	r := newRig(t, authRule("SSH_BRUTE", "HIGH", "{group_by: src_ip, window: 5m, threshold: 5}"))
	see := func(source, host, message string, repeat int) Result {
		ev := r.authFail("203.0.113.9", "x")
		ev.PID, ev.Host, ev.Source, ev.Message, ev.Repeat, ev.AuthStep = 7, host, source, message, repeat, sentinel.AuthStepFailed
		res := r.see(ev)
		if len(res) == 0 {
			return Result{}
		}
		return res[0]
	}
	t.Run("C24 short and full host names, and rsyslog's folding", func(t *testing.T) {
		count := 0
		for i := range 4 {
			r.at(time.Duration(i) * time.Second)
			count += see("journal", "web1.example.org", "Failed password", 1).Weight
		}
		count += see("/var/log/auth.log", "web1", "Failed password", 1).Weight
		count += see("/var/log/auth.log", "web1", "Failed password ", 3).Weight
		if count != 4 {
			t.Errorf("%d attempts, want 4", count)
		}
		if res := see("journal", "web1.example.org", "Failed password", 1); !res.Fired {
			t.Errorf("the fifth attempt: %+v", res)
		}
	})
	t.Run("C24 the kernel, which has no process", func(t *testing.T) {
		ev := &sentinel.Event{Program: "kernel", Message: "[UFW BLOCK] IN=eth0 SRC=203.0.113.9", Repeat: 1}
		n := 0
		for _, ev.Source = range []string{"/var/log/kern.log", "journal", "/var/log/ufw.log", "/var/log/syslog"} {
			n += r.d.repeats(ev)
		}
		if n != 1 {
			t.Errorf("%d packets, want 1", n)
		}
	})
	t.Run("addresses as hosts stay apart", func(t *testing.T) {
		if hostLabel("10.0.0.1") == hostLabel("10.0.0.2") || hostLabel("web1.example.org") != "web1" || hostLabel("web1") != "web1" {
			t.Error("host names")
		}
	})
}
