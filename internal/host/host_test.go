package host

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestAddressesHasLoopback(t *testing.T) {
	got, err := Addresses()
	if err != nil {
		t.Fatal(err)
	}
	want := netip.MustParseAddr("127.0.0.1")
	if !slices.ContainsFunc(got, func(a Address) bool { return a.Addr == want && a.Role == RoleOwn }) {
		t.Errorf("no %s of role own in %v", want, got)
	}
}

func TestResolvers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	text := "# nameserver 192.0.2.9\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver nonsense\noptions edns0\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	want := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1")}
	if got := Resolvers(path); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Resolvers(path + ".missing"); got != nil {
		t.Errorf("of a missing file: %v", got)
	}
}

func TestLoggedIn(t *testing.T) {
	record := func(kind uint32, user string, addr []byte) []byte {
		rec := make([]byte, utmpSize)
		binary.NativeEndian.PutUint32(rec, kind)
		copy(rec[utmpUser:], user)
		copy(rec[utmpAddr:], addr)
		return rec
	}
	v6 := netip.MustParseAddr("2001:db8::7").As16()
	data := slices.Concat(
		record(utmpUserProc, "alice", []byte{203, 0, 113, 9}),
		record(utmpUserProc, "console", nil),
		record(8, "gone", []byte{203, 0, 113, 10}),
		record(utmpUserProc, "bob", v6[:]),
		[]byte("torn"),
	)
	path := filepath.Join(t.TempDir(), "utmp")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := LoggedIn(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Address{
		{netip.MustParseAddr("203.0.113.9"), RoleAdmin, "session of alice"},
		{netip.MustParseAddr("2001:db8::7"), RoleAdmin, "session of bob"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, err := LoggedIn(path + ".missing"); got != nil || err != nil {
		t.Errorf("of a missing file: %v, %v", got, err)
	}
}

func TestConnected(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 7, 7, 7)}}
	conn, err := dialer.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	there := conn.LocalAddr().(*net.TCPAddr).AddrPort()
	any, other := netip.AddrPortFrom(there.Addr(), 0), netip.AddrPortFrom(there.Addr(), there.Port()^1)
	away := netip.MustParseAddrPort("203.0.113.1:0")
	got, err := Connected(map[netip.AddrPort]bool{there: true, any: true, other: true, away: true})
	if err != nil {
		t.Fatal(err)
	}
	if !got[there] || !got[any] || got[other] || got[away] {
		t.Errorf("got %v, want only %s and %s", got, there, any)
	}
}

func TestNotify(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	if err := Notify("READY=1"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("read %q, %v", buf[:n], err)
	}
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify("READY=1"); err != nil {
		t.Errorf("without systemd: %v", err)
	}
}

func TestSelf(t *testing.T) {
	if u := Self(); u.CPU <= 0 || u.Memory == 0 {
		t.Errorf("got %+v", u)
	}
}
