package geo

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// records are what a database says, by network.
type records map[string]mmdbtype.DataType

// database writes a database in MMDB form.
func database(t testing.TB, kind string, version int, built time.Time, all records) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: kind, IPVersion: version, BuildEpoch: built.Unix(),
		IncludeReservedNetworks: true, DisableIPv4Aliasing: true, RecordSize: 24})
	if err != nil {
		t.Fatal(err)
	}
	for _, network := range slices.SortedFunc(maps.Keys(all), func(a, b string) int { return netip.MustParsePrefix(a).Bits() - netip.MustParsePrefix(b).Bits() }) {
		_, n, err := net.ParseCIDR(network)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Insert(n, all[network]); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var (
	spring = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	summer = time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
)

func iso(code string) mmdbtype.DataType {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code), "names": mmdbtype.Map{"en": mmdbtype.String("x")}}}
}

func operator(asn uint32, org string) mmdbtype.DataType {
	return mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(asn), "autonomous_system_organization": mmdbtype.String(org)}
}

// world covers enough of all addresses to be seen by whoever tries some.
func world(here, there mmdbtype.DataType) records {
	return records{"64.0.0.0/2": there, "128.0.0.0/2": there, "203.0.113.0/24": here, "2000::/3": there, "2001:db8::/32": here}
}

func put(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func at(d *DB, addr string) string { return d.Lookup(netip.MustParseAddr(addr)).String() }

// TestSchemas: the records of all makers are understood.
func TestSchemas(t *testing.T) {
	str := func(s string) mmdbtype.String { return mmdbtype.String(s) }
	for name, c := range map[string]struct {
		record mmdbtype.DataType
		want   string
	}{
		"GeoLite2-Country":       {iso("NL"), "NL"},
		"registered only":        {mmdbtype.Map{"registered_country": mmdbtype.Map{"iso_code": str("NL")}}, "NL"},
		"GeoLite2-ASN":           {operator(64500, "Example"), "AS64500 Example"},
		"GeoIP2-Enterprise":      {mmdbtype.Map{"country": mmdbtype.Map{"iso_code": str("NL")}, "traits": mmdbtype.Map{"autonomous_system_number": mmdbtype.Uint32(64500), "autonomous_system_organization": str("Example")}}, "NL, AS64500 Example"},
		"iptoasn":                {mmdbtype.Map{"country_code": str("NL")}, "NL"},
		"ipinfo lite":            {mmdbtype.Map{"country": str("Netherlands"), "country_code": str("NL"), "asn": str("AS64500"), "as_name": str("Example"), "as_domain": str("example.net")}, "NL, AS64500 Example"},
		"ipinfo before":          {mmdbtype.Map{"country": str("NL"), "country_name": str("Netherlands"), "asn": str("AS64500"), "as_name": str("Example")}, "NL, AS64500 Example"},
		"network without a name": {mmdbtype.Map{"country_code": str("nl"), "asn": mmdbtype.Uint64(64500)}, "NL, AS64500"},
		"not routed":             {mmdbtype.Map{"country_code": str("NL"), "asn": str("")}, "NL"},
		"a name to hurt":         {mmdbtype.Map{"country_code": str("NL"), "asn": mmdbtype.Uint16(5), "as_name": str("\x1b[31mE\nx\u202e" + strings.Repeat("a", 500))}, "NL, AS5 [31mEx" + strings.Repeat("a", 74)},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.mmdb")
			put(t, path, database(t, name, 6, spring, world(c.record, c.record)))
			d := New(Config{Country: path, ASN: path})
			defer d.Close()
			d.Refresh()
			if got := at(d, "203.0.113.9"); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if got := at(d, "2001:db8::1"); got != c.want {
				t.Errorf("IPv6: %q", got)
			}
			for _, local := range []string{"10.1.2.3", "127.0.0.1", "::1", "fe80::1", "192.168.1.1", "224.0.0.1"} {
				if got := at(d, local); got != "" {
					t.Errorf("%s is in %q", local, got)
				}
			}
			if got := d.Lookup(netip.Addr{}); !got.IsZero() {
				t.Errorf("no address is in %v", got)
			}
		})
	}
}

