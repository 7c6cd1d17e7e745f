package enforce

import (
	"context"
	"net/netip"
)

// Backend is a firewall. Its methods are called by one goroutine at a time.
type Backend interface {
	// Name is what status shows, for example "nftables".
	Name() string
	// Apply takes the firewall from what it held to what the change says, and
	// also retries what earlier calls could not do. Packets see the old state
	// or the new one, in steps of at most MaxChunk elements. After an error the
	// next change must be a full one. The first change must be full.
	Apply(ctx context.Context, c Change) (Report, error)
	// Check compares the firewall with what it should hold and mends it. It is
	// not called before the first Apply.
	Check(ctx context.Context) (Report, error)
	// Drops returns what was dropped; it never decreases.
	Drops(ctx context.Context) (Drops, error)
	// Remove takes away everything that the backend ever put into the firewall.
	Remove(ctx context.Context) error
}

// Watcher is a Backend that hears of changes by other programs.
type Watcher interface {
	// Watch calls changed as soon as it listens and then whenever another
	// program may have touched what is ours, until ctx ends or it cannot go on.
	Watch(ctx context.Context, changed func()) error
}

// MaxChunk is how many elements are changed in one atomic step at most.
const MaxChunk = 1000

// Report is what Apply or Check did.
type Report struct {
	// Want elements should be in the firewall and Have are, by our knowledge.
	Want, Have int
	// Changed elements were sent.
	Changed int
	// Drift elements were found to differ from what they had been left as.
	Drift int
	// Rebuilt: the table was missing or broken and has been made anew.
	Rebuilt bool
	// Rejected elements were refused by the kernel, while the others were
	// applied; Samples are some of them.
	Rejected int
	Samples  []Rejection
	// More: the backend did a part only; Check goes on with it.
	More bool
}

// maxSamples bounds Report.Samples.
const maxSamples = 5

// Rejection is an element that the firewall did not take, and why.
type Rejection struct {
	Prefix netip.Prefix `json:"prefix"`
	Error  string       `json:"error"`
}

func (r *Report) reject(p netip.Prefix, n int, err error) {
	r.Rejected += n
	if len(r.Samples) < maxSamples {
		r.Samples = append(r.Samples, Rejection{p, err.Error()})
	}
}

// Drops counts dropped packets.
type Drops struct {
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"`
}
