package enforce

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const (
	// maxDenied bounds the entries of a deny list: web servers look at each of
	// them for each request. Those that end last stay.
	maxDenied = 20_000
	// denyCheck is how often the file is compared with what it should be.
	denyCheck = time.Minute
	// denyPause is the least time between two writings: servers reload for each.
	denyPause = time.Second
)

// DenyFormat is the syntax of a deny list.
type DenyFormat string

// The formats. Those of servers are to be included into their configuration.
const (
	DenyNginx  DenyFormat = "nginx"  // "deny ADDRESS;", in http, server or location
	DenyApache DenyFormat = "apache" // "Require not ip ADDRESS", in <RequireAll>
	DenyCaddy  DenyFormat = "caddy"  // a matcher and a response, in a site
	DenyPlain  DenyFormat = "plain"  // an address or network a line
)

// DenyConfig says where a deny list is and what it looks like.
type DenyConfig struct {
	// Path is the file; its directory must exist.
	Path   string
	Format DenyFormat
	// Failed is called when writing begins to fail, with the error, and when it
	// works again, with nil. It must not block.
	Failed func(error)
}

// DenyList keeps a file equal to what a web server or proxy should refuse: every
// block in force that is neither simulated nor a rate limit. It is for clients
// behind a proxy, whose packets no filter on this host can tell apart. The
// methods are safe for concurrent use, also on nil.
type DenyList struct {
	cfg  DenyConfig
	wake chan struct{}

	mu     sync.Mutex
	denied map[netip.Prefix]int64 // ends, as in force
	loaded bool
	err    error
	shown  int // entries in the file
}

// NewDenyList returns a list that does not touch the file until Load.
func NewDenyList(cfg DenyConfig) *DenyList {
	return &DenyList{cfg: cfg, wake: make(chan struct{}, 1), denied: make(map[netip.Prefix]int64)}
}

// Load says all that should be refused.
func (d *DenyList) Load(blocks []sentinel.Block) {
	if d == nil {
		return
	}
	d.mu.Lock()
	clear(d.denied)
	for _, b := range blocks {
		d.put(b)
	}
	d.loaded = true
	d.mu.Unlock()
	d.signal()
}

// Set adds a block, or gives it another end.
func (d *DenyList) Set(b sentinel.Block) {
	if d == nil {
		return
	}
	d.mu.Lock()
	d.put(b)
	d.mu.Unlock()
	d.signal()
}

// Remove takes a network out.
func (d *DenyList) Remove(p netip.Prefix) {
	if d == nil {
		return
	}
	d.mu.Lock()
	if p, ok := canonical(p); ok {
		delete(d.denied, p)
	}
	d.mu.Unlock()
	d.signal()
}

// put takes in one block; d.mu is held.
func (d *DenyList) put(b sentinel.Block) {
	p, ok := canonical(b.Prefix())
	if !ok {
		return
	}
	if b.Simulated() || !b.Rate().IsZero() {
		delete(d.denied, p)
		return
	}
	end := forever
	if !b.Permanent() {
		end = b.Expires().UnixMilli()
	}
	d.denied[p] = end
}

func (d *DenyList) signal() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// Status returns the file, how many entries it has, and why it could not be
// written, if so.
func (d *DenyList) Status() (path string, entries int, err error) {
	if d == nil {
		return "", 0, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg.Path, d.shown, d.err
}

// Run writes the file whenever it should be another one, until ctx ends. The
// file then stays as it is.
func (d *DenyList) Run(ctx context.Context) error {
	if d == nil {
		return nil
	}
	check := time.NewTicker(denyCheck)
	defer check.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		case <-check.C:
		}
		d.Sync()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(denyPause):
		}
	}
}

// Sync makes the file what it should be, if it is not, and returns why that
// failed. Before Load it does nothing.
func (d *DenyList) Sync() error {
	d.mu.Lock()
	if !d.loaded {
		d.mu.Unlock()
		return nil
	}
	list := d.list()
	before := d.err
	d.mu.Unlock()

	err := replaceFile(d.cfg.Path, denyText(d.cfg.Format, list))
	d.mu.Lock()
	d.err = err
	if err == nil {
		d.shown = len(list)
	}
	d.mu.Unlock()
	if d.cfg.Failed != nil && (err == nil) != (before == nil) {
		d.cfg.Failed(err)
	}
	return err
}

// list returns what is refused now, sorted; d.mu is held. What has ended is left
// out also where nobody has said so yet.
func (d *DenyList) list() []netip.Prefix {
	now := time.Now().UnixMilli()
	out := make([]netip.Prefix, 0, len(d.denied))
	for p, end := range d.denied {
		if end > now {
			out = append(out, p)
		}
	}
	if len(out) > maxDenied {
		slices.SortFunc(out, func(a, b netip.Prefix) int { return cmp.Compare(d.denied[b], d.denied[a]) })
		out = out[:maxDenied]
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	return out
}

// denyText writes the file. Every format is valid without an entry.
func denyText(format DenyFormat, list []netip.Prefix) []byte {
	var b bytes.Buffer
	b.WriteString("# Written by SentinelAI; changes are overwritten.\n")
	name := func(p netip.Prefix) string {
		if p.IsSingleIP() {
			return p.Addr().String()
		}
		return p.String()
	}
	switch {
	case format == DenyCaddy && len(list) > 0:
		b.WriteString("@sentinel_denied client_ip")
		for _, p := range list {
			b.WriteString(" " + name(p))
		}
		b.WriteString("\nrespond @sentinel_denied 403\n")
	case format == DenyCaddy:
	default:
		for _, p := range list {
			switch format {
			case DenyNginx:
				fmt.Fprintf(&b, "deny %s;\n", name(p))
			case DenyApache:
				fmt.Fprintf(&b, "Require not ip %s\n", name(p))
			default:
				fmt.Fprintln(&b, name(p))
			}
		}
	}
	return b.Bytes()
}

// replaceFile makes a file hold text: readers see the old one or the new one. A
// file that holds it already is left alone. A link is refused, since it would
// lead the text elsewhere.
func replaceFile(path string, text []byte) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("looking at the deny list: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("the deny list %s is not a regular file", path)
	default:
		old, err := os.ReadFile(path)
		if err == nil && bytes.Equal(old, text) {
			return nil
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".")
	if err != nil {
		return fmt.Errorf("writing the deny list: %w", err)
	}
	_, err = f.Write(text)
	// Servers read it as another user; it holds no secret.
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("writing the deny list: %w", err)
	}
	return nil
}
