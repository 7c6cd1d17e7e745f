package drill

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
)

func TestParseDNAT(t *testing.T) {
	for _, c := range []struct {
		line string
		want string
	}{
		{"-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80", "0.0.0.0:8080 172.17.0.2:80"},
		{"-A DOCKER -d 198.51.100.7/32 ! -i br0 -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.0.0.2:443", "198.51.100.7:443 10.0.0.2:443"},
		{"-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", "0.0.0.0:80 3128"},
		{"-A DOCKER -p udp -m udp --dport 53 -j DNAT --to-destination 172.17.0.2:53", ""},
		{"-A OUTPUT -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 3128", ""},
		{"-A PREROUTING -p tcp -m tcp --dport 1:9 -j DNAT --to-destination 10.0.0.2", ""},
		{"-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE", ""},
		{":PREROUTING ACCEPT [0:0]", ""},
		{"-A", ""},
		{"-A X -p tcp --dport", ""},
	} {
		p, ok := parseDNAT(c.line, false)
		got := ""
		if ok {
			got = p.Addr.String() + " " + p.To
		}
		if got != c.want {
			t.Errorf("%s\ngot %q, want %q", c.line, got, c.want)
		}
	}
}

func FuzzParseDNAT(f *testing.F) {
	f.Add("-A DOCKER -d 198.51.100.7/32 ! -i br0 -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.0.0.2:443")
	f.Add("-d -d --dport -A")
	f.Fuzz(func(t *testing.T, line string) {
		if p, ok := parseDNAT(line, false); ok && (p.Addr.Port() == 0 || !p.Addr.IsValid()) {
			t.Errorf("%q gives %v", line, p)
		}
	})
}

func TestListening(t *testing.T) {
	table := `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 17 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 18 1 0000000000000000 100 0 0 10 0
   2: 0200000A:01BB 0300000A:0016 01 00000000:00000000 00:00000000 00000000     0        0 19 1 0000000000000000 100 0 0 10 0
   3: 0200000A:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 20 1 0000000000000000 100 0 0 10 0
   4: nonsense
`
	got, err := listening(strings.NewReader(table), map[uint64]string{17: "sshd"})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, p := range got {
		texts = append(texts, p.Addr.String()+" "+p.String())
	}
	if want := "0.0.0.0:22 22 (sshd), 10.0.0.2:443 443"; strings.Join(texts, ", ") != want {
		t.Errorf("got %q, want %q", texts, want)
	}
	if a, ok := parseSocket("000080FE00000000FF005450B5BC50FE:1F90"); !ok || a.Addr() != netip.MustParseAddr("fe80::5054:ff:fe50:bcb5") {
		t.Errorf("got %v", a)
	}
}

func TestChooseNetwork(t *testing.T) {
	all := candidates(documentation4, part4, 1<<8)
	if len(all) != 3*16 {
		t.Fatalf("%d networks: %v", len(all), all)
	}
	seen := map[netip.Prefix]bool{}
	for _, n := range all {
		if n != n.Masked() || seen[n] || !slices.ContainsFunc(documentation4, func(d netip.Prefix) bool { return d.Contains(n.Addr()) }) {
			t.Errorf("%s is not for documentation, or comes twice", n)
		}
		seen[n] = true
	}
	for _, n := range candidates(documentation6, part6, parts6) {
		if n != n.Masked() || !slices.ContainsFunc(documentation6, func(d netip.Prefix) bool { return d.Contains(n.Addr()) }) {
			t.Errorf("%s is not for documentation", n)
		}
	}
	used := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("198.51.100.128/25"), netip.MustParsePrefix("10.0.0.0/8")}
	left := unused(all, used)
	if len(left) != 8+16 {
		t.Errorf("%d networks are left: %v", len(left), left)
	}
	asked := 0
	f := choose(family4, left, func(netip.Addr) bool { asked++; return asked == 3 })
	if f == nil || f.net != left[2] || !f.net.Contains(f.Attacker) || len(f.Others) != numOthers {
		t.Errorf("got %+v, want the third network", f)
	}
	if f := choose(family4, left, func(netip.Addr) bool { return false }); f == nil || f.net != left[0] {
		t.Errorf("got %+v, want the first network if none is fresh", f)
	}
	if choose(family4, nil, nil) != nil {
		t.Error("there is no network, and one was chosen")
	}
}

func TestHolds(t *testing.T) {
	key := func(a string) []byte { return netip.MustParseAddr(a).AsSlice() }
	ranges := []nftables.SetElement{
		{Key: key("198.51.101.0"), IntervalEnd: true}, {Key: key("198.51.100.0")},
		{Key: key("0.0.0.0"), IntervalEnd: true}, {Key: key("198.51.101.0")}, {Key: key("198.51.102.0"), IntervalEnd: true},
	}
	for a, want := range map[string]bool{"198.51.100.7": true, "198.51.101.0": true, "198.51.102.0": false, "10.0.0.1": false, "255.0.0.1": false} {
		if got := holds(&nftables.Set{Interval: true}, ranges, netip.MustParseAddr(a)); got != want {
			t.Errorf("%s within the ranges: %v, want %v", a, got, want)
		}
	}
	single := []nftables.SetElement{{Key: key("2001:db8:0:1::")}}
	if !holds(&nftables.Set{}, single, netip.MustParseAddr("2001:db8:0:1::77")) {
		t.Error("an address of a blocked /64 is not found")
	}
}

func TestHeldBySet(t *testing.T) {
	var h Held
	for _, name := range []string{"block4", "net6", "allow4", "limit4", "sentinel-block6", "sentinel-allow6", "sentinel-limit4-10m"} {
		h.set(name)
	}
	if len(h.Dropped) != 3 || len(h.Passed) != 2 {
		t.Errorf("%+v", h)
	}
}

func TestIPTablesOrder(t *testing.T) {
	ours := "-A PREROUTING -j sentinel"
	for _, c := range []struct {
		rules []string
		want  string
	}{
		{[]string{ours}, ""},
		{[]string{"-A PREROUTING -i lo -j ACCEPT", ours}, "accepted-earlier"},
		{[]string{"-A PREROUTING -p udp -j CT --notrack", ours, "-A PREROUTING -j ACCEPT"}, ""},
		{nil, "hook-missing"},
	} {
		k := &Kernel{Raw4: c.rules}
		got := ""
		for _, f := range k.Faults("iptables", Held{}, netip.MustParseAddr("203.0.113.1")) {
			got += f.ID
		}
		if got != c.want {
			t.Errorf("%v: got %q, want %q", c.rules, got, c.want)
		}
	}
}
