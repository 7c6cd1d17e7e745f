package main

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	probeEvery = 60 * time.Microsecond // and what sleeping costs
	silence    = 60 * time.Millisecond // no packet for so long: they are dropped
	patience   = 5 * time.Second
	probePort  = 9
)

// prober sends numbered packets from one address of the world to the victim.
type prober struct {
	start time.Time // of the clock below
	fd    int
	stop  atomic.Bool
	done  chan struct{}

	mu   sync.Mutex
	sent []time.Duration // when the i-th was about to be sent
}

// target receives packets in the victim.
type target struct {
	fd     int
	number atomic.Int64 // the greatest that has come
	at     atomic.Int64 // when, in nanoseconds since start
	from   atomic.Uint32
	start  time.Time
}

// latency measures the time from the write of the line that makes an attacker
// one to the first packet of his that does not arrive.
func latency(b *bench) ([]row, error) {
	a, f, err := b.startOnLog("latency")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer a.stop()
	t, err := listen(b.lab)
	if err != nil {
		return nil, err
	}
	defer unix.Close(t.fd)
	go t.receive()

	trials := 150
	if b.short {
		trials = 40
	}
	r := random(4)
	var took, gaps []time.Duration
	for k := range trials {
		pause := 40*time.Millisecond + time.Duration(r.IntN(120_000))*time.Microsecond
		d, gap, err := t.trial(b.lab, f, k, pause)
		if err != nil {
			return nil, fmt.Errorf("trial %d: %w", k+1, err)
		}
		took, gaps = append(took, d), append(gaps, gap)
	}
	slices.Sort(took)
	slices.Sort(gaps)
	p50, p99 := percentile(took, 0.5), percentile(took, 0.99)
	return []row{{
		figure: "write of the deciding line → packets dropped",
		target: "p50 ≤ 2 ms, p99 ≤ 10 ms",
		measured: fmt.Sprintf("p50 %s, p90 %s, p99 %s, max %s (%d trials, a packet each %d µs)", ms(p50), ms(percentile(took, 0.9)),
			ms(p99), ms(took[len(took)-1]), trials, percentile(gaps, 0.5).Microseconds()),
		reached: verdict(p50 <= 2*time.Millisecond && p99 <= 10*time.Millisecond),
	}}, nil
}

// percentile is the smallest of the sorted values that so many are not above.
func percentile(sorted []time.Duration, p float64) time.Duration {
	i := int(p*float64(len(sorted))+0.999999) - 1
	return sorted[max(0, min(i, len(sorted)-1))]
}

// trial is one attacker: four failed logins, a pause, and the fifth.
func (t *target) trial(l *lab, log *os.File, k int, pause time.Duration) (took, gap time.Duration, err error) {
	from := attackerAddr(k)
	t.number.Store(-1)
	t.from.Store(ipv4(from))
	p, err := probe(l, from, t.start)
	if err != nil {
		return 0, 0, err
	}
	defer p.end()
	line := func(i int) []byte {
		return failed(nil, time.Now().Format(time.Stamp), 2000+k*5+i, "root", from.String(), 1024+k*5+i)
	}
	for i := range 4 {
		if _, err := log.Write(line(i)); err != nil {
			return 0, 0, err
		}
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(pause)
	if t.quiet() > silence/2 {
		return 0, 0, fmt.Errorf("%s is dropped before it did anything to be dropped for", from)
	}
	text := line(4)
	begin := time.Since(t.start)
	if _, err := log.Write(text); err != nil {
		return 0, 0, err
	}
	for t.quiet() < silence {
		if time.Since(t.start)-begin > patience {
			return 0, 0, fmt.Errorf("%s is not blocked after %v", from, patience)
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	lost := int(t.number.Load()) + 1
	if lost >= len(p.sent) {
		return 0, 0, fmt.Errorf("no packet was sent after the last that arrived")
	}
	return p.sent[lost] - begin, (p.sent[lost] - p.sent[0]) / time.Duration(max(lost, 1)), nil
}

// quiet is for how long nothing has arrived.
func (t *target) quiet() time.Duration { return time.Since(t.start) - time.Duration(t.at.Load()) }

func ipv4(a netip.Addr) uint32 {
	b := a.As4()
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func listen(l *lab) (*target, error) {
	t := &target{start: time.Now()}
	return t, l.victim.do(func() (err error) {
		t.fd, err = socket(victimAddr, probePort)
		return err
	})
}

func socket(a netip.Addr, port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: a.As4(), Port: port}); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("binding to %s: %w", a, err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<20)
	return fd, nil
}

// receive notes what arrives until the socket is closed.
func (t *target) receive() {
	runtime.LockOSThread()
	buf := make([]byte, 16)
	tv := unix.NsecToTimeval(int64(200 * time.Millisecond))
	_ = unix.SetsockoptTimeval(t.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	for {
		n, _, err := unix.Recvfrom(t.fd, buf, 0)
		switch {
		case err == unix.EAGAIN, err == unix.EINTR:
			continue
		case err != nil:
			return
		case n != 8:
			continue
		}
		if from := uint32(buf[0])<<24 | uint32(buf[1])<<16 | uint32(buf[2])<<8 | uint32(buf[3]); from != t.from.Load() {
			continue
		}
		number := int64(buf[4])<<24 | int64(buf[5])<<16 | int64(buf[6])<<8 | int64(buf[7])
		t.at.Store(int64(time.Since(t.start)))
		t.number.Store(max(number, t.number.Load()))
	}
}

// probe starts sending from an address, and returns when the first has arrived.
func probe(l *lab, from netip.Addr, start time.Time) (*prober, error) {
	p := &prober{start: start, done: make(chan struct{}), sent: make([]time.Duration, 0, 8192)}
	err := l.world.do(func() (err error) {
		if p.fd, err = socket(from, 0); err != nil {
			return err
		}
		return unix.Connect(p.fd, &unix.SockaddrInet4{Addr: victimAddr.As4(), Port: probePort})
	})
	if err != nil {
		return nil, err
	}
	go p.send(ipv4(from))
	return p, nil
}

// send sends from a thread of its own, which sleeps in the kernel: timers of the
// runtime would wake it only each millisecond.
func (p *prober) send(from uint32) {
	runtime.LockOSThread() // never unlocked: the thread's timer slack is its own
	defer close(p.done)
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	pause := unix.NsecToTimespec(probeEvery.Nanoseconds())
	for i := uint32(0); !p.stop.Load(); i++ {
		msg := [8]byte{byte(from >> 24), byte(from >> 16), byte(from >> 8), byte(from), byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}
		p.mu.Lock()
		p.sent = append(p.sent, time.Since(p.start))
		p.mu.Unlock()
		// Nobody answers, so there is nothing that could fail but for a moment.
		_, _ = unix.Write(p.fd, msg[:])
		_ = unix.Nanosleep(&pause, nil)
	}
}

func (p *prober) end() {
	p.stop.Store(true)
	<-p.done
	_ = unix.Close(p.fd)
}
