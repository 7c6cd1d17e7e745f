package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a small name server on loopback that is told what to answer.
type nameServer struct {
	mu    sync.Mutex
	names map[string][]netip.Addr
	conn  net.PacketConn
}

func newNameServer(t *testing.T) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{names: map[string][]netip.Addr{}, conn: conn}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.serve(t)
	}()
	t.Cleanup(func() { _ = conn.Close(); <-done })
	return s
}

func (s *nameServer) addr() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// tell sets what a name stands for; nothing: it does not exist.
func (s *nameServer) tell(name string, addrs ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[name] = nil
	for _, a := range addrs {
		s.names[name] = append(s.names[name], netip.MustParseAddr(a))
	}
}

func (s *nameServer) serve(t *testing.T) {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(buf[:n]); err != nil || len(m.Questions) != 1 {
			t.Errorf("question %x: %v", buf[:n], err)
			continue
		}
		q := m.Questions[0]
		s.mu.Lock()
		addrs := s.names[q.Name.String()]
		s.mu.Unlock()
		r := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}, Questions: m.Questions}
		if len(addrs) == 0 {
			r.RCode = dnsmessage.RCodeNameError
		}
		for _, a := range addrs {
			h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
			switch {
			case a.Is4() && q.Type == dnsmessage.TypeA:
				r.Answers = append(r.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
			case a.Is6() && q.Type == dnsmessage.TypeAAAA:
				r.Answers = append(r.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
			}
		}
		out, err := r.Pack()
		if err != nil {
			t.Error(err)
			continue
		}
		_, _ = s.conn.WriteTo(out, from)
	}
}

func TestNames(t *testing.T) {
	server := newNameServer(t)
	server.tell("office.example.net.", "203.0.113.7", "2001:db8::7")
	s := NewNames()
	s.Set([]string{"office.example.net", "typo.example.net"}, NewLookup(server.addr()), time.Hour)
	changes := make(chan struct{}, 10)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx, func() { changes <- struct{}{} })
	}()
	expect := func(want ...string) {
		t.Helper()
		select {
		case <-changes:
		case <-t.Context().Done():
			t.Fatal("no change")
		}
		var got []string
		for _, n := range s.All() {
			got = append(got, fmt.Sprint(n.Name, n.Sorted(), n.Error))
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect("office.example.net[203.0.113.7 2001:db8::7]", "typo.example.net[]there is no such name")
	// Another address; the old one lingers. Setting the names looks them up at once.
	server.tell("office.example.net.", "203.0.113.8")
	s.Set([]string{"office.example.net"}, NewLookup(server.addr()), time.Hour)
	expect("office.example.net[203.0.113.7 203.0.113.8 2001:db8::7]")
	// It fails: what was known stays.
	server.tell("office.example.net.")
	s.Set([]string{"office.example.net"}, NewLookup(server.addr()), time.Hour)
	expect("office.example.net[203.0.113.7 203.0.113.8 2001:db8::7]there is no such name")
	// After a restart with the same fault too.
	next := NewNames()
	next.Restore(s.All(), time.Now())
	next.Set([]string{"office.example.net"}, NewLookup(server.addr()), time.Hour)
	if got := next.All(); len(got) != 1 || len(got[0].Addrs) != 3 {
		t.Errorf("restored %+v", got)
	}
	next.Restore([]Name{{Name: "old.example.net", Resolved: time.Now().Add(-NameKeep), Addrs: map[netip.Addr]time.Time{{}: {}}}}, time.Now())
	if got := next.All(); len(got) != 1 {
		t.Errorf("restored what is too old: %+v", got)
	}
	cancel()
	<-ended
}

func TestNameTakes(t *testing.T) {
	at := time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)
	ip := netip.MustParseAddr
	n := Name{Name: "x.example.net", Addrs: map[netip.Addr]time.Time{}}
	steps := []struct {
		after time.Duration
		found []netip.Addr
		err   error
		want  string
		told  bool
	}{
		{0, []netip.Addr{ip("203.0.113.1"), ip("::ffff:203.0.113.2")}, nil, "[203.0.113.1 203.0.113.2]", true},
		{time.Minute, []netip.Addr{ip("203.0.113.1")}, nil, "[203.0.113.1 203.0.113.2]", false},
		{NameLinger, []netip.Addr{ip("203.0.113.1")}, nil, "[203.0.113.1]", true},
		{NameLinger + time.Minute, nil, nil, "[203.0.113.1]it has no address", true},
		{NameKeep, nil, errors.New("refused"), "[203.0.113.1]refused", true},
		{NameKeep + time.Hour, nil, errors.New("refused"), "[]refused", true},
		{NameKeep + 2*time.Hour, []netip.Addr{ip("0.0.0.0"), ip("203.0.113.3")}, nil, "[203.0.113.3]", true},
	}
	for i, s := range steps {
		told := n.take(s.found, s.err, at.Add(s.after))
		if got := fmt.Sprint(n.Sorted(), n.Error); got != s.want || told != s.told {
			t.Errorf("%d: %s, told: %v; want %s, %v", i, got, told, s.want, s.told)
		}
	}
	var many []netip.Addr
	for i := range 100 {
		many = append(many, netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
	}
	n.take(many, nil, at.Add(48*time.Hour))
	if len(n.Addrs) != maxNameAddrs {
		t.Errorf("%d addresses are kept", len(n.Addrs))
	}
	s := NewNames()
	var names []string
	for i := range 2 * MaxNames {
		names = append(names, fmt.Sprintf("n%d.example.net", i))
	}
	s.Set(names, nil, time.Hour)
	if len(s.All()) != MaxNames {
		t.Errorf("%d names are followed", len(s.All()))
	}
}
