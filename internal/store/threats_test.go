package store

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestThreatFilter(t *testing.T) {
	s := open(t, Options{})
	all := fill(t, s, 6)
	all[0].Severity, all[0].Type, all[0].Status = sentinel.Critical, "sqli", sentinel.StatusResolved
	all[1].Severity, all[1].Source = sentinel.Low, "/var/log/nginx/access.log"
	all[2].AttackerIP, all[2].Scope = netip.MustParseAddr("2001:db8::5"), netip.MustParsePrefix("2001:db8::/64")
	all[3].AttackerIP, all[3].Scope = netip.MustParseAddr("192.0.2.7"), netip.MustParsePrefix("192.0.2.0/24")
	all[4].Description = `100% of "it's" done_`
	all[5].Status = sentinel.StatusOpen
	commit(t, s, Results{Threats: all})
	prefix, low := netip.MustParsePrefix, sentinel.Low
	for _, c := range []struct {
		name  string
		f     ThreatFilter
		want  []int // newest first
		total int
	}{
		{"all", ThreatFilter{}, []int{5, 4, 3, 2, 1, 0}, 6},
		{"page", ThreatFilter{Limit: 2, Offset: 1}, []int{4, 3}, 6},
		{"behind the end", ThreatFilter{Offset: 10}, nil, 6},
		{"severity", ThreatFilter{MinSeverity: sentinel.Critical}, []int{0}, 1},
		{"exactly low", ThreatFilter{Severity: &low}, []int{1}, 1},
		{"at least low", ThreatFilter{MinSeverity: sentinel.Low}, []int{5, 4, 3, 2, 1, 0}, 6},
		{"since", ThreatFilter{Since: testTime.Add(time.Minute + 4*time.Second)}, []int{5, 4}, 2},
		{"until", ThreatFilter{Until: testTime.Add(2 * time.Second)}, []int{1, 0}, 2},
		{"type", ThreatFilter{Type: "sqli"}, []int{0}, 1},
		{"status", ThreatFilter{Status: sentinel.StatusOpen}, []int{5}, 1},
		{"source", ThreatFilter{Source: "/var/log/nginx/access.log"}, []int{1}, 1},
		{"address", ThreatFilter{Network: prefix("198.51.0.4/32")}, []int{4}, 1},
		{"address in a wider scope", ThreatFilter{Network: prefix("192.0.2.200/32")}, []int{3}, 1},
		{"network", ThreatFilter{Network: prefix("198.51.0.0/16")}, []int{5, 4, 1, 0}, 4},
		{"address of a /64", ThreatFilter{Network: prefix("2001:db8::99/128")}, []int{2}, 1},
		{"all of version 6", ThreatFilter{Network: prefix("::/0")}, []int{2}, 1},
		{"all of version 4", ThreatFilter{Network: prefix("0.0.0.0/0")}, []int{5, 4, 3, 1, 0}, 5},
		{"text", ThreatFilter{Text: `100% OF "IT'S" DONE_`}, []int{4}, 1},
		{"text is literal", ThreatFilter{Text: "%"}, []int{4}, 1},
		{"text of a line", ThreatFilter{Text: "second", Type: "sqli"}, []int{0}, 1},
		{"several", ThreatFilter{MinSeverity: sentinel.High, Type: "brute_force", Network: prefix("198.51.0.0/16"), Limit: 1}, []int{5}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, total, err := s.Threats(t.Context(), c.f)
			if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, th := range list {
				got = append(got, slices.IndexFunc(all, func(a sentinel.Threat) bool { return a.ID == th.ID }))
			}
			if !slices.Equal(got, c.want) || total != c.total {
				t.Errorf("got %v of %d, want %v of %d", got, total, c.want, c.total)
			}
		})
	}
}

