package store

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestRegulars(t *testing.T) {
	s := open(t, Options{})
	ctx := t.Context()
	at := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	four := sentinel.Regular{Network: netip.MustParsePrefix("203.0.113.7/32"), Logins: 3, Days: 2, Since: at.Add(-24 * time.Hour), Last: at, KeyLogin: at, KeyUser: "alice"}
	six := sentinel.Regular{Network: netip.MustParsePrefix("2001:db8::/64"), Days: 5, Since: at.Add(-120 * time.Hour), Last: at.Add(-time.Hour)}
	if err := s.Commit(ctx, Results{Regulars: []sentinel.Regular{four, six}}); err != nil {
		t.Fatal(err)
	}
	four.Logins, four.Last = 4, at.Add(time.Minute)
	if err := s.Commit(ctx, Results{Regulars: []sentinel.Regular{four}}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Regulars(ctx, at.Add(-2*time.Hour), 10)
	if err != nil || !slices.Equal(got, []sentinel.Regular{four, six}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := s.Regulars(ctx, at, 10); err != nil || len(got) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	r, err := s.Reputation(ctx, netip.MustParseAddr("2001:db8::99"))
	if err != nil || r.Good != six || r.Events != 0 || !r.LastSeen.Equal(six.Last) {
		t.Errorf("got %+v, %v", r, err)
	}
	if _, err := s.Reputation(ctx, netip.MustParseAddr("203.0.113.8")); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a stranger: %v", err)
	}
}

func TestPastCases(t *testing.T) {
	s := open(t, Options{})
	at := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	var r Results
	for i := range 5 {
		seen := at.Add(time.Duration(i-5) * time.Hour)
		r.Threats = append(r.Threats, sentinel.Threat{
			ID: fmt.Sprintf("01KH5VZX4N00000000000000%02d", i), CreatedAt: seen, LastSeen: seen, Group: "auth", Type: "brute_force",
			Scope: netip.PrefixFrom(netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), 32),
			Score: sentinel.ScoreParts{MayBlock: i == 2},
		})
	}
	if err := s.Commit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got, err := s.PastCases(t.Context(), at.Add(-5*time.Hour), at.Add(-2*time.Hour), 2)
	if err != nil || len(got) != 2 || got[0].ID != r.Threats[1].ID || got[1].Scope != r.Threats[2].Scope || got[1].Group != "auth" ||
		!got[0].Created.Equal(r.Threats[1].CreatedAt) || got[0].Justified || !got[1].Justified {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestTrialIsStored(t *testing.T) {
	s := open(t, Options{})
	at := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	rec := sentinel.BlockRecord{
		ID: "01KH5VZX4N0000000000000001", Prefix: netip.MustParsePrefix("198.51.100.0/24"), Reason: "x", Origin: sentinel.OriginCLI, Score: 1,
		Created: at, Expires: at.Add(time.Minute), Trial: true, Until: at.Add(time.Hour),
	}
	check := func() {
		t.Helper()
		if got, err := s.BlocksInForce(t.Context(), at); err != nil || len(got) != 1 || got[0] != rec {
			t.Errorf("got %+v, %v; want %+v", got, err, rec)
		}
	}
	if err := s.Commit(t.Context(), Results{Blocks: []sentinel.BlockRecord{rec}, Durable: true}); err != nil {
		t.Fatal(err)
	}
	check()
	rec.Trial, rec.Expires, rec.Until = false, rec.Until, time.Time{}
	if err := s.Commit(t.Context(), Results{Blocks: []sentinel.BlockRecord{rec}, Durable: true}); err != nil {
		t.Fatal(err)
	}
	check()
}

func TestAllowNames(t *testing.T) {
	s := open(t, Options{})
	at := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	e := AllowName{Name: "office.example.net", Reason: "us", Origin: sentinel.OriginCLI, Actor: "root", Created: at}
	if err := s.Commit(t.Context(), Results{AllowNames: []AllowName{e}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.AllowNames(t.Context()); err != nil || !slices.Equal(got, []AllowName{e}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if err := s.Commit(t.Context(), Results{DisallowNames: []string{e.Name}}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.AllowNames(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}

// The table of reputation keeps those that were seen last.
func TestReputationIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("it stores 200,000 rows")
	}
	s := open(t, Options{})
	at := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	const more = 700
	var r Results
	for i := range maxReputations + more {
		r.Regulars = append(r.Regulars, sentinel.Regular{
			Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), 32), Days: 2, Since: at, Last: at.Add(time.Duration(i) * time.Second),
		})
	}
	if err := s.Commit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	p, err := s.Purge(t.Context(), at.Add(-time.Hour), 0)
	if err != nil || p.Reputations != more {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := s.Reputation(t.Context(), r.Regulars[more-1].Network.Addr()); !errors.Is(err, ErrNotFound) {
		t.Errorf("the oldest are there: %v", err)
	}
	if _, err := s.Reputation(t.Context(), r.Regulars[more].Network.Addr()); err != nil {
		t.Error(err)
	}
}
