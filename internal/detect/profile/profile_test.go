package profile

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func addr(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }

func request(from netip.Addr, line string, status int) *sentinel.Event {
	method, path, _ := strings.Cut(line, " ")
	ev := &sentinel.Event{Type: sentinel.EventHTTPAccess, SrcIP: from}
	ev.HTTP = sentinel.HTTP{Method: method, Path: path, Target: path, Status: status}
	return ev
}

// use is what shows that an application is there, and what its users' clients ask
// for in vain.
var use = map[App]struct {
	sign     string
	status   int
	ordinary []string
}{
	Nextcloud:     {"PROPFIND /remote.php/dav/files/ann/", 207, []string{"PROPFIND /remote.php/dav/files/ann/new", "REPORT /remote.php/dav/calendars/ann/x", "MKCOL /remote.php/dav/files/ann/dir", "GET /remote.php/dav/files/ann/gone.txt", "GET /index.php/avatar/bob/64"}},
	WebDAV:        {"PROPFIND /share/", 207, []string{"PROPFIND /share/x", "PUT /share/y", "DELETE /share/z", "MKCOL /share/q"}},
	Git:           {"POST /team/shop.git/git-upload-pack", 200, []string{"GET /team/shop.git/info/refs", "GET /team/shop.git/objects/info/packs", "GET /team/shop.git/HEAD"}},
	WordPress:     {"GET /wp-admin/edit.php", 200, []string{"GET /wp-json/wp/v2/blocks/7", "POST /wp-admin/admin-ajax.php", "GET /blog/wp-admin/load-scripts.php"}},
	Grafana:       {"POST /api/ds/query", 200, []string{"GET /api/dashboards/uid/gone", "GET /grafana/public/plugins/x/module", "GET /api/annotations"}},
	Matrix:        {"GET /_matrix/client/v3/sync", 200, []string{"GET /_matrix/client/v3/profile/@x:y", "POST /_matrix/client/v3/keys/claim", "GET /_matrix/federation/v1/event/x"}},
	HomeAssistant: {"GET /api/websocket", 101, []string{"GET /api/camera_proxy/x", "GET /local/card/x"}},
}

// recognised is a log in which an application was recognised.
func recognised(t *testing.T, a App) (*Set, *Source, time.Time) {
	t.Helper()
	s := New(Pins{})
	x := s.Source("/var/log/nginx/access.log")
	now := start
	for i := range needAddrs {
		x.Observe(request(addr(i), use[a].sign, use[a].status), now)
		now = now.Add(13 * time.Hour)
	}
	now = now.Add(-13 * time.Hour)
	x.Observe(request(addr(0), use[a].sign, use[a].status), now)
	return s, x, now
}

func TestOrdinary(t *testing.T) {
	for a, u := range use {
		s, x, now := recognised(t, a)
		st := s.Status()
		if len(st) == 0 || !st[len(st)-1].On && !st[0].On {
			t.Errorf("%s is not recognised: %+v", a, st)
		}
		for _, line := range u.ordinary {
			for _, status := range []int{401, 404} {
				if got, ok := x.Excepts(request(addr(0), line, status), now.Add(time.Hour)); !ok || got != a && a != Nextcloud {
					t.Errorf("%s: %s with %d is not excepted (%v)", a, line, status, got)
				}
			}
		}
		ev := request(addr(0), "GET /theme/missing.woff2", 404)
		ev.HTTP.Referer = "https://example.org/page"
		if _, ok := x.Excepts(ev, now); !ok {
			t.Errorf("%s: a missing part of a page is not excepted", a)
		}
	}
}

// TestNobodyHides: what an attacker may try behind an application.
func TestNobodyHides(t *testing.T) {
	for a, u := range use {
		_, x, now := recognised(t, a)
		for _, line := range []string{
			"GET /.env", "GET /backup.zip", "GET /config.php", "GET /.git/config", "GET /admin/", "GET /phpmyadmin/", "POST /shell.php",
			"GET /wp-config.php.bak", "GET /server-status", "GET /.git/objects/ab/cd", "GET /x/.git/HEAD",
		} {
			if got, ok := x.Excepts(request(addr(0), line, 404), now); ok {
				t.Errorf("%s: its user's %s is excepted as %s", a, line, got)
			}
		}
		for _, line := range u.ordinary {
			if _, ok := x.Excepts(request(addr(99), line, 404), now); ok {
				t.Errorf("%s: %s of somebody whom it never answered is excepted", a, line)
			}
			if _, ok := x.Excepts(request(addr(0), line, 404), now.Add(25*time.Hour)); ok {
				t.Errorf("%s: %s is excepted a day after the last answer", a, line)
			}
			if _, ok := x.Excepts(request(addr(0), line, 200), now); ok {
				t.Errorf("%s: an answer that succeeded is excepted", a)
			}
		}
		ev := request(addr(0), "GET /missing.sql", 404)
		ev.HTTP.Referer = "https://example.org/page"
		if _, ok := x.Excepts(ev, now); ok {
			t.Errorf("%s: a dump is taken for a part of a page", a)
		}
	}
}

