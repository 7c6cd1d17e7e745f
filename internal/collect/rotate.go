package collect

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"golang.org/x/sys/unix"
)

const (
	// maxSiblings is how many rotated files of one source are considered.
	maxSiblings = 64
	// minCopyPrint is the shortest fingerprint by which alone a copy of a file
	// is recognised.
	minCopyPrint = 64
	// rotateSlack is how long programs go on writing to a renamed file while
	// its successor is written to.
	rotateSlack = 2 * time.Second
)

// sibling is a file that looks like a rotated one of a source.
type sibling struct {
	path   string
	key    fileKey
	mod    time.Time
	birth  time.Time // zero if the file system does not tell
	number int       // n of "name.n", 0 for dates
	gz     bool
}

// rotation says whether name is what rotating base makes of it: base.1,
// base-20260131, base.old, base.2.gz, or stem-20260131.ext of stem.ext.
// packed is the extension of a compressed file, number the n of base.n.
func rotation(name, base string) (number int, packed string, ok bool) {
	for _, ext := range [...]string{".gz", ".xz", ".bz2", ".zst", ".lz4"} {
		if cut, found := strings.CutSuffix(name, ext); found {
			name, packed = cut, ext
			break
		}
	}
	mid, found := strings.CutPrefix(name, base)
	if !found {
		ext := filepath.Ext(base)
		stem := strings.TrimSuffix(base, ext)
		if ext == "" || stem == "" || !strings.HasPrefix(name, stem) || !strings.HasSuffix(name, ext) ||
			len(name) <= len(stem)+len(ext) {
			return 0, "", false
		}
		mid = name[len(stem) : len(name)-len(ext)]
	}
	if mid == "" {
		return 0, packed, packed != ""
	}
	if mid == ".old" {
		return 1, packed, true
	}
	if len(mid) < 2 || strings.IndexByte("._-", mid[0]) < 0 {
		return 0, "", false
	}
	digits := 0
	for _, r := range mid {
		switch {
		case r >= '0' && r <= '9':
			digits++
		case !strings.ContainsRune("._-:TZ", r):
			return 0, "", false
		}
	}
	if digits == 0 {
		return 0, "", false
	}
	if digits < 6 {
		if n, err := strconv.Atoi(mid[1:]); err == nil {
			number = n
		}
	}
	return number, packed, true
}

// siblings lists the rotated files of path, oldest first. A directory cannot be
// read at one moment: names that are shifted meanwhile may be missed. So it is
// read until two readings agree, and what any of them saw is taken.
func siblings(path string) []sibling {
	var all []sibling
	for range 6 {
		list := listSiblings(path)
		fresh := slices.ContainsFunc(list, func(s sibling) bool { return !slices.ContainsFunc(all, s.same) })
		// The new reading has the names of now.
		for _, s := range all {
			if !slices.ContainsFunc(list, s.same) {
				list = append(list, s)
			}
		}
		if all = newest(list); !fresh {
			break
		}
	}
	return all
}

func (s sibling) same(t sibling) bool { return s.key == t.key }

func listSiblings(path string) []sibling {
	dir, base := filepath.Split(path)
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	var list []sibling
	for {
		names, err := f.Readdirnames(256)
		for _, name := range names {
			number, packed, ok := rotation(name, base)
			if !ok || packed != "" && packed != ".gz" {
				continue
			}
			if s, ok := look(dir + name); ok {
				s.number, s.gz = number, packed != ""
				list = append(list, s)
			}
			if len(list) >= 2*maxSiblings {
				list = newest(list)
			}
		}
		if err != nil || len(names) == 0 {
			return newest(list)
		}
	}
}

// look asks for the identity and age of a regular file.
func look(path string) (sibling, bool) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return sibling{}, false
	}
	s := sibling{path: path, key: fileKey{unix.Mkdev(st.Dev_major, st.Dev_minor), st.Ino}}
	s.age(&st)
	return s, true
}

// age takes the times from st.
func (s *sibling) age(st *unix.Statx_t) {
	s.mod = time.Unix(st.Mtime.Sec, int64(st.Mtime.Nsec))
	if st.Mask&unix.STATX_BTIME != 0 {
		s.birth = time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
	}
}

func newest(list []sibling) []sibling {
	slices.SortFunc(list, sibling.compare)
	if len(list) > maxSiblings {
		list = slices.Delete(list, 0, len(list)-maxSiblings)
	}
	return list
}

// compare orders by age, oldest first. The time of birth is surest; compressed
// files are born late but keep the time of their last line. Within one tick of
// the kernel's clock the number in the name decides, which grows with age.
func (s sibling) compare(t sibling) int {
	if !s.gz && !t.gz && !s.birth.IsZero() && !t.birth.IsZero() {
		if c := s.birth.Compare(t.birth); c != 0 {
			return c
		}
	}
	if c := s.mod.Compare(t.mod); c != 0 {
		return c
	}
	if c := cmp.Compare(t.number, s.number); c != 0 {
		return c
	}
	return cmp.Compare(s.path, t.path)
}

