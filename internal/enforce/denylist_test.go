package enforce

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func denyBlock(p string, until time.Duration, proxied bool) sentinel.Block {
	return sentinel.MakeBlock(sentinel.BlockRecord{ID: p, Prefix: netip.MustParsePrefix(p), Created: time.Now(), Expires: time.Now().Add(until), Proxied: proxied})
}

func TestDenyList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deny.conf")
	read := func() string {
		data, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(data)
	}
	d := NewDenyList(DenyConfig{Path: path, Format: DenyNginx})
	d.Set(denyBlock("203.0.113.9/32", time.Hour, true))
	if err := d.Sync(); err != nil || read() != "" {
		t.Fatalf("before Load: %v %q", err, read())
	}
	simulated := sentinel.MakeBlock(sentinel.BlockRecord{Prefix: netip.MustParsePrefix("203.0.113.1/32"), Simulated: true})
	d.Load([]sentinel.Block{denyBlock("203.0.113.8/32", time.Hour, true), denyBlock("203.0.113.7/32", time.Hour, false), denyBlock("2001:db8::/64", time.Hour, true), denyBlock("203.0.113.3/32", -time.Hour, true), simulated})
	check := func(want ...string) {
		t.Helper()
		if err := d.Sync(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(read()), "\n")[1:]
		if strings.Join(lines, "") != strings.Join(want, "") {
			t.Errorf("%q, want %q", lines, want)
		}
	}
	check("deny 203.0.113.7;", "deny 203.0.113.8;", "deny 2001:db8::/64;")
	d.Remove(netip.MustParsePrefix("203.0.113.8/32"))
	d.Set(denyBlock("203.0.113.5/32", time.Hour, true))
	check("deny 203.0.113.5;", "deny 203.0.113.7;", "deny 2001:db8::/64;")

	// What others did to the file is undone; an equal one is left alone.
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(path, []byte("allow all;\n"), 0o644))
	check("deny 203.0.113.5;", "deny 203.0.113.7;", "deny 2001:db8::/64;")
	before, err := os.Stat(path)
	must(err)
	check("deny 203.0.113.5;", "deny 203.0.113.7;", "deny 2001:db8::/64;")
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("an equal file was written again")
	}
	// A link would lead the text elsewhere.
	must(os.Remove(path))
	must(os.Symlink("/etc/passwd", path))
	if err := d.Sync(); err == nil {
		t.Error("a link was followed")
	}
	if _, _, err := d.Status(); err == nil {
		t.Error("the failure is not in the status")
	}
}

func TestDenyFormats(t *testing.T) {
	list := []netip.Prefix{netip.MustParsePrefix("203.0.113.7/32"), netip.MustParsePrefix("2001:db8::/64")}
	for format, want := range map[DenyFormat]string{
		DenyNginx:  "deny 203.0.113.7;\ndeny 2001:db8::/64;\n",
		DenyApache: "Require not ip 203.0.113.7\nRequire not ip 2001:db8::/64\n",
		DenyCaddy:  "@sentinel_denied client_ip 203.0.113.7 2001:db8::/64\nrespond @sentinel_denied 403\n",
		DenyPlain:  "203.0.113.7\n2001:db8::/64\n",
	} {
		head, got, _ := strings.Cut(string(denyText(format, list)), "\n")
		if got != want || !strings.HasPrefix(head, "#") {
			t.Errorf("%s: %q", format, got)
		}
		if _, rest, _ := strings.Cut(string(denyText(format, nil)), "\n"); rest != "" {
			t.Errorf("%s without an entry: %q", format, rest)
		}
	}
}

// The loop writes what changed, and nil is a list that nobody asked for.
func TestDenyListRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deny.txt")
	d := NewDenyList(DenyConfig{Path: path, Format: DenyPlain})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.Run(ctx) }()
	d.Load([]sentinel.Block{denyBlock("203.0.113.7/32", time.Hour, true)})
	for range 1000 {
		if data, _ := os.ReadFile(path); strings.Contains(string(data), "203.0.113.7") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if _, n, err := d.Status(); n != 1 || err != nil {
		t.Errorf("%d %v", n, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	var none *DenyList
	none.Load(nil)
	none.Set(denyBlock("203.0.113.7/32", time.Hour, true))
	none.Remove(netip.MustParsePrefix("203.0.113.7/32"))
	if err := none.Run(ctx); err != nil {
		t.Error(err)
	}
}
