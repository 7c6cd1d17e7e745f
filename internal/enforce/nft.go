package enforce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// NFTConfig tunes an NFT. The zero value is right outside tests.
type NFTConfig struct {
	// NetNS is the descriptor of the network namespace to work in; 0 means that
	// of the process. It must stay open as long as the NFT is used.
	NetNS int
	// SetSize is how many elements each of block4 and block6 holds at most
	// (DefaultSetSize if 0). Tables of another size are made anew.
	SetSize uint32
}

// DefaultSetSize leaves room above 100,000 blocks: a set counts deleted
// elements until the transaction is over.
const DefaultSetSize = 1 << 17

const (
	// tolerance is how far an element's end may be off before it is set again,
	// in milliseconds: ticks of the kernel and the time that writing takes.
	tolerance = 2 * 1000
	// slack is how far it may be off before we suspect another program.
	slack = 30 * 1000
)

// NFT is the backend nftables. It keeps in memory what it left in the kernel,
// and reads it back only at its first Apply, in Check, and after failures.
type NFT struct {
	cfg  NFTConfig
	conn *conn
	port atomic.Uint32 // of conn, for Watch
	// loaded: the fields below say what the kernel holds.
	loaded bool
	hash   [numSets]map[hashKey]entry // block4, block6
	dirty  [numSets][]hashKey
	nets   [numSets]map[netip.Prefix]force // wanted; of the other sets
	ranges [numSets][]segment              // held
	stale  [numSets]bool                   // ranges may differ from nets
	wanted int                             // entries of hash with want
	held   int                             // and with have
	// samples are some of the elements last rejected.
	samples []Rejection
	last    [numSets]Drops // counters when last read
	base    Drops          // of tables that are gone
	limits  bool           // the kernel can limit rates
	// refuse stands in for a kernel that refuses elements; nil but in tests.
	refuse func(setKind, []hashKey) error
}

// entry is one element of a hash set: its end as it should be, as we left it,
// and as it was last read back. 0: not in the set.
type entry struct{ want, have, seen int64 }

// put stores an entry, or forgets it if nothing is left of it.
func (n *NFT) put(set setKind, k hashKey, e entry) {
	old := n.hash[set][k]
	n.wanted += one(e.want) - one(old.want)
	n.held += one(e.have) - one(old.have)
	if e == (entry{}) {
		delete(n.hash[set], k)
	} else {
		n.hash[set][k] = e
	}
}

func one(end int64) int {
	if end == 0 {
		return 0
	}
	return 1
}

// at returns an end as it counts now: what is over is as good as absent.
func at(end, now int64) int64 {
	if end <= now {
		return 0
	}
	return end
}

// NewNFT returns a backend that has not yet touched the kernel.
func NewNFT(cfg NFTConfig) *NFT {
	cfg.SetSize = cmp.Or(cfg.SetSize, DefaultSetSize)
	n := &NFT{cfg: cfg, limits: kernelLimits()}
	for set, s := range setSpecs {
		if s.interval {
			n.nets[set] = make(map[netip.Prefix]force)
		} else {
			n.hash[set] = make(map[hashKey]entry)
		}
	}
	return n
}

// Name implements Backend.
func (n *NFT) Name() string { return "nftables" }

// Close closes the socket. The kernel keeps the blocks.
func (n *NFT) Close() error {
	if n.conn != nil {
		n.conn.close()
		n.conn, n.loaded = nil, false
	}
	return nil
}

// Apply implements Backend.
func (n *NFT) Apply(ctx context.Context, c Change) (Report, error) {
	var rep Report
	n.merge(c)
	err := n.settle(ctx, &rep)
	return n.finish(rep, err)
}

// Check implements Backend.
func (n *NFT) Check(ctx context.Context) (Report, error) {
	var rep Report
	first := !n.loaded
	n.loaded = false
	err := n.settle(ctx, &rep)
	if first {
		rep.Drift = 0 // nothing was known to differ from
	}
	return n.finish(rep, err)
}

func (n *NFT) finish(rep Report, err error) (Report, error) {
	rep.Want, rep.Have = n.wanted, n.held
	for _, set := range dropSets {
		rep.Want += len(n.nets[set])
		switch {
		case setSpecs[set].limits && !n.limits:
			for p := range n.nets[set] {
				rep.reject(p, 1, errNoLimits)
			}
		case !n.stale[set]:
			rep.Have += len(n.nets[set])
		}
	}
	if len(rep.Samples) > 0 {
		n.samples = rep.Samples
	}
	if rep.Rejected = max(rep.Rejected, rep.Want-rep.Have); rep.Rejected > 0 {
		rep.Samples = n.samples
	}
	if err != nil {
		n.loaded = false
		return rep, fmt.Errorf("writing nftables: %w%s", err, hint(err))
	}
	return rep, nil
}

// hint says what may be done about an error.
func hint(err error) string {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return " (CAP_NET_ADMIN is needed)"
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return " (the kernel has no nf_tables for family inet)"
	}
	return ""
}

// settle makes the kernel equal to what is wanted. If the table vanishes under
// its hands it starts again, once.
func (n *NFT) settle(ctx context.Context, rep *Report) error {
	for try := 0; ; try++ {
		err := n.load(ctx, rep)
		if err == nil {
			err = n.sync(ctx, rep)
		}
		if !errors.Is(err, unix.ENOENT) || try == 1 {
			return err
		}
		n.loaded = false
	}
}

