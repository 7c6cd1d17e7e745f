package geo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxCandidates bounds the files of one directory that are tried.
const maxCandidates = 32

// facts are what is known of a path, as of a stamp: who knows them need not open
// the file again.
type facts struct {
	at                  stamp
	err                 error
	countries, networks bool
	both                bool // IPv4 and IPv6
	built               time.Time
	size                int64
}

// better orders databases of one directory: the one with both families, the
// newer, the larger, which has more detail.
func (f facts) better(o facts) bool {
	switch {
	case f.both != o.both:
		return f.both
	case !f.built.Equal(o.built):
		return f.built.After(o.built)
	}
	return f.size > o.size
}

// errOther says that a database is about something else.
var errOther = errors.New("knows neither countries nor networks")

// chooser finds what a configuration wants among what is open and on the disk.
type chooser struct {
	open   []*file          // in use before, or opened now
	fresh  []*file          // opened now
	last   map[string]facts // as of the last time
	seen   map[string]facts
	faults []Fault
}

// need is one kind of database.
type need struct {
	what string
	has  func(facts) bool
}

var (
	needCountry = need{"countries", func(f facts) bool { return f.countries }}
	needASN     = need{"networks", func(f facts) bool { return f.networks }}
)

// find returns the database for a need, nil for none.
func (c *chooser) find(path string, dirs []string, n need) *file {
	switch path {
	case "":
		return nil
	case Auto:
		return c.search(dirs, n)
	}
	f := c.look(path)
	if f.err == nil && !n.has(f) {
		f.err = fmt.Errorf("the database does not know %s", n.what)
	}
	if f.err != nil {
		return c.former(path, f.err)
	}
	return c.get(path, f)
}

// search returns the best database of the first directory that has a fitting one.
func (c *chooser) search(dirs []string, n need) *file {
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			c.fault(dir, plainError(err))
		}
		best, at, tried := "", facts{}, 0
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".mmdb") || e.IsDir() || tried == maxCandidates {
				continue
			}
			tried++
			path := filepath.Join(dir, e.Name())
			f := c.look(path)
			switch {
			case errors.Is(f.err, errOther):
			case f.err != nil:
				if old := c.former(path, f.err); old != nil && best == "" && n.has(old.facts) {
					best, at = path, old.facts
				}
			case n.has(f) && (best == "" || f.better(at)):
				best, at = path, f
			}
		}
		if best != "" {
			return c.get(best, at)
		}
	}
	return nil
}

// look returns what is known of a path, and opens the file if it is not known as
// it is now.
func (c *chooser) look(path string) facts {
	at, err := stampOf(path)
	if err != nil {
		return facts{err: err}
	}
	for _, known := range [2]map[string]facts{c.seen, c.last} {
		if f, ok := known[path]; ok && f.at == at {
			c.seen[path] = f
			return f
		}
	}
	f, err := open(path)
	if err != nil {
		c.seen[path] = facts{at: at, err: err}
		return c.seen[path]
	}
	c.open, c.fresh = append(c.open, f), append(c.fresh, f)
	c.seen[path] = f.facts
	return f.facts
}

// get returns the open database with these facts, opened if need be.
func (c *chooser) get(path string, at facts) *file {
	for _, f := range c.open {
		if f.path == path && f.at == at.at {
			return f
		}
	}
	f, err := open(path)
	if err != nil {
		c.fault(path, err)
		return nil
	}
	c.open, c.fresh = append(c.open, f), append(c.fresh, f)
	return f
}

// former notes a fault of a path, and returns the database that was in use from
// there if another file took its place: its mapping is whole, while that of a file
// which was written over is not.
func (c *chooser) former(path string, err error) *file {
	at, statErr := stampOf(path)
	for _, f := range c.open {
		if f.path == path && statErr == nil && (f.at.dev != at.dev || f.at.ino != at.ino) {
			c.fault(path, fmt.Errorf("%w; the one before it, of %s, stays in use", err, f.built.Format(time.DateOnly)))
			return f
		}
	}
	c.fault(path, err)
	return nil
}

func (c *chooser) fault(path string, err error) {
	if !slices.ContainsFunc(c.faults, func(o Fault) bool { return o.Path == path }) {
		c.faults = append(c.faults, Fault{path, err.Error()})
	}
}

// licences are what databases of a kind ask for. The first that is part of the
// type or of the file's name counts.
var licences = []struct{ part, text string }{
	{"geolite2", "includes GeoLite2 data created by MaxMind, available from https://www.maxmind.com (GeoLite2 End User License Agreement)"},
	{"geoip2", "GeoIP2 of MaxMind, by your agreement with them"},
	{"dbip", "IP geolocation by DB-IP, https://db-ip.com (CC BY 4.0 for the Lite databases)"},
	{"ipinfo", "IP address data powered by IPinfo, https://ipinfo.io (CC BY-SA 4.0 for the Lite databases)"},
	{"iptoasn", "IPtoASN, https://iptoasn.com (PDDL 1.0: public domain)"},
}

// licence says what a database asks for, empty if that is not known.
func licence(kind, path string) string {
	for _, l := range licences {
		if strings.Contains(strings.ToLower(kind), l.part) || strings.Contains(strings.ToLower(filepath.Base(path)), l.part) {
			return l.text
		}
	}
	return ""
}
