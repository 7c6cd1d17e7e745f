package e2e

import (
	"crypto/rand"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// stream sends packets to the victim from an address, without a pause.
type stream struct{ sent, received atomic.Int64 }

func newStream(t *testing.T, l *lab, from netip.Addr, port int) *stream {
	t.Helper()
	s := &stream{}
	to := &net.UDPAddr{IP: victim4.AsSlice(), Port: port}
	var in, out *net.UDPConn
	var err error
	l.victim.Do(func() { in, err = net.ListenUDP("udp4", to) })
	must(t, err)
	l.world.Do(func() { out, err = net.DialUDP("udp4", &net.UDPAddr{IP: from.AsSlice()}, to) })
	must(t, err)
	done := make(chan struct{}, 2)
	stop := make(chan struct{})
	t.Cleanup(func() {
		close(stop)
		_ = in.Close()
		_ = out.Close()
		<-done
		<-done
	})
	go func() {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 16)
		for {
			if _, err := in.Read(buf); err != nil {
				return
			}
			s.received.Add(1)
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if _, err := out.Write([]byte("?")); err == nil {
					s.sent.Add(1)
				}
			}
		}
	}()
	return s
}

// passes waits until some packets more were sent.
func (s *stream) passes(t *testing.T) {
	t.Helper()
	want := s.sent.Load() + 100
	until(t, "packets were sent", func() bool { return s.sent.Load() >= want })
}

// Not one packet of who is blocked gets through whatever happens to the agent.
func TestFaultGap(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := quiet(t, l)
	a.block(t, control.BlockParams{IP: network(t, evil[0].String()), Permanent: true})
	a.block(t, control.BlockParams{IP: network(t, "198.51.100.0/24")})
	l.cut(t, evil[0])
	want := l.kernel(t)
	bad, fine := newStream(t, l, evil[0], 9001), newStream(t, l, good, 9002)
	tight := func(t *testing.T) {
		t.Helper()
		before := fine.received.Load()
		bad.passes(t)
		if n := bad.received.Load(); n > 0 {
			t.Errorf("%d of %d packets got through", n, bad.sent.Load())
		}
		until(t, "others get through", func() bool { return fine.received.Load() > before })
		if k := l.kernel(t); !slices.Equal(k, want) {
			t.Errorf("the kernel drops %v, want %v", k, want)
		}
	}
	t.Run("E19 no gap when the agent is killed and starts again", func(t *testing.T) {
		a.kill()
		tight(t)
		a.start(t)
		a.ready(t)
		tight(t)
	})
	t.Run("E19 no gap when it reloads", func(t *testing.T) {
		before := a.status()
		a.signal(syscall.SIGHUP)
		a.expect(t, "it has reloaded", func(s *control.Status) bool { return s.Generation > before.Generation })
		tight(t)
	})
	t.Run("E19 no gap when it is upgraded: a new program, a stop in order, and a start", func(t *testing.T) {
		replaceProgram(t)
		tight(t)
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		tight(t)
		a.start(t)
		a.ready(t)
		tight(t)
	})
	for _, damage := range []struct {
		name string
		at   int64
	}{
		{"F06 no gap when the database is damaged", 64 << 10},
		{"F06 no gap when the head of the database is destroyed", 0},
	} {
		t.Run(damage.name, func(t *testing.T) {
			a.kill()
			a.stored(t) // all of it into the file: what is in the journal would heal it
			garbage := make([]byte, 8<<10)
			_, _ = rand.Read(garbage)
			f, err := os.OpenFile(a.path("db"), os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt(garbage, damage.at)
			must(t, err)
			must(t, f.Close())
			a.start(t)
			a.ready(t)
			tight(t)
			if got := a.blocks(t); !slices.Equal(got, want) {
				t.Errorf("listed are %v, want %v", got, want)
			}
			if s := a.status(); !hasAlarm(s, "database", "damaged") {
				t.Errorf("alarms %+v, want one about the database", s.Alarms)
			}
		})
	}
}
