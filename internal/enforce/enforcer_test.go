package enforce

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeFirewall is a firewall in memory that can refuse, hang, and be flushed.
type fakeFirewall struct {
	mu      sync.Mutex
	want    map[netip.Prefix]Target
	have    map[netip.Prefix]Target
	failure error
	hang    chan struct{}
	cost    time.Duration // of a check that restores
	calls   int
	checks  int
	changed func()
}

func newFake() *fakeFirewall {
	return &fakeFirewall{want: map[netip.Prefix]Target{}, have: map[netip.Prefix]Target{}}
}

func (f *fakeFirewall) Name() string { return "fake" }

func (f *fakeFirewall) begin() error {
	f.mu.Lock()
	hang := f.hang
	f.calls++
	f.mu.Unlock()
	if hang != nil {
		<-hang
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failure
}

func (f *fakeFirewall) Apply(_ context.Context, c Change) (Report, error) {
	if err := f.begin(); err != nil {
		return Report{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.Full {
		clear(f.want)
	}
	for _, t := range c.Set {
		f.want[t.prefix] = t
	}
	for _, p := range c.Removed {
		delete(f.want, p)
	}
	return f.settle(), nil
}

// settle copies want to have.
func (f *fakeFirewall) settle() Report {
	rep := Report{}
	for p, t := range f.want {
		if f.have[p] != t {
			rep.Drift++
		}
	}
	clear(f.have)
	for p, t := range f.want {
		f.have[p] = t
	}
	rep.Want, rep.Have = len(f.want), len(f.have)
	return rep
}

func (f *fakeFirewall) Check(context.Context) (Report, error) {
	if err := f.begin(); err != nil {
		return Report{}, err
	}
	f.mu.Lock()
	f.checks++
	rep, cost := f.settle(), f.cost
	f.mu.Unlock()
	if rep.Drift > 0 {
		time.Sleep(cost) // fake time
	}
	return rep, nil
}

func (f *fakeFirewall) Drops(context.Context) (Drops, error) {
	err := f.begin()
	return Drops{Packets: 7, Bytes: 420}, err
}

func (f *fakeFirewall) Remove(context.Context) error { return nil }

func (f *fakeFirewall) Watch(ctx context.Context, changed func()) error {
	f.mu.Lock()
	f.changed = changed
	f.mu.Unlock()
	<-ctx.Done()
	return nil
}

// flush is what another program does.
func (f *fakeFirewall) flush() {
	f.mu.Lock()
	clear(f.have)
	f.mu.Unlock()
	f.changed()
}

func (f *fakeFirewall) holds() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.have)
}

func (f *fakeFirewall) count(n *int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return *n
}

func (f *fakeFirewall) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// rig is an enforcer over a fake firewall in fake time.
type rig struct {
	*Enforcer
	fake    *fakeFirewall
	desired *Desired
	mu      sync.Mutex
	alarms  []AlarmKind
}

func (b *rig) heard() []AlarmKind {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.alarms)
}