func TestTwoDatabases(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "GeoLite2-Country.mmdb"), database(t, "GeoLite2-Country", 6, spring, world(iso("NL"), iso("US"))))
	put(t, filepath.Join(dir, "GeoLite2-ASN.mmdb"), database(t, "GeoLite2-ASN", 6, spring, world(operator(64500, "Example"), operator(64501, "Other"))))
	put(t, filepath.Join(dir, "Domain.mmdb"), database(t, "GeoIP2-Domain", 6, summer, world(mmdbtype.Map{"domain": mmdbtype.String("x")}, mmdbtype.Map{"domain": mmdbtype.String("y")})))
	d := New(Config{Country: Auto, ASN: Auto, Dirs: []string{filepath.Join(dir, "none"), dir}})
	defer d.Close()
	if news := d.Refresh(); len(news) != 2 {
		t.Errorf("news %q", news)
	}
	if got := at(d, "203.0.113.9"); got != "NL, AS64500 Example" {
		t.Errorf("here is %q", got)
	}
	if got := at(d, "100.20.0.1"); got != "US, AS64501 Other" {
		t.Errorf("there is %q", got)
	}
	sources, faults := d.Status()
	if len(sources) != 2 || len(faults) != 0 || sources[0].Use[0] != "country" || sources[1].Use[0] != "network" ||
		!sources[0].Built.Equal(spring) || !strings.Contains(sources[0].Licence, "GeoLite2") {
		t.Errorf("status %+v, faults %v", sources, faults)
	}
	if news := d.Refresh(); len(news) != 0 {
		t.Errorf("nothing changed, and yet %q", news)
	}
	// A newer one for both.
	both := func(code string, asn uint32) mmdbtype.DataType {
		return mmdbtype.Map{"country_code": mmdbtype.String(code), "asn": mmdbtype.Uint32(asn)}
	}
	put(t, filepath.Join(dir, "ipinfo_lite.mmdb"), database(t, "ipinfo generic_lite.mmdb", 6, summer, world(both("DE", 1), both("FR", 2))))
	d.Refresh()
	if got := at(d, "203.0.113.9"); got != "DE, AS1" {
		t.Errorf("here is %q by the newer one", got)
	}
	if sources, _ := d.Status(); len(sources) != 1 || len(sources[0].Use) != 2 {
		t.Errorf("status %+v", sources)
	}
	// And none.
	d.Configure(Config{})
	d.Refresh()
	if got := at(d, "203.0.113.9"); got != "" {
		t.Errorf("switched off, and here is %q", got)
	}
}

// TestFaultGeo: files that are broken, or break while they are used.
func TestFaultGeo(t *testing.T) {
	good := database(t, "GeoLite2-Country", 6, spring, world(iso("NL"), iso("US")))
	newer := database(t, "GeoLite2-Country", 6, summer, world(iso("DE"), iso("US")))
	start := func(t *testing.T, data []byte) (*DB, string) {
		path := filepath.Join(t.TempDir(), "c.mmdb")
		put(t, path, data)
		d := New(Config{Country: path, ASN: Auto, Dirs: []string{filepath.Dir(path)}})
		t.Cleanup(d.Close)
		d.Refresh()
		return d, path
	}
	named := func(t *testing.T, d *DB, want string) {
		t.Helper()
		_, faults := d.Status()
		if len(faults) != 1 || !strings.Contains(faults[0].Text, want) || !strings.HasSuffix(faults[0].Path, "c.mmdb") {
			t.Errorf("faults %v, want one that says %q", faults, want)
		}
	}
	for name, data := range map[string][]byte{
		"empty": {}, "text": []byte("not a database\n"), "half": good[:len(good)/2], "without its end": good[:len(good)-20],
		"a page": make([]byte, 4096), "its end alone": good[len(good)-200:],
	} {
		t.Run("a corrupt geo file is named and off: "+name, func(t *testing.T) {
			d, path := start(t, data)
			if got := at(d, "203.0.113.9"); got != "" {
				t.Errorf("here is %q", got)
			}
			named(t, d, "")
			if news := d.Refresh(); len(news) != 0 {
				t.Errorf("told again: %q", news)
			}
			put(t, path, good)
			if d.Refresh(); at(d, "203.0.113.9") != "NL" {
				t.Error("the good file in its place is not used")
			}
			if _, faults := d.Status(); len(faults) != 0 {
				t.Errorf("faults %v", faults)
			}
		})
	}
	t.Run("a geo file replaced by a newer one", func(t *testing.T) {
		d, path := start(t, good)
		put(t, path, newer)
		if d.Refresh(); at(d, "203.0.113.9") != "DE" {
			t.Error("the newer one is not used")
		}
	})
	t.Run("a geo file replaced by a broken one: the old one stays", func(t *testing.T) {
		d, path := start(t, good)
		put(t, path, newer[:len(newer)/2])
		for range 3 {
			if d.Refresh(); at(d, "203.0.113.9") != "NL" {
				t.Error("the old one is not used")
			}
		}
		named(t, d, "the one before it, of 2026-03-01, stays in use")
	})
	t.Run("a geo file cut in place does not end the agent", func(t *testing.T) {
		d, path := start(t, good)
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		if got := at(d, "203.0.113.9"); got != "" {
			t.Errorf("here is %q", got)
		}
		named(t, d, "is gone or was cut")
		d.Refresh()
		named(t, d, "the file is empty")
	})
	t.Run("a geo file that goes", func(t *testing.T) {
		d, path := start(t, good)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		d.Refresh()
		named(t, d, "no such file")
		if got := at(d, "203.0.113.9"); got != "" {
			t.Errorf("here is %q", got)
		}
	})
	t.Run("a geo file that anybody may write", func(t *testing.T) {
		d, path := start(t, good)
		if err := os.Chmod(path, 0o666); err != nil {
			t.Fatal(err)
		}
		d2 := New(Config{Country: path})
		defer d2.Close()
		d2.Refresh()
		named(t, d2, "writable by everybody")
		_ = d
	})
	t.Run("a geo file of another kind", func(t *testing.T) {
		d, _ := start(t, database(t, "GeoLite2-ASN", 6, spring, world(operator(1, "a"), operator(2, "b"))))
		named(t, d, "does not know countries")
		if got := at(d, "203.0.113.9"); got != "AS1 a" { // found by auto
			t.Errorf("here is %q", got)
		}
	})
}

