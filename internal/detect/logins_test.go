package detect

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

var monday = time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

func TestLogins(t *testing.T) {
	type login struct {
		after   time.Duration
		country string
		asn     uint32
		new     bool
		travel  bool
	}
	for name, list := range map[string][]login{
		"the first day anything may be usual": {{0, "NL", 0, false, false}, {23 * time.Hour, "BE", 0, false, false}, {24 * time.Hour, "FR", 0, true, false}},
		"known again within 90 days":          {{0, "NL", 0, false, false}, {80 * day, "BE", 0, true, false}, {89 * day, "NL", 0, false, false}},
		"new again after 90 days":             {{0, "NL", 0, false, false}, {80 * day, "BE", 0, true, false}, {100 * day, "BE", 0, false, false}, {101 * day, "NL", 0, true, false}},
		"nobody knows":                        {{0, "", 0, false, false}, {2 * day, "", 5, false, false}},
		"too far":                             {{0, "NL", 0, false, false}, {time.Hour, "BR", 0, false, true}, {2 * time.Hour, "NL", 0, false, true}},
		"far, and time enough":                {{0, "NL", 0, false, false}, {12 * time.Hour, "BR", 0, false, false}},
		"an old line":                         {{0, "NL", 0, false, false}, {-time.Hour, "BR", 0, false, true}},
		"the same network":                    {{0, "NL", 7, false, false}, {time.Hour, "BR", 7, false, false}},
		"another network":                     {{0, "NL", 7, false, false}, {time.Hour, "BR", 8, false, true}},
		"neighbours":                          {{0, "NL", 0, false, false}, {0, "DE", 0, false, false}},
		"a VPN that is usual": {
			{0, "NL", 0, false, false}, {12 * time.Hour, "BR", 0, false, false}, {24 * time.Hour, "NL", 0, false, false}, {36 * time.Hour, "BR", 0, false, false},
			{48 * time.Hour, "NL", 0, false, false}, {60 * time.Hour, "BR", 0, false, false}, {72 * time.Hour, "NL", 0, false, false}, {73 * time.Hour, "BR", 0, false, false},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := NewLogins()
			for i, x := range list {
				f := l.Note(monday.Add(x.after), "alice", netip.MustParseAddr("203.0.113.9"), sentinel.Geo{Country: x.country, ASN: x.asn})
				if f.New != x.new || f.Travel != x.travel {
					t.Errorf("login %d: %+v", i, f)
				}
				if f.Travel && (f.From.Country == "" || f.Km < leastGap || f.Within < 0) {
					t.Errorf("login %d: %+v", i, f)
				}
				if f.New && len(f.Before) == 0 {
					t.Errorf("login %d: new, and nothing was before", i)
				}
				if other := l.Note(monday.Add(x.after), "user"+fmt.Sprint(i), netip.MustParseAddr("203.0.113.9"), sentinel.Geo{Country: x.country}); other.New || other.Travel {
					t.Errorf("another user: %+v", other)
				}
			}
		})
	}
}

// TestLoginsRestore: what is handed out and taken up again is the same memory.
func TestLoginsRestore(t *testing.T) {
	l := NewLogins()
	addr := netip.MustParseAddr("203.0.113.9")
	stored := map[string]sentinel.LoginPlace{}
	for i, country := range []string{"NL", "NL", "BE", "NL"} {
		l.Note(monday.Add(time.Duration(i)*30*time.Hour), "alice", addr, sentinel.Geo{Country: country, ASN: 64500})
		for _, p := range l.Changed() {
			stored[p.User+p.Country] = p
		}
	}
	want := sentinel.LoginPlace{User: "alice", Country: "NL", First: monday, Last: monday.Add(90 * time.Hour), Days: 3, Addr: addr, ASN: 64500}
	if got := stored["aliceNL"]; len(stored) != 2 || !reflect.DeepEqual(got, want) {
		t.Fatalf("stored %+v", stored)
	}
	again := NewLogins()
	again.Restore([]sentinel.LoginPlace{stored["aliceNL"], stored["aliceBE"]})
	if f := again.Note(monday.Add(91*time.Hour), "alice", addr, sentinel.Geo{Country: "JP"}); !f.New || !f.Travel || !slices.Equal(f.Before, []string{"BE", "NL"}) || f.From.Country != "NL" {
		t.Errorf("%+v", f)
	}
}

// TestLoginsStore: a busy account is not stored with each login.
func TestLoginsStore(t *testing.T) {
	l := NewLogins()
	n := 0
	for i := range 600 {
		l.Note(monday.Add(time.Duration(i)*time.Second), "backup", netip.MustParseAddr("203.0.113.9"), sentinel.Geo{Country: "NL"})
		n += len(l.Changed())
	}
	if n != 10 {
		t.Errorf("stored %d times in ten minutes", n)
	}
	if allocs := testing.AllocsPerRun(100, func() {
		l.Note(monday.Add(10*time.Minute), "backup", netip.MustParseAddr("203.0.113.9"), sentinel.Geo{Country: "NL"})
	}); allocs != 0 {
		t.Errorf("a login that tells nothing new allocates %v times", allocs)
	}
}

func TestLoginsBounds(t *testing.T) {
	l := NewLogins()
	countries := []string{"AD", "AE", "AF", "AG", "AI", "AL", "AM", "AO", "AR", "AT", "AU"}
	for i := range maxLoginUsers + 100 {
		for _, c := range countries {
			l.Note(monday.Add(time.Duration(i)*time.Second), fmt.Sprintf("user%d", i), netip.MustParseAddr("203.0.113.9"), sentinel.Geo{Country: c})
		}
	}
	if len(l.users) > maxLoginUsers || len(l.changed) > MaxLogins {
		t.Errorf("%d users, %d to be stored", len(l.users), len(l.changed))
	}
	for name, u := range l.users {
		if len(u.places) > maxCountries {
			t.Errorf("%s has %d places", name, len(u.places))
		}
	}
	if l.users["user0"] != nil || l.users[fmt.Sprintf("user%d", maxLoginUsers)] == nil {
		t.Error("not the one that was seen longest ago gave way")
	}
	all := make([]sentinel.LoginPlace, 3*MaxLogins)
	for i := range all {
		all[i] = sentinel.LoginPlace{User: fmt.Sprintf("u%d", i/10), Country: countries[i%10], First: monday, Last: monday, Days: 1}
	}
	l = NewLogins()
	l.Restore(all)
	if len(l.users) > maxLoginUsers {
		t.Errorf("%d users are taken up", len(l.users))
	}
}