func TestThreatByPartOfID(t *testing.T) {
	s := open(t, Options{})
	ids := []string{
		"01KH0000000000000000000XA1", "01KH0000000000000000000YA1", "01KH1111111111111111111BCD",
		"01KJ22222222222222222201KH", // ends as others begin
	}
	var all []sentinel.Threat
	for i, id := range ids {
		all = append(all, testThreat(id, testTime.Add(time.Duration(i)*time.Second)))
	}
	commit(t, s, Results{Threats: all})
	for _, c := range []struct {
		part string
		want int // index, -1: not found, -2: ambiguous
	}{
		{ids[0], 0}, {"THR-" + ids[1], 1}, {"thr-" + strings.ToLower(ids[2]), 2},
		{"1BCD", 2}, {"bcd", 2}, {"lBcD", 2}, {"THR-XA1", 0}, {"01KJ", 3}, {"O1KJ", 3}, {" 01kj ", 3},
		{"A1", -2}, {"01KH", -2}, {"01", -2}, {"ZZZZ", -1}, {"", -1}, {"%", -1}, {"THR-", -1}, {"' OR 1=1", -1},
		{ids[0] + "0", -1},
	} {
		got, err := s.Threat(t.Context(), c.part)
		var ambiguous *AmbiguousError
		switch {
		case c.want == -1 && !errors.Is(err, ErrNotFound):
			t.Errorf("%q: %v, %v, want ErrNotFound", c.part, got.ID, err)
		case c.want == -2 && (!errors.As(err, &ambiguous) || len(ambiguous.Candidates) < 2):
			t.Errorf("%q: %v, %v, want an AmbiguousError", c.part, got.ID, err)
		case c.want >= 0 && (err != nil || got.ID != ids[c.want]):
			t.Errorf("%q: %v, %v, want %s", c.part, got.ID, err, ids[c.want])
		}
	}

	short, err := s.ShortIDs(t.Context(), append(ids, "NOTSTORED"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{ids[0]: "0XA1", ids[1]: "0YA1", ids[2]: "1BCD", ids[3]: "201KH", "NOTSTORED": "NOTSTORED"}
	for id, w := range want {
		if short[id] != w {
			t.Errorf("short id of %s = %s, want %s", id, short[id], w)
		}
	}
}

func TestShortIDsResolve(t *testing.T) {
	s := open(t, Options{})
	all := fill(t, s, 3000) // enough that some share their last four characters
	var ids []string
	for _, th := range all {
		ids = append(ids, th.ID)
	}
	short, err := s.ShortIDs(t.Context(), ids)
	if err != nil {
		t.Fatal(err)
	}
	among := ShortenIDs(ids)
	longer := 0
	for _, id := range ids {
		if short[id] != among[id] {
			t.Errorf("%s: %s in the store, %s among themselves", id, short[id], among[id])
		}
		if len(short[id]) > minShortID {
			longer++
			continue
		}
	}
	if longer == 0 {
		t.Error("no two ids share four characters: the test shows nothing")
	}
	for _, id := range ids[:300] {
		if got, err := s.Threat(t.Context(), short[id]); err != nil || got.ID != id {
			t.Errorf("%s: %s, %v, want %s", short[id], got.ID, err, id)
		}
	}
}

func TestOpenCases(t *testing.T) {
	s := open(t, Options{})
	all := fill(t, s, 5)
	got, err := s.OpenCases(t.Context(), all[3].LastSeen)
	if err != nil || len(got) != 2 || got[0].ID != all[3].ID {
		t.Errorf("%d cases, %v", len(got), err)
	}
}

func TestPrefixBounds(t *testing.T) {
	for _, c := range []struct{ prefix, in, out string }{
		{"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
		{"10.128.0.0/9", "10.128.0.0", "10.127.255.255"},
		{"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::"},
		{"0.0.0.0/0", "255.255.255.255", "::1"},
		{"::/0", "ffff::", "1.2.3.4"},
		{"1.2.3.4/32", "1.2.3.4", "1.2.3.5"},
	} {
		lo, hi := bounds(netip.MustParsePrefix(c.prefix))
		in, out := string(addrKey(netip.MustParseAddr(c.in))), string(addrKey(netip.MustParseAddr(c.out)))
		if in < string(lo) || in > string(hi) || out >= string(lo) && out <= string(hi) {
			t.Errorf("%s: bounds %x to %x", c.prefix, lo, hi)
		}
	}
}
