package rule

import (
	"net/netip"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestGeo(t *testing.T) {
	dutch := sentinel.Geo{Country: "NL", ASN: 64500, Org: "Example"}
	for cond, want := range map[string][2]bool{ // with and without a database
		"{geo.country: NL}":                                   {true, false},
		"{geo.country: [DE, nl]}":                             {true, false},
		"{geo.country: NO}":                                   {false, false},
		"{geo.country|exists: true}":                          {true, false},
		"{geo.country|exists: false}":                         {false, true},
		"{not: {geo.country: DE}}":                            {true, false},
		"{not: {geo.country: NL}}":                            {false, false},
		"{not: {not: {geo.country: NL}}}":                     {true, false},
		"{not: {any: [{geo.country: DE}, {asn: 1}]}}":         {true, false},
		"{not: {all: [{geo.country: DE}, {asn: 64500}]}}":     {true, false},
		"{asn: AS64500}":                                      {true, false},
		"{asn: [1, 64500]}":                                   {true, false},
		"{asn|gt: 64000}":                                     {true, false},
		"{not: {asn: 1}}":                                     {true, false},
		"{asn|exists: false}":                                 {false, true},
		"{field: src_ip, country: [be, NL]}":                  {true, false},
		"{attacker_ip|country: be}":                           {false, false},
		"{dst_ip|country: NL}":                                {false, false},
		"{peer_ip|country: US}":                               {true, false},
		"{not: {peer_ip|country: NL}}":                        {true, false},
		"{all: [{user: bob}, {geo.country: NL}]}":             {true, false},
		"{any: [{geo.country: DE}, {user: bob}]}":             {true, true},
		"{message|contains: 'no such text', geo.country: NL}": {false, false},
	} {
		set := compile(t, one("R_1", cond))
		for i, known := range []bool{true, false} {
			ev := access("/")
			ev.User, ev.PeerIP = "bob", netip.MustParseAddr("192.0.2.1")
			m := set.NewMatcher()
			if known {
				m.LocateBy(func(a netip.Addr) sentinel.Geo {
					if a == ev.PeerIP {
						return sentinel.Geo{Country: "US"}
					}
					return dutch
				})
			}
			if got := len(m.Match(ev)) == 1; got != want[i] {
				t.Errorf("%s is %t (database: %t)", cond, got, known)
			}
		}
	}
}

// TestGeoIsLazy: addresses are looked up once, and only when that matters.
func TestGeoIsLazy(t *testing.T) {
	set := compile(t, one("R_1", "{all: [{user: bob}, {geo.country: NL}]}")+one("R_2", "{all: [{user: bob}, {asn: 5}]}")+
		one("R_3", "{message|contains: 'never said', asn: 5}"))
	m := set.NewMatcher()
	asked := 0
	m.LocateBy(func(netip.Addr) sentinel.Geo { asked++; return sentinel.Geo{Country: "NL", ASN: 7} })
	ev := access("/")
	if m.Match(ev); asked != 0 {
		t.Errorf("asked %d times for an event that no rule is about", asked)
	}
	ev.User = "bob"
	got := m.Match(ev)
	if len(got) != 1 || asked != 1 {
		t.Fatalf("%d matches, asked %d times", len(got), asked)
	}
	e := m.Evidence(ev, got[0])
	if asked != 1 || len(e) != 2 || e[1].Field != "geo.country" || e[1].Text != "NL, AS7" {
		t.Errorf("evidence %+v, asked %d times", e, asked)
	}
}

func TestGeoOfCapture(t *testing.T) {
	set := compile(t, one("R_1", `{message|re: 'from (?P<attacker_ip>\S+)'}`)+
		"exceptions: [{reason: home, match: {geo.country: NL}}]\n")
	m := set.NewMatcher()
	m.LocateBy(func(a netip.Addr) sentinel.Geo {
		if a == netip.MustParseAddr("203.0.113.9") {
			return sentinel.Geo{Country: "NL"}
		}
		return sentinel.Geo{Country: "US"}
	})
	for addr, want := range map[string]int{"203.0.113.9": 0, "198.51.100.1": 1} {
		ev := &sentinel.Event{Message: "bad from " + addr, SourceType: sentinel.TypeApp}
		if got := m.Match(ev); len(got) != want {
			t.Errorf("%s: %d matches", addr, len(got))
		}
	}
}

func TestGeoFaults(t *testing.T) {
	for text, says := range map[string]string{
		"conditions: {geo.country: ZZ}":         `"ZZ" is not a country code`,
		"conditions: {geo.country: Germany}":    "not a country code",
		"conditions: {geo.country|contains: N}": "cannot be compared by contains",
		"conditions: {user|country: NL}":        "cannot be compared by country",
		"conditions: {src_ip|country: [NL, X]}": "not a country code",
		"conditions: {asn: ASx}":                "not the number of a network",
		"conditions: {asn: 0}":                  "not the number of a network",
		"conditions: {user: x}\ntests: [{lines: [a], geo: {1.2.3: NL}, expect: {fires: 0}}]":     "neither an address",
		"conditions: {user: x}\ntests: [{lines: [a], geo: {1.2.3.4: Home}, expect: {fires: 0}}]": "is not a country, a network or both",
	} {
		_, problems := ParseFile("f.yml", []byte(head+text))
		if len(problems) == 0 || !strings.Contains(problems[0].Message, says) {
			t.Errorf("%s: %v", text, problems)
		}
	}
	rules, problems := ParseFile("f.yml", []byte(head+"conditions: {user: x}\ntests: [{lines: [a], geo: {203.0.113.0/24: NL AS64500 An Example, 192.0.2.1: as5}, expect: {fires: 0}}]"))
	if len(problems) != 0 {
		t.Fatal(problems)
	}
	test := rules[0].Tests[0]
	if g := test.Locate(netip.MustParseAddr("203.0.113.9")); g.String() != "NL, AS64500 An Example" {
		t.Errorf("the test's address is in %q", g)
	}
	if g := test.Locate(netip.MustParseAddr("192.0.2.1")); g.String() != "AS5" {
		t.Errorf("the test's address is in %q", g)
	}
}