func inFakeTime(t *testing.T, f func(t *testing.T, b *rig)) {
	synctest.Test(t, func(t *testing.T) {
		b := &rig{fake: newFake(), desired: NewDesired()}
		b.Enforcer = New(b.desired, b.fake, Config{Alarm: func(a Alarm) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.alarms = append(b.alarms, a.Kind)
		}})
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		f(t, b)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestEnforcerFollowsTheSource(t *testing.T) {
	inFakeTime(t, func(t *testing.T, b *rig) {
		synctest.Wait()
		if s := b.Status(); b.fake.count(&b.fake.calls) != 0 || s.Healthy || s.Backend != "fake" {
			t.Errorf("before the source knows anything: %d calls, %+v", b.fake.count(&b.fake.calls), s)
		}
		b.desired.Load(nil, nil)
		b.Wake()
		synctest.Wait()
		b.desired.Set(blockFor("192.0.2.1/32", time.Hour), blockFor("192.0.2.2/32", 0))
		b.Wake()
		synctest.Wait()
		if s := b.Status(); b.fake.holds() != 2 || !s.Healthy || s.Desired != 2 || s.Actual != 2 {
			t.Errorf("holds %d, %+v", b.fake.holds(), s)
		}
		b.desired.Remove(netip.MustParsePrefix("192.0.2.1/32"))
		b.Wake()
		time.Sleep(6 * time.Second) // fake: until the counters are read
		synctest.Wait()
		if s := b.Status(); b.fake.holds() != 1 || s.Drops.Packets != 7 || s.Drops.Bytes != 420 {
			t.Errorf("holds %d, %+v", b.fake.holds(), s)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if b.fake.count(&b.fake.checks) != 5 {
			t.Errorf("%d checks in five minutes", b.fake.count(&b.fake.checks))
		}
		if got := b.heard(); len(got) != 0 {
			t.Errorf("alarms %v", got)
		}
	})
}

// E11: a firewall that refuses is loud, is tried again ever more slowly, and
// gets everything when it works again.
func TestEnforcerRefused(t *testing.T) {
	inFakeTime(t, func(t *testing.T, b *rig) {
		b.fake.set(func() { b.fake.failure = errors.New("operation not permitted") })
		b.desired.Load(nil, nil)
		b.Wake()
		for range 600 { // ten minutes, and somebody who wakes all the time
			b.desired.Set(blockFor("192.0.2.1/32", time.Hour))
			b.Wake()
			time.Sleep(time.Second)
		}
		synctest.Wait()
		s := b.Status()
		if b.fake.count(&b.fake.calls) < 12 || b.fake.count(&b.fake.calls) > 18 {
			t.Errorf("tried %d times in ten minutes, want 1, 2, 4 ... 60 s between", b.fake.count(&b.fake.calls))
		}
		if s.Healthy || s.LastError != "operation not permitted" || s.Failures != b.fake.count(&b.fake.calls) {
			t.Errorf("status %+v", s)
		}
		b.fake.set(func() { b.fake.failure = nil })
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if s := b.Status(); !s.Healthy || s.LastError != "" || b.fake.holds() != 1 {
			t.Errorf("afterwards %+v, holds %d", s, b.fake.holds())
		}
		if got := b.heard(); !slices.Equal(got, []AlarmKind{AlarmRefused, AlarmRecovered}) {
			t.Errorf("alarms %v", got)
		}
	})
}

// E12: a call that hangs is given up after 5 s; nobody waits for it, no second
// one is begun, and when it returns everything is sent again.
func TestEnforcerHangs(t *testing.T) {
	inFakeTime(t, func(t *testing.T, b *rig) {
		b.desired.Load(nil, nil)
		b.Wake()
		synctest.Wait()
		hang := make(chan struct{})
		b.fake.set(func() { b.fake.hang = hang })
		b.desired.Set(blockFor("192.0.2.1/32", time.Hour))
		before := b.fake.count(&b.fake.calls)
		b.Wake()
		time.Sleep(4900 * time.Millisecond)
		if s := b.Status(); !s.Healthy {
			t.Errorf("too early: %+v", s)
		}
		time.Sleep(200 * time.Millisecond)
		if s := b.Status(); s.Healthy || s.LastError == "" {
			t.Errorf("hanging is not noticed: %+v", s)
		}
		time.Sleep(5 * time.Minute)
		if b.fake.count(&b.fake.calls) != before+1 {
			t.Errorf("%d calls while one hangs", b.fake.count(&b.fake.calls)-before)
		}
		b.fake.set(func() { b.fake.hang = nil })
		close(hang)
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if s := b.Status(); !s.Healthy || b.fake.holds() != 1 {
			t.Errorf("afterwards %+v, holds %d", s, b.fake.holds())
		}
	})
}

// E05: against a program that flushes every second we do not spin: restoring
// takes at most a twentieth of the time, there is one alarm and not one a
// second, and peace returns.
func testEnforcerFlushWar(t *testing.T) {
	for _, cost := range []time.Duration{time.Millisecond, time.Second} {
		inFakeTime(t, func(t *testing.T, b *rig) {
			b.fake.set(func() { b.fake.cost = cost })
			b.desired.Load(nil, nil)
			b.desired.Set(blockFor("192.0.2.1/32", time.Hour))
			b.Wake()
			synctest.Wait()
			for range 300 {
				b.fake.flush()
				time.Sleep(time.Second)
			}
			s := b.Status()
			spent := time.Duration(s.Restores) * cost
			if !s.FlushWar || spent > 20*time.Second || s.Restores < 10 {
				t.Errorf("cost %s: restored %d times in five minutes, %+v", cost, s.Restores, s)
			}
			want := []AlarmKind{AlarmRestored, AlarmRestored, AlarmRestored, AlarmWar}
			if got := b.heard(); !slices.Equal(got, want) {
				t.Errorf("alarms %v, want %v", got, want)
			}
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			if s := b.Status(); s.FlushWar || !s.Healthy || b.fake.holds() != 1 {
				t.Errorf("in peace: %+v", s)
			}
		})
	}
}

func TestEnforcerRestoresAtOnce(t *testing.T) {
	inFakeTime(t, func(t *testing.T, b *rig) {
		b.desired.Load(nil, nil)
		b.desired.Set(blockFor("192.0.2.1/32", time.Hour))
		b.Wake()
		synctest.Wait()
		b.fake.flush()
		time.Sleep(2 * settleTime)
		synctest.Wait()
		if s := b.Status(); b.fake.holds() != 1 || s.Restores != 1 || s.LastRestore.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}

func TestClockStepped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := time.Now()
		time.Sleep(time.Minute)
		if clockStepped(a, time.Now()) {
			t.Error("a minute is not a step")
		}
	})
}

func TestDryRun(t *testing.T) {
	d, desired := NewDryRun(nil), NewDesired()
	ctx := context.Background()
	desired.Load(nil, prefixes("127.0.0.0/8"))
	desired.Set(blockFor("192.0.2.2/32", 0), blockFor("192.0.2.0/24", time.Hour), blockFor("2001:db8::/32", 0))
	c := desired.Changes(0)
	if rep, err := d.Apply(ctx, c); err != nil || rep.Want != 3 || rep.Have != 3 {
		t.Errorf("%+v, %v", rep, err)
	}
	desired.Remove(netip.MustParsePrefix("2001:db8::/32"))
	if rep, err := d.Apply(ctx, desired.Changes(c.Version)); err != nil || rep.Have != 2 {
		t.Errorf("%+v, %v", rep, err)
	}
	var got []netip.Prefix
	for _, target := range d.Targets() {
		got = append(got, target.Prefix())
	}
	if want := prefixes("192.0.2.0/24", "192.0.2.2/32"); !slices.Equal(got, want) {
		t.Errorf("targets %v, want %v", got, want)
	}
	if !slices.Equal(d.Allow(), prefixes("127.0.0.0/8")) {
		t.Errorf("allow %v", d.Allow())
	}
	if err := d.Remove(ctx); err != nil || len(d.Targets()) != 0 {
		t.Errorf("after removal %v, %v", d.Targets(), err)
	}
}