// TestSwapUnderLoad exchanges files while many look up.
func TestSwapUnderLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.mmdb")
	versions := [][]byte{
		database(t, "a", 6, spring, world(iso("NL"), iso("US"))), database(t, "b", 6, summer, world(iso("DE"), iso("FR"))), []byte("broken"),
	}
	put(t, path, versions[0])
	d := New(Config{Country: path})
	defer d.Close()
	d.Refresh()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := i; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				a := netip.AddrFrom4([4]byte{byte(64 + n%100), byte(n), byte(n >> 8), 1})
				switch g := d.Lookup(a); g.Country {
				case "NL", "US", "DE", "FR", "":
				default:
					t.Errorf("%s is in %v", a, g)
					return
				}
			}
		})
	}
	for i := range 60 {
		put(t, path, versions[i%3])
		d.Refresh()
	}
	close(stop)
	wg.Wait()
}

// FuzzDatabase: a hostile database makes neither a panic nor a country that does
// not exist.
func FuzzDatabase(f *testing.F) {
	f.Add(database(f, "GeoLite2-Country", 6, spring, world(iso("NL"), iso("US"))))
	f.Add(database(f, "GeoLite2-ASN", 4, spring, records{"64.0.0.0/2": operator(7, "x")}))
	path := filepath.Join(f.TempDir(), "c.mmdb")
	f.Fuzz(func(t *testing.T, data []byte) {
		put(t, path, data)
		d := New(Config{Country: path, ASN: path})
		defer d.Close()
		d.Refresh()
		for i := range 256 {
			a := netip.AddrFrom4([4]byte{byte(i), 1, 2, 3})
			if g := d.Lookup(a); g.Country != "" {
				if _, err := sentinel.ParseCountry(g.Country); err != nil || len(g.Org) > maxOrg+4 {
					t.Fatalf("%s is in %+v", a, g)
				}
			}
		}
		if _, faults := d.Status(); len(faults) > 1 {
			t.Fatal(fmt.Sprint(faults))
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	path := filepath.Join(b.TempDir(), "c.mmdb")
	put(b, path, database(b, "GeoLite2-Country", 6, spring, world(iso("NL"), iso("US"))))
	d := New(Config{Country: path})
	defer d.Close()
	d.Refresh()
	b.ReportAllocs()
	var n uint32
	for b.Loop() {
		n += 2654435761
		d.Lookup(netip.AddrFrom4([4]byte{byte(64 + n>>26), byte(n >> 16), byte(n >> 8), byte(n)}))
	}
}
