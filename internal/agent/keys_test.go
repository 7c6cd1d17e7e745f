package agent

import (
	"net/netip"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

func TestKeyLogins(t *testing.T) {
	now := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	login := func(addr, method, program string, back time.Duration) *sentinel.Event {
		return &sentinel.Event{Type: sentinel.EventAuthOK, Method: method, Program: program, SrcIP: netip.MustParseAddr(addr), User: "alice", Time: now.Add(-back)}
	}
	var k keyLogins
	k.load([]sentinel.Regular{
		{Network: netip.MustParsePrefix("203.0.113.1/32"), KeyLogin: now.Add(-40 * 24 * time.Hour), KeyUser: "old"},
		{Network: netip.MustParsePrefix("203.0.113.2/32"), KeyLogin: now.Add(-2 * time.Hour), KeyUser: "bob"},
		{Network: netip.MustParsePrefix("203.0.113.3/32"), Logins: 9},
	})
	header := login("203.0.113.9", "publickey", "sshd", 0)
	header.FromHeader = true
	for _, ev := range []*sentinel.Event{
		login("2001:db8::7", "publickey", "sshd", time.Minute),
		login("203.0.113.4", "password", "sshd", 0),
		login("203.0.113.5", "publickey", "vsftpd", 0),
		login("203.0.113.6", "publickey", "sshd", 2*time.Hour), // read late
		header,
	} {
		k.note(ev, now)
	}
	got := k.protections(now, 30*24*time.Hour)
	if len(got) != 2 || got[0].Prefix.String() != "203.0.113.2/32" || got[1].Prefix.String() != "2001:db8::/64" || got[1].Kind != decide.KindKey ||
		got[1].Reason != "alice logged in with a key on 2026-02-09" || !k.changed {
		t.Errorf("got %+v, changed: %v", got, k.changed)
	}
	if got := k.protections(now, 0); len(got) != 0 {
		t.Errorf("switched off: %+v", got)
	}
	k.changed = false
	k.note(login("2001:db8::8", "publickey", "dropbear", 0), now) // of the same /64
	if k.changed {
		t.Error("the same user from the same network is a change")
	}
	for i := range 2 * maxKeyLogins {
		k.put(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, 0, byte(i >> 8), byte(i)}), 32), keyLogin{now.Add(time.Duration(i) * time.Second), "x"})
	}
	if _, there := k.last[netip.MustParsePrefix("20.0.7.255/32")]; len(k.last) != maxKeyLogins || !there {
		t.Errorf("%d are kept; the latest is: %v", len(k.last), there)
	}
}

func TestTakenBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  sentinel.Action
		want bool
	}{
		{"it ended", sentinel.Action{Origin: sentinel.OriginRule, Status: store.StatusExpired}, false},
		{"a person lifted it", sentinel.Action{Origin: sentinel.OriginRule, Status: store.StatusRevoked, RevokedBy: "alice (uid 1000)"}, true},
		{"it gave way", sentinel.Action{Origin: sentinel.OriginRule, Status: store.StatusRevoked, RevokedBy: decide.ByLimit}, false},
		{"another replaced it", sentinel.Action{Origin: sentinel.OriginRule, Status: store.StatusRevoked, RevokedBy: "block 01KH5VZX4N"}, false},
		{"never confirmed", sentinel.Action{Origin: sentinel.OriginCLI, Status: store.StatusExpired, Trial: true}, true},
		{"a person's, lifted", sentinel.Action{Origin: sentinel.OriginCLI, Status: store.StatusRevoked, RevokedBy: "alice"}, false},
	} {
		if got := takenBack(tt.act); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