// describe looks at an open file as if it were a sibling.
func (g *generation) describe() sibling {
	s := sibling{path: g.path, key: g.key, mod: g.mod, gz: g.fd < 0}
	if g.fd < 0 {
		return s
	}
	var st unix.Statx_t
	if unix.Statx(g.fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st) == nil {
		s.age(&st)
	}
	return s
}

// places are the paths whose siblings may be generations of a source: the
// configured one, and where a symbolic link leads.
func places(path, real string) []string {
	if real == "" || real == path {
		return []string{path}
	}
	return []string{path, real}
}

// between opens the rotated files that are younger than the generation old and
// older than young, which replaced it: those came and went unseen. Young may be
// nil. known are files that are open already. What was written last before old
// was is none of them, but a copy of what old held before a truncation.
func (c *Collector) between(path, real string, old, young *generation, known []*generation) []*generation {
	oldest := old.describe()
	var limit time.Time
	if young != nil {
		limit = young.describe().birth
	}
	var found []*generation
	for again, try := true, 0; again && try < 5; try++ {
		again = false
		var all []sibling
		for _, p := range places(path, real) {
			all = append(all, siblings(p)...)
		}
		slices.SortFunc(all, sibling.compare)
		// The name that the old one has now also orders it.
		for _, s := range all {
			if s.key == old.key {
				oldest.number, oldest.path = s.number, s.path
			}
		}
		for _, s := range all {
			is := func(g *generation) bool { return g.key == s.key }
			switch {
			case s.compare(oldest) <= 0, s.mod.Before(oldest.mod.Add(-rotateSlack)),
				!s.gz && !limit.IsZero() && s.birth.After(limit),
				is(old), slices.ContainsFunc(known, is), slices.ContainsFunc(found, is):
				continue
			}
			g, err := c.openSibling(s)
			switch {
			case isMissing(err):
				again = true // it has another name by now, or is deleted
			case err != nil:
				c.cfg.Logger.Warn("a rotated log file cannot be read", "path", s.path, "err", err)
			case g.key != s.key:
				g.src.Close()
				again = true
			default:
				g.sibling = s
				found = append(found, g)
			}
		}
	}
	slices.SortFunc(found, func(g, h *generation) int { return g.sibling.compare(h.sibling) })
	return found
}

func (c *Collector) openSibling(s sibling) (*generation, error) {
	g, err := c.openFile(s.path)
	if err != nil {
		return nil, err
	}
	if s.gz {
		return g.unpack(c.stopped)
	}
	return g, nil
}

// locate finds the file that a position belongs to, other than at path itself:
// under the name it had, or among the rotated ones. A copy or a compressed one
// is recognised by its beginning alone. It is never the file not.
func (c *Collector) locate(path, real string, pos sentinel.Position, not fileKey) *generation {
	var buf [fingerprintMax]byte
	matches := func(g *generation) bool {
		_, same, err := fingerprint(g.src, buf[:], pos.Fingerprint, pos.FingerprintLen, pos.FingerprintLen)
		return err == nil && same && (g.fd < 0 || g.size >= pos.Offset)
	}
	try := func(s sibling) *generation {
		if s.key == not {
			return nil
		}
		g, err := c.openSibling(s)
		if err != nil {
			return nil
		}
		if g.key != s.key || !matches(g) {
			g.src.Close()
			return nil
		}
		g.off, g.fp, g.fpLen = pos.Offset, pos.Fingerprint, pos.FingerprintLen
		return g
	}
	var all []sibling
	if pos.Path != "" && pos.Path != path && pos.Path != real {
		var st unix.Stat_t
		if stat(pos.Path, &st) == nil && st.Ino == pos.Inode {
			all = append(all, sibling{path: pos.Path, key: keyOf(&st)})
		}
	}
	for _, p := range places(path, real) {
		all = append(all, siblings(p)...)
	}
	for _, s := range all {
		// Device numbers may change at a reboot, so that the beginning decides.
		if s.gz || s.key.ino != pos.Inode || pos.FingerprintLen == 0 && s.key.dev != pos.Device {
			continue
		}
		if g := try(s); g != nil {
			return g
		}
	}
	if pos.FingerprintLen < minCopyPrint {
		return nil
	}
	for _, s := range slices.Backward(all) { // newest first
		if s.key.ino == pos.Inode {
			continue
		}
		if g := try(s); g != nil {
			g.fixed = true
			return g
		}
	}
	return nil
}
