package geo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/oschwald/maxminddb-golang/v2"
	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// maxFile is the largest database that is opened, in bytes.
const maxFile = 1 << 30

// stamp tells a file from what it was before.
type stamp struct {
	dev, ino uint64
	size     int64
	mtime    time.Time
}

// file is one database that is mapped into memory: only the pages that answers
// come from are in memory, and they are the system's cache. The mapping of a file
// that is replaced by another stays whole. One that is cut in place tears: reading
// beyond its end is a fault of the machine, which lookup turns into an error.
type file struct {
	path   string
	data   []byte
	reader *maxminddb.Reader
	kind   string
	facts
	closed bool
}

// stampOf returns the stamp of a path, following links.
func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, plainError(err)
	}
	return stampFrom(info), nil
}

func stampFrom(info os.FileInfo) stamp {
	s := stamp{size: info.Size(), mtime: info.ModTime()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		s.dev, s.ino = uint64(st.Dev), st.Ino
	}
	return s
}

// plainError drops the path and the call from an error: both are told apart.
func plainError(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// open maps a database and tries it.
func open(path string) (f *file, err error) {
	o, err := os.Open(path)
	if err != nil {
		return nil, plainError(err)
	}
	defer func() { _ = o.Close() }()
	info, err := o.Stat()
	if err != nil {
		return nil, plainError(err)
	}
	switch st, ok := info.Sys().(*syscall.Stat_t); {
	case !info.Mode().IsRegular():
		return nil, errors.New("not a regular file")
	case info.Mode().Perm()&0o002 != 0:
		return nil, fmt.Errorf("writable by everybody (%v): run chmod o-w %s", info.Mode().Perm(), path)
	case ok && st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return nil, fmt.Errorf("owned by user %d: run chown root %s", st.Uid, path)
	case info.Size() == 0:
		return nil, errors.New("the file is empty")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%d bytes long, more than %d", info.Size(), maxFile)
	}
	data, err := unix.Mmap(int(o.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mapping the file: %w", err)
	}
	_ = unix.Madvise(data, unix.MADV_RANDOM) // advice: it works without
	f = &file{path: path, data: data, facts: facts{at: stampFrom(info), size: info.Size()}}
	if err := f.begin(); err != nil {
		f.close()
		return nil, err
	}
	f.release()
	return f, nil
}

// begin reads what the database says of itself, and tries addresses all over the
// world, so that one that is broken or about something else is told at once.
func (f *file) begin() (err error) {
	err = guard(func() error {
		f.reader, err = maxminddb.OpenBytes(f.data, maxminddb.DisableStringCache())
		return err
	})
	if err != nil {
		return fmt.Errorf("not a database in MMDB form, or not a whole one: %w", err)
	}
	m := f.reader.Metadata
	f.kind, f.built, f.both = clean(m.DatabaseType), m.BuildTime().UTC(), m.IPVersion == 6
	for i := range uint32(512) {
		// A step that meets all parts of IPv4 and, below, of 2000::/3.
		n := i * 8_388_593
		a := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
		if i%8 == 7 && f.both {
			a = netip.AddrFrom16([16]byte{0x20 | byte(n>>24)&1, byte(n >> 16), byte(n >> 8), byte(n)})
		}
		g, err := f.look(a, true, true)
		if err != nil {
			return err
		}
		f.countries, f.networks = f.countries || g.Country != "", f.networks || g.ASN != 0
	}
	if !f.countries && !f.networks {
		return fmt.Errorf("the database (%s) %w", f.kind, errOther)
	}
	return nil
}

// guard calls a function that reads the mapping. A panic, be it the library's or
// that of a page which is gone, becomes an error.
func guard(read func() error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		debug.SetPanicOnFault(old)
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); fault {
				err = errGone
			} else {
				err = fmt.Errorf("%v", r)
			}
		}
	}()
	return read()
}

// lookup returns what the database knows of an address.
func (f *file) lookup(a netip.Addr) (sentinel.Geo, error) {
	return f.look(a, f.countries, f.networks)
}

// look reads the country, the network or both.
func (f *file) look(a netip.Addr, countries, networks bool) (g sentinel.Geo, err error) {
	if a.Is6() && !f.both {
		return g, nil
	}
	err = guard(func() (err error) {
		r := f.reader.Lookup(a)
		if err := r.Err(); err != nil || !r.Found() {
			return err
		}
		if networks {
			if g, err = network(r); err != nil {
				return err
			}
		}
		if countries {
			g.Country, err = country(r)
		}
		return err
	})
	return g, err
}

// release lets the system take back the pages that were read; they come back
// from its cache when they are read again.
func (f *file) release() { _ = unix.Madvise(f.data, unix.MADV_DONTNEED) }

// close gives the mapping back. Nobody may be reading.
func (f *file) close() {
	if f.closed {
		return
	}
	f.closed, f.reader = true, nil
	_ = unix.Munmap(f.data)
	f.data = nil
}

// maxOrg is how much of the name of a network is kept, in bytes.
const maxOrg = 80

// clean returns a text of a database that is fit to be shown: without control
// characters, and short. It is a copy.
func clean(s string) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() >= maxOrg {
			break
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			continue
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}
