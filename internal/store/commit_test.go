package store

import (
	"errors"
	"net/netip"
	"os"
	"reflect"
	"sync"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestThreatComesBackAsItWas(t *testing.T) {
	s := open(t, Options{})
	want := testThreat(testID(1), testTime)
	commit(t, s, Results{Threats: []sentinel.Threat{want}})
	got, err := s.Threat(t.Context(), want.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}

	bare := sentinel.Threat{ID: testID(2), CreatedAt: testTime, LastSeen: testTime, Severity: sentinel.Info,
		Description: "little is known", Status: sentinel.StatusOpen, EventCount: 1}
	commit(t, s, Results{Threats: []sentinel.Threat{bare}})
	if got, err = s.Threat(t.Context(), bare.ID); err != nil || !reflect.DeepEqual(got, bare) {
		t.Errorf("got\n%+v, %v, want\n%+v", got, err, bare)
	}
}

func TestThreatGrows(t *testing.T) {
	s := open(t, Options{})
	a := testThreat(testID(1), testTime)
	b := a
	b.EventCount, b.Severity, b.LLMExplanation = 20, sentinel.Critical, ""
	c := b
	c.EventCount, c.LastSeen = 30, testTime.Add(time.Hour)
	commit(t, s, Results{Threats: []sentinel.Threat{a}})
	commit(t, s, Results{Threats: []sentinel.Threat{b, c}})
	got, err := s.Threat(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.LLMExplanation = a.LLMExplanation // an explanation is not lost by growing
	if !reflect.DeepEqual(got, c) {
		t.Errorf("got\n%+v, want\n%+v", got, c)
	}
	rep, err := s.Reputation(t.Context(), a.AttackerIP)
	if err != nil || rep.Events != 30 || rep.Threats != 1 || rep.Blocked {
		t.Errorf("reputation = %+v, %v, want 30 events of 1 threat", rep, err)
	}
}

func TestEvidenceKeepsItsPlaceInBadText(t *testing.T) {
	s := open(t, Options{})
	th := testThreat(testID(1), testTime)
	th.Evidence = []sentinel.Evidence{{Field: "http.query", View: "raw", Text: "\xff\xfe=UNION\xfd", Start: 3, End: 8}}
	commit(t, s, Results{Threats: []sentinel.Threat{th}})
	got, err := s.Threat(t.Context(), th.ID)
	if err != nil || len(got.Evidence) != 1 {
		t.Fatalf("%+v, %v", got.Evidence, err)
	}
	if e := got.Evidence[0]; e.Text[e.Start:e.End] != "UNION" {
		t.Errorf("evidence = %+v, which marks %q", e, e.Text[e.Start:e.End])
	}
}

func TestPositionsAndSources(t *testing.T) {
	s := open(t, Options{Now: func() time.Time { return testTime }})
	p := sentinel.Position{Source: "/var/log/a.log", Path: "/var/log/a.log", Device: 1<<64 - 1, Inode: 1 << 63,
		Offset: 12345, Fingerprint: 0xdeadbeefdeadbeef, FingerprintLen: 1024}
	commit(t, s, Results{Positions: []sentinel.Position{p}, Counters: Counters{{Source: p.Source, Type: sentinel.TypeNginx,
		Minute: testTime, Events: 10, Parsed: 9, Unparsed: 1, LastEvent: testTime}}})
	p.Offset, p.Path = 99999, "/var/log/a.log.1"
	later := testTime.Add(time.Hour)
	commit(t, s, Results{Positions: []sentinel.Position{p}})
	commit(t, s, Results{Counters: Counters{{Source: p.Source, Minute: later, Events: 5, Matched: 2, LastEvent: later}}})

	got, err := s.Positions(t.Context())
	if err != nil || len(got) != 1 || got[0] != p {
		t.Errorf("positions = %+v, %v, want %+v", got, err, p)
	}
	sources, err := s.Sources(t.Context())
	want := Source{Position: p, Type: sentinel.TypeNginx, Discovered: testTime, LastEvent: later}
	if err != nil || len(sources) != 1 || sources[0] != want {
		t.Errorf("sources = %+v, %v, want %+v", sources, err, want)
	}
}

func TestBlocksInForce(t *testing.T) {
	s := open(t, Options{})
	net1, net2 := netip.MustParsePrefix("203.0.113.42/32"), netip.MustParsePrefix("2001:db8:1:2::/64")
	th := testThreat(testID(1), testTime)
	b1, b2 := testBlock(testID(10), net1), testBlock(testID(11), net2)
	b1.ThreatID, b2.Expires, b2.Actor, b2.Origin = th.ID, time.Time{}, "ann", sentinel.OriginCLI
	inForce := func(at time.Time, want ...sentinel.BlockRecord) {
		t.Helper()
		got, err := s.BlocksInForce(t.Context(), at)
		if err != nil || len(got) != len(want) || len(want) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("in force: %+v, %v\nwant %+v", got, err, want)
		}
	}
	action := sentinel.Action{ID: b1.ID, Created: testTime, Type: "block", Target: net1, Status: StatusActive, Backend: "nft"}
	commit(t, s, Results{Threats: []sentinel.Threat{th}, Blocks: []sentinel.BlockRecord{b1, b2},
		Actions: []sentinel.Action{action}, Durable: true})
	inForce(testTime, b1, b2)
	inForce(b1.Expires, b2)

	b1.Expires = b1.Expires.Add(time.Hour) // extended
	commit(t, s, Results{Blocks: []sentinel.BlockRecord{b1}})
	inForce(testTime, b1, b2)
	list, _, err := s.Actions(t.Context(), ActionFilter{ThreatID: th.ID})
	if err != nil || len(list) != 1 || list[0].Backend != "nft" || list[0].Duration != 2*time.Hour {
		t.Errorf("actions of the threat: %+v, %v", list, err)
	}

	b3 := testBlock(testID(12), net1) // takes the place of b1
	commit(t, s, Results{Blocks: []sentinel.BlockRecord{b3}})
	inForce(testTime, b2, b3)
	list, _, err = s.Actions(t.Context(), ActionFilter{Network: net1, Status: StatusRevoked})
	if err != nil || len(list) != 1 || list[0].ID != b1.ID || list[0].RevokedBy != "block "+b3.ID {
		t.Errorf("revoked: %+v, %v", list, err)
	}
	if rep, err := s.Reputation(t.Context(), net2.Addr()); err != nil || !rep.Blocked {
		t.Errorf("reputation = %+v, %v, want blocked", rep, err)
	}

	// A block and its end in one commit, in both orders.
	var r Results
	r.Unblock(Unblock{Prefix: net2, By: "ann", At: testTime})
	b4 := testBlock(testID(13), net2)
	b5 := testBlock(testID(14), netip.MustParsePrefix("198.51.100.0/24"))
	r.Blocks = append(r.Blocks, b4, b5)
	r.Unblock(Unblock{Prefix: b5.Prefix, Status: StatusExpired, At: testTime})
	commit(t, s, r)
	inForce(testTime, b3, b4)
	if rep, err := s.Reputation(t.Context(), net1.Addr()); err != nil || !rep.Blocked {
		t.Errorf("reputation = %+v, %v, want blocked", rep, err)
	}

	if n, err := s.Expire(t.Context(), testTime.Add(24*time.Hour)); err != nil || n != 2 {
		t.Errorf("expired %d, %v, want 2", n, err)
	}
	inForce(testTime)
	if rep, err := s.Reputation(t.Context(), net1.Addr()); err != nil || rep.Blocked {
		t.Errorf("reputation = %+v, %v, want not blocked", rep, err)
	}
}

func TestBlockOfUnknownThreatIsStored(t *testing.T) {
	s := open(t, Options{})
	b := testBlock(testID(1), netip.MustParsePrefix("203.0.113.42/32"))
	b.ThreatID = "LOST"
	commit(t, s, Results{Blocks: []sentinel.BlockRecord{b}})
	got, err := s.BlocksInForce(t.Context(), testTime)
	if err != nil || len(got) != 1 || got[0].ThreatID != "" {
		t.Errorf("in force: %+v, %v", got, err)
	}
}

func TestCommitIsAllOrNothing(t *testing.T) {
	s := open(t, Options{})
	r := batchResults(1)
	r.Threats = []sentinel.Threat{testThreat(testID(1), testTime)}
	r.Blocks = []sentinel.BlockRecord{testBlock(testID(2), netip.Prefix{})} // has no prefix
	if err := s.Commit(t.Context(), r); err == nil || Retryable(err) {
		t.Fatalf("error = %v, want a lasting one", err)
	}
	if got, err := s.Positions(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("positions = %v, %v, want none", got, err)
	}
	if _, err := s.Threat(t.Context(), testID(1)); !errors.Is(err, ErrNotFound) {
		t.Errorf("error = %v, want ErrNotFound", err)
	}
	r.Blocks = nil
	commit(t, s, r) // the writer is usable again
}

func TestAllowStateShapes(t *testing.T) {
	s := open(t, Options{})
	ctx := t.Context()
	e := AllowEntry{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Reason: "office", Origin: sentinel.OriginCLI, Actor: "ann", Created: testTime}
	if err := s.AddAllow(ctx, e); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Allow(ctx); err != nil || len(got) != 1 || got[0] != e {
		t.Errorf("allow = %+v, %v", got, err)
	}
	if err := s.RemoveAllow(ctx, e.Prefix); err != nil {
		t.Error(err)
	}
	if err := s.RemoveAllow(ctx, e.Prefix); !errors.Is(err, ErrNotFound) {
		t.Errorf("error = %v, want ErrNotFound", err)
	}
	if _, err := s.State(ctx, "x"); !errors.Is(err, ErrNotFound) {
		t.Errorf("error = %v, want ErrNotFound", err)
	}
	for _, v := range []string{"1", "2"} {
		if err := s.SetState(ctx, "x", v); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := s.State(ctx, "x"); err != nil || v != "2" {
		t.Errorf("state = %q, %v", v, err)
	}
	for range 3 {
		var r Results
		for i := range 3 * maxShapes {
			r.Shapes = append(r.Shapes, Shape{Source: "a", Shape: testID(i), Sample: "line", Count: int64(i), LastSeen: testTime})
		}
		commit(t, s, r)
	}
	if got, err := s.Shapes(ctx, "a"); err != nil || len(got) != maxShapes || got[0].Count != 3*(maxShapes-1) {
		t.Errorf("%d shapes, %v, want %d", len(got), err, maxShapes)
	}
}

func TestTotalsAndAttackers(t *testing.T) {
	s := open(t, Options{Now: func() time.Time { return testTime }})
	all := fill(t, s, 10)
	var cs Counters
	for i := range 5 {
		cs.Add(Count{Source: "a", Minute: testTime.Add(time.Duration(i) * 20 * time.Second), Events: 100, Parsed: 90, Unparsed: 10})
		cs.Add(Count{Source: "b", Minute: testTime.Add(-48 * time.Hour), Events: 7})
	}
	b := testBlock(testID(100), all[3].Scope)
	show := testBlock(testID(101), all[4].Scope)
	show.Simulated = true
	commit(t, s, Results{Counters: cs, Blocks: []sentinel.BlockRecord{b, show}})
	tot, err := s.Totals(t.Context(), testTime.Add(-time.Hour))
	if err != nil || tot.Sum.Events != 500 || tot.Sum.Unparsed != 50 || len(tot.Sources) != 1 ||
		tot.Threats[sentinel.High] != 10 || tot.Blocks != 1 || tot.InForce != 1 {
		t.Errorf("totals = %+v, %v", tot, err)
	}
	if minutes, err := s.Minutes(t.Context(), testTime.Add(-72*time.Hour), ""); err != nil || len(minutes) != 3 || minutes[0].Events != 35 {
		t.Errorf("minutes = %+v, %v", minutes, err)
	}
	all[3].EventCount = 1000
	commit(t, s, Results{Threats: all[3:4]})
	top, err := s.TopAttackers(t.Context(), testTime, 3)
	if err != nil || len(top) != 3 || top[0].Network != all[3].Scope || !top[0].Blocked || top[0].Events != 1000 ||
		top[0].Severity != sentinel.High || top[1].Blocked {
		t.Errorf("attackers = %+v, %v", top, err)
	}
}

func TestModes(t *testing.T) {
	s := open(t, Options{Ballast: 1 << 20})
	commit(t, s, batchResults(1))
	for _, suffix := range []string{"", "-wal", "-shm", ".ballast"} {
		info, err := os.Stat(s.Path() + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm()&0o137 != 0 {
			t.Errorf("%q has mode %v", suffix, info.Mode())
		}
	}
}

func TestUseByMany(t *testing.T) {
	s := open(t, Options{})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				r := batchResults(i)
				r.Threats = []sentinel.Threat{testThreat(testID(w*1000+i), testTime)}
				r.Durable = i%10 == 0
				if err := s.Commit(t.Context(), r); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range 25 {
				list, total, err := s.Threats(t.Context(), ThreatFilter{})
				if err != nil || len(list) != total {
					t.Errorf("%d of %d threats, %v", len(list), total, err)
				}
				if _, err := s.Totals(t.Context(), testTime); err != nil {
					t.Error(err)
				}
				if err := s.Sync(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if tot, err := s.Totals(t.Context(), testTime); err != nil || tot.Sum.Events != 4*25*512 {
		t.Errorf("events = %d, %v", tot.Sum.Events, err)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err := s.Threats(t.Context(), ThreatFilter{})
	for _, err := range []error{err, s.Commit(t.Context(), batchResults(1)), s.Sync(), s.Close()} {
		if err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("error = %v, want ErrClosed", err)
		}
	}
}
