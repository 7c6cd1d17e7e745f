package anomaly

// days is a set of clients that forgets after a day: a Bloom filter for this day
// and one for the day before, of 32 KiB each. It may take a client for one that is
// in it, if tens of thousands are, and never the other way round.
type days struct {
	today        uint32
	this, before [bloomWords]uint64
}

const (
	bloomWords = 4096
	bloomBits  = 64 * bloomWords
	bloomSteps = 4
)

// turn begins a new day.
func (d *days) turn(day uint32) {
	switch {
	case day <= d.today:
		return
	case day == d.today+1:
		d.before = d.this
	default:
		d.before = [bloomWords]uint64{}
	}
	d.this, d.today = [bloomWords]uint64{}, day
}

// add puts a hash into the day's set and reports whether it was new to it.
func (d *days) add(hash uint64) bool {
	fresh := false
	for i := range uint64(bloomSteps) {
		b := bloomBit(hash, i)
		fresh = fresh || d.this[b/64]&(1<<(b%64)) == 0
		d.this[b/64] |= 1 << (b % 64)
	}
	return fresh
}

// has reports whether a hash was added today or yesterday.
func (d *days) has(hash uint64) bool { return in(&d.this, hash) || in(&d.before, hash) }

func in(set *[bloomWords]uint64, hash uint64) bool {
	for i := range uint64(bloomSteps) {
		if b := bloomBit(hash, i); set[b/64]&(1<<(b%64)) == 0 {
			return false
		}
	}
	return true
}

func bloomBit(hash, i uint64) uint64 { return (hash + i*(hash>>32|1)) % bloomBits }

// agents counts user agents, to know those that were never seen: a count-min
// sketch of 4 by 2,048 counters.
type agents struct {
	counts [agentRows][agentColumns]uint16
}

const (
	agentRows    = 4
	agentColumns = 2048
)

// see counts an agent by its hash and reports whether it is the first time.
func (a *agents) see(hash uint64) bool {
	fresh := false
	for row := range agentRows {
		c := &a.counts[row][hash>>(16*row)%agentColumns]
		fresh = fresh || *c == 0
		if *c < ^uint16(0) {
			*c++
		}
	}
	return fresh
}

// fade halves the counts, so that what came once is new again some day.
func (a *agents) fade() {
	for row := range a.counts {
		for i := range a.counts[row] {
			a.counts[row][i] /= 2
		}
	}
}
