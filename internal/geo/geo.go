// Package geo says in which country and network an address is, by databases on
// the disk in MaxMind's form (MMDB). It never asks anybody over a network.
package geo

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Auto as a path lets the package look in the usual directories.
const Auto = "auto"

// Config says which databases to use.
type Config struct {
	// Country and ASN are paths of databases of countries and of networks: Auto,
	// or empty for none. One database may be both.
	Country, ASN string
	// Dirs are where Auto looks; nil means Directories.
	Dirs []string
}

// Directories are the usual places of databases, the first being ours.
var Directories = []string{"/var/lib/sentinel/geo", "/usr/share/sentinel/geo", "/var/lib/GeoIP", "/usr/local/share/GeoIP", "/usr/share/GeoIP"}

// DB answers by the databases in use. It is safe for concurrent use.
type DB struct {
	// refreshing is held by Refresh, so that two do not open the same.
	refreshing sync.Mutex

	mu           sync.Mutex
	cfg          Config
	country, asn *file // nil: none; may be the same
	known        [slots]answer
	faults       []Fault
	seen         map[string]facts // of the files, so that they are not opened in vain
}

// Fault is something wrong with a database.
type Fault struct {
	Path string `json:"path"`
	Text string `json:"text"`
}

// slots is how many answers are remembered; a power of two.
const slots = 512

// answer is what was said of an address.
type answer struct {
	addr netip.Addr
	geo  sentinel.Geo
}

// New returns a DB without databases: Refresh opens them.
func New(cfg Config) *DB { return &DB{cfg: cfg} }

// Configure changes the configuration; Refresh does what that means.
func (d *DB) Configure(cfg Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cfg = cfg
}

// Lookup returns what is known of an address: nothing for private ones, and for
// all if there is no database. It takes less than a microsecond, and never fails:
// a database that is found to be broken is not used again, and Status names it.
func (d *DB) Lookup(a netip.Addr) (g sentinel.Geo) {
	a = sentinel.Normalize(a)
	if !a.IsValid() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || a.IsMulticast() {
		return g
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.country == nil && d.asn == nil {
		return g
	}
	slot := &d.known[hash(a)]
	if slot.addr == a {
		return slot.geo
	}
	if d.country != nil {
		r, err := d.country.lookup(a)
		if err != nil {
			d.broken(d.country, err)
		}
		g.Country = r.Country
		if d.asn == d.country {
			g = r
		}
	}
	if d.asn != nil && d.asn != d.country {
		r, err := d.asn.lookup(a)
		if err != nil {
			d.broken(d.asn, err)
		}
		g.ASN, g.Org = r.ASN, r.Org
		if g.Country == "" {
			g.Country = r.Country
		}
	}
	*slot = answer{a, g}
	return g
}

// hash returns the slot of an address.
func hash(a netip.Addr) uint64 {
	b := a.As16()
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return (h >> 32) % slots
}

// broken takes a database out of use; d.mu is held.
func (d *DB) broken(f *file, err error) {
	err = fmt.Errorf("reading the database: %w; it is not used until it is replaced", err)
	d.faults = slices.DeleteFunc(d.faults, func(o Fault) bool { return o.Path == f.path })
	d.faults = append(d.faults, Fault{f.path, err.Error()})
	if d.seen != nil {
		d.seen[f.path] = facts{at: f.at, err: err}
	}
	d.drop(f)
}

// drop closes a database and forgets what it said; d.mu is held.
func (d *DB) drop(f *file) {
	if f == nil {
		return
	}
	d.country, d.asn = other(d.country, f), other(d.asn, f)
	f.close()
	d.known = [slots]answer{}
}

// Refresh looks at the files: databases that came, were replaced or went are
// taken up, exchanged or dropped. It returns what changed, in words. Call it now
// and then: it costs a few system calls where nothing changed.
func (d *DB) Refresh() []string {
	d.refreshing.Lock()
	defer d.refreshing.Unlock()
	d.mu.Lock()
	cfg := d.cfg
	c := chooser{last: maps.Clone(d.seen), seen: map[string]facts{}}
	for _, f := range [2]*file{d.country, d.asn} {
		if f != nil && !slices.Contains(c.open, f) {
			c.open = append(c.open, f)
		}
	}
	d.mu.Unlock()
	dirs := cfg.Dirs
	if dirs == nil {
		dirs = Directories
	}
	country, asn := c.find(cfg.Country, dirs, needCountry), c.find(cfg.ASN, dirs, needASN)

	d.mu.Lock()
	defer d.mu.Unlock()
	var news []string
	for _, f := range c.open {
		switch {
		case f.closed: // it broke meanwhile
			c.seen[f.path] = d.seen[f.path]
			c.fault(f.path, d.seen[f.path].err)
			country, asn = other(country, f), other(asn, f)
		case f != country && f != asn:
			d.drop(f)
		case slices.Contains(c.fresh, f):
			news = append(news, fmt.Sprintf("%s of %s is in use", f.path, f.built.Format(time.DateOnly)))
			d.known = [slots]answer{}
		}
	}
	for _, f := range c.faults {
		if !slices.Contains(d.faults, f) {
			news = append(news, f.Path+": "+f.Text)
		}
	}
	d.country, d.asn, d.faults, d.seen = country, asn, c.faults, c.seen
	for _, f := range [2]*file{country, asn} {
		if f != nil {
			f.release()
		}
	}
	return news
}

// other returns f unless it is gone.
func other(f, gone *file) *file {
	if f == gone {
		return nil
	}
	return f
}

// Close gives the databases back. Lookups know nothing from then on.
func (d *DB) Close() {
	d.refreshing.Lock()
	defer d.refreshing.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(d.country)
	d.drop(d.asn)
}

// Source is a database in use.
type Source struct {
	Path string `json:"path"`
	// Type and Built are the database's own words; Use is "country", "network" or
	// both.
	Type  string    `json:"type"`
	Built time.Time `json:"built"`
	Use   []string  `json:"use"`
	Size  int64     `json:"size_bytes"`
	// Licence says on what terms the data may be used and whom to name, as far as
	// the type tells.
	Licence string `json:"licence,omitempty"`
}

// Status returns the databases in use and what is wrong with others.
func (d *DB) Status() (sources []Source, faults []Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range [2]*file{d.country, d.asn} {
		if f == nil || f == d.country && len(sources) > 0 {
			continue
		}
		s := Source{Path: f.path, Type: f.kind, Built: f.built, Size: f.size, Licence: licence(f.kind, f.path)}
		if f == d.country {
			s.Use = append(s.Use, "country")
		}
		if f == d.asn {
			s.Use = append(s.Use, "network")
		}
		sources = append(sources, s)
	}
	return sources, slices.Clone(d.faults)
}

// Knows reports whether countries and networks can be told at all.
func (d *DB) Knows() (countries, networks bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.country != nil, d.asn != nil
}

var errGone = errors.New("the file is gone or was cut while it was read")