// TestNotSwitchedOn: none of these makes an application recognised.
func TestNotSwitchedOn(t *testing.T) {
	on := func(f func(x *Source, a App)) (names []string) {
		s := New(Pins{})
		for a := range use {
			x := s.Source(fmt.Sprintf("/log/%s", a))
			f(x, a)
		}
		for _, st := range s.Status() {
			if st.On {
				names = append(names, st.App.String())
			}
		}
		return names
	}
	for name, f := range map[string]func(x *Source, a App){
		"one address for a week": func(x *Source, a App) {
			for h := range 24 * 7 {
				x.Observe(request(addr(1), use[a].sign, use[a].status), start.Add(time.Duration(h)*time.Hour))
			}
		},
		"many addresses in an hour": func(x *Source, a App) {
			for i := range 200 {
				x.Observe(request(addr(i), use[a].sign, use[a].status), start.Add(time.Duration(i)*15*time.Second))
			}
		},
		"one IPv6 network": func(x *Source, a App) {
			for i := range 50 {
				ip := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 15: byte(i)})
				x.Observe(request(ip, use[a].sign, use[a].status), start.Add(time.Duration(i)*time.Hour))
			}
		},
		"answers that failed": func(x *Source, a App) {
			for i := range 100 {
				for _, status := range []int{301, 302, 401, 403, 404, 500} {
					x.Observe(request(addr(i), use[a].sign, status), start.Add(time.Duration(i)*time.Hour))
				}
			}
		},
		"a site that answers 200 to whatever is asked for": func(x *Source, a App) {
			for i := range 100 {
				for _, line := range []string{"GET /", "GET /wp-admin/admin-ajax.php", "GET /wp-admin/install.php", "GET /wp-login.php", "GET /remote.php/dav", "GET /_matrix/client/versions", "GET /api/health", "GET /status.php", "GET /info/refs"} {
					x.Observe(request(addr(i), line, 200), start.Add(time.Duration(i)*time.Hour))
				}
			}
		},
	} {
		if got := on(f); len(got) != 0 {
			t.Errorf("%s: %v are recognised", name, got)
		}
	}
}

func TestPins(t *testing.T) {
	var off, pinned Pins
	off[Grafana], pinned[Grafana] = Off, On
	s, x, now := recognised(t, Grafana)
	s.Configure(off)
	if _, ok := x.Excepts(request(addr(0), use[Grafana].ordinary[0], 404), now); ok {
		t.Error("off: it is excepted")
	}
	if st := s.Status(); st[0].On || !st[0].Pinned {
		t.Errorf("off: %+v", st)
	}
	s = New(pinned)
	x = s.Source("/a")
	if _, ok := x.Excepts(request(addr(0), use[Grafana].ordinary[0], 404), now); ok {
		t.Error("on: somebody whom it never answered is excepted")
	}
	x.Observe(request(addr(0), use[Grafana].sign, 200), now)
	if _, ok := x.Excepts(request(addr(0), use[Grafana].ordinary[0], 404), now); !ok {
		t.Error("on: the first user is not excepted")
	}
}

func TestForgotten(t *testing.T) {
	s, x, now := recognised(t, Matrix)
	later := now.Add(31 * 24 * time.Hour)
	x.Observe(request(addr(0), use[Matrix].sign, 200), later)
	if st := s.Status(); st[0].On || st[0].Addrs != 1 {
		t.Errorf("a month without an answer: %+v", st)
	}
}

func TestSaved(t *testing.T) {
	s, _, now := recognised(t, Nextcloud)
	if !s.Changed() || s.Changed() {
		t.Error("it does not say once that something changed")
	}
	next := New(Pins{})
	if err := next.Load(s.Save()); err != nil {
		t.Fatal(err)
	}
	x := next.Source("/var/log/nginx/access.log")
	if st := next.Status(); !st[0].On {
		t.Errorf("after the restart: %+v", st)
	}
	x.Observe(request(addr(7), use[Nextcloud].sign, 207), now)
	if _, ok := x.Excepts(request(addr(7), use[Nextcloud].ordinary[0], 404), now); !ok {
		t.Error("after the restart its users are not excepted")
	}
	for _, bad := range []string{"", "[]", `{"/a":{"git":{"addrs":["203.0.113.1"],"first":5,"last":9,"since":7}}}`, `{"/a":{"git":{"addrs":[],"first":-1,"last":9}}}`, `{"/a":{"git":{"addrs":["x"],"first":1,"last":9}}}`} {
		if err := New(Pins{}).Load([]byte(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestBounds(t *testing.T) {
	s := New(Pins{})
	x := s.Source("/a")
	for i := range 3 * maxUsers {
		x.Observe(request(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), use[Grafana].sign, 200), start.Add(time.Duration(i)*time.Second))
	}
	if n := len(x.apps[Grafana].users); n > maxUsers {
		t.Errorf("%d users are remembered", n)
	}
	for i := range MaxSources + 5 {
		if x := s.Source(fmt.Sprint(i)); (x == nil) != (i >= MaxSources-1) {
			t.Errorf("log %d: %v", i, x != nil)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"/a":{"git":{"addrs":["203.0.113.1","203.0.113.2","203.0.113.3"],"first":5,"last":9,"since":7}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := New(Pins{})
		if s.Load(data) != nil {
			return
		}
		for _, st := range s.Status() {
			x := s.Source(st.Source)
			x.Observe(request(addr(1), use[st.App].sign, use[st.App].status), start)
			x.Excepts(request(addr(1), use[st.App].ordinary[0], 404), start)
		}
		s.Save()
	})
}

func BenchmarkObserve(b *testing.B) {
	x := New(Pins{}).Source("/a")
	events := []*sentinel.Event{request(addr(1), "GET /", 200), request(addr(1), "GET /blog/2026/03/article", 200), request(addr(1), "GET /assets/app.js", 200)}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		x.Observe(events[i%len(events)], start)
		i++
	}
}