// merge takes a change into what is wanted.
func (n *NFT) merge(c Change) {
	if c.Full {
		for _, set := range []setKind{block4, block6} {
			for k, e := range n.hash[set] {
				e.want = 0
				n.put(set, k, e)
			}
		}
		for _, set := range dropSets {
			clear(n.nets[set])
			n.stale[set] = true
		}
	}
	for _, t := range c.Set {
		n.want(t.prefix, t.force, !c.Full)
	}
	for _, p := range c.Removed {
		if p, ok := canonical(p); ok {
			n.want(p, force{}, true)
		}
	}
	if c.Full {
		n.markDirty()
	}
	if c.AllowChanged {
		clear(n.nets[allow4])
		clear(n.nets[allow6])
		for _, p := range c.Allow {
			if p = unmapped(p).Masked(); p.IsValid() {
				n.nets[rangeSet(p, allow4, allow6)][p] = force{expires: forever}
			}
		}
		n.stale[allow4], n.stale[allow6] = true, true
	}
}

// want notes what a network should be; it is in one of the sets at most.
func (n *NFT) want(p netip.Prefix, f force, mark bool) {
	blocked, limited := f, f
	if f.rate.IsZero() {
		limited = force{}
	} else {
		blocked = force{}
	}
	n.wantRange(rangeSet(p, limit4, limit6), p, limited)
	set, key, single := keyOf(p)
	if !single {
		n.wantRange(rangeSet(p, net4, net6), p, blocked)
		return
	}
	e := n.hash[set][key]
	e.want = blocked.expires
	n.put(set, key, e)
	if mark && e.want != e.have {
		n.dirty[set] = append(n.dirty[set], key)
	}
}

func (n *NFT) wantRange(set setKind, p netip.Prefix, f force) {
	if n.nets[set][p] == f {
		return
	}
	n.stale[set] = true
	if f == (force{}) {
		delete(n.nets[set], p)
	} else {
		n.nets[set][p] = f
	}
}

func rangeSet(p netip.Prefix, v4, v6 setKind) setKind {
	if p.Addr().Is4() {
		return v4
	}
	return v6
}

// markDirty finds what differs by comparing all.
func (n *NFT) markDirty() {
	for _, set := range []setKind{block4, block6} {
		n.dirty[set] = n.dirty[set][:0]
		for k, e := range n.hash[set] {
			if e.want != e.have {
				n.dirty[set] = append(n.dirty[set], k)
			}
		}
	}
}

// open makes sure that there is a socket.
func (n *NFT) open() error {
	if n.conn != nil {
		return nil
	}
	c, err := dial(n.cfg.NetNS)
	if err != nil {
		return err
	}
	n.conn = c
	n.port.Store(c.portID.Load())
	return nil
}

// Remove implements Backend: it deletes the table.
func (n *NFT) Remove(ctx context.Context) error {
	if err := n.open(); err != nil {
		return err
	}
	n.loaded = false
	return removeTable(ctx, n.conn)
}

func removeTable(ctx context.Context, c *conn) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b := c.batch()
	deleteTable(b)
	if err := c.commit(b); err != nil {
		return fmt.Errorf("deleting the nftables table %s: %w", Table, err)
	}
	return nil
}

// Drops implements Backend.
func (n *NFT) Drops(context.Context) (Drops, error) {
	if err := n.open(); err != nil {
		return Drops{}, err
	}
	if err := n.readDrops(); err != nil {
		return Drops{}, fmt.Errorf("reading nftables counters: %w", err)
	}
	sum := n.base
	for _, d := range n.last {
		sum.add(d)
	}
	return sum, nil
}

func (d *Drops) add(o Drops) {
	d.Packets += o.Packets
	d.Bytes += o.Bytes
}

func (n *NFT) readDrops() error {
	var now [numSets]Drops
	err := n.conn.dump(unix.NFT_MSG_GETOBJ, unix.NFPROTO_INET,
		func(m *message) {
			m.str(unix.NFTA_OBJ_TABLE, Table).u32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
		},
		func() { now = [numSets]Drops{} },
		func(attrs []byte) error {
			table, name, d := parseCounter(attrs)
			set := slices.IndexFunc(setSpecs[:], func(s setSpec) bool { return s.counter == name && name != "" })
			if table == Table && set >= 0 {
				now[set] = d
			}
			return nil
		})
	if missing, err := absent(err); err != nil || missing {
		return err
	}
	for set := range now {
		if now[set].Packets < n.last[set].Packets { // reset by another program
			n.base.add(n.last[set])
		}
	}
	n.last = now
	return nil
}

func parseCounter(attrs []byte) (table, name string, d Drops) {
	eachAttr(attrs, func(kind uint16, v []byte) {
		switch kind {
		case unix.NFTA_OBJ_TABLE:
			table = text(v)
		case unix.NFTA_OBJ_NAME:
			name = text(v)
		case unix.NFTA_OBJ_DATA:
			eachAttr(v, func(kind uint16, v []byte) {
				switch kind {
				case unix.NFTA_COUNTER_BYTES:
					d.Bytes = be64(v)
				case unix.NFTA_COUNTER_PACKETS:
					d.Packets = be64(v)
				}
			})
		}
	})
	return table, name, d
}
