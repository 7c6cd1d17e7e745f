package detect

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// cpu returns the processor time that this process used, so that figures do not
// depend on what else the machine does.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		b.Fatal(err)
	}
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// addresses are many clients, most of them new to the processor's cache.
func addresses(n int) []netip.Addr {
	out := make([]netip.Addr, n)
	for i := range out {
		out[i] = netip.AddrFrom4([4]byte{byte(20 + i%7), byte(i >> 16), byte(i >> 8), byte(i)})
	}
	return out
}

func TestCountingAllocatesNothing(t *testing.T) {
	r := newRig(t, sshRules+webRules)
	users := make([]string, 50)
	for i := range users {
		users[i] = fmt.Sprint("user", i)
	}
	ips := addresses(200)
	fail, ok := r.authFail("203.0.113.9", "root"), r.authOK("203.0.113.9", "root")
	page := r.access("203.0.113.9", "/index.html", 200)
	other := &sentinel.Event{Time: start, Type: sentinel.EventOther, Repeat: 1, Raw: "x", Message: "x"}
	i := 0
	step := func() {
		i++
		r.now = start.Add(time.Duration(i) * 40 * time.Second)
		for _, ev := range []*sentinel.Event{fail, ok, page, other} {
			ev.Time, ev.SrcIP, ev.User = r.now, ips[i%len(ips)], users[i%len(users)]
			if ev == other {
				ev.SrcIP = netip.Addr{}
			}
			if id := fired(r.see(ev)); id != "" && i > 5000 {
				t.Fatalf("round %d fires %s", i, id)
			}
		}
	}
	for range 2000 { // counters grow to their size, firings come and go
		step()
	}
	if n := testing.AllocsPerRun(2000, step); n > 0 {
		t.Errorf("%v allocations a round of four events, want 0", n)
	}
}

func BenchmarkObserveSSH(b *testing.B) {
	for _, keys := range []int{100, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			r := newRig(b, sshRules)
			ips := addresses(keys)
			ev := r.authFail("203.0.113.9", "root")
			ev.Host, ev.AuthStep = "host", sentinel.AuthStepFailed
			users := make([]string, max(keys/8, 16))
			for i := range users {
				users[i] = fmt.Sprint("user", i)
			}
			matches := r.m.Match(ev)
			b.ReportAllocs()
			i := 0
			fired := 0
			began := cpu(b)
			for b.Loop() {
				i++
				// Times such that nothing fires: what is measured is counting.
				r.now = r.now.Add(6300 * time.Second / time.Duration(keys))
				ev.Time, ev.SrcIP, ev.User, ev.PID = r.now, ips[i*7919%keys], users[i%len(users)], 1000+i
				for _, res := range r.d.Observe(ev, r.m, matches, r.now) {
					if res.Fired {
						fired++
					}
				}
			}
			b.ReportMetric(float64(cpu(b)-began)/float64(i), "cpu-ns/op")
			b.ReportMetric(float64(fired)/float64(i), "fired/op")
			b.ReportMetric(float64(len(matches)), "matches")
		})
	}
}

func BenchmarkObserveWeb(b *testing.B) {
	for _, keys := range []int{100, 100_000} {
		for _, status := range []int{200, 404} {
			b.Run(fmt.Sprintf("keys=%d/status=%d", keys, status), func(b *testing.B) {
				r := newRig(b, webRules)
				ips := addresses(keys)
				ev := r.access("203.0.113.9", "/index.html", status)
				matches := r.m.Match(ev)
				b.ReportAllocs()
				i := 0
				began := cpu(b)
				for b.Loop() {
					i++
					r.now = r.now.Add(time.Millisecond * 5)
					ev.Time, ev.SrcIP = r.now, ips[i*7919%keys]
					r.d.Observe(ev, r.m, matches, r.now)
				}
				b.ReportMetric(float64(cpu(b)-began)/float64(i), "cpu-ns/op")
			})
		}
	}
}
