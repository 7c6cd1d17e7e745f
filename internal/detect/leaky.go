package detect

// leaky is a bucket that holds capacity events and loses one each leak (GCRA):
// an event that comes while it is full overflows it, which empties it.
//
//	tat = max(tat, t) + leak; overflow iff tat - t > capacity*leak
//
// The entry holds tat and the newest t in milliseconds, two words each. A line
// that comes late counts at the time of the newest.
type leaky struct {
	capacity int
	leak     uint64 // milliseconds, at least 1
}

// add pours weight events at time at (milliseconds) and reports whether the
// bucket ran over, and how many events it holds (rounded up).
func (l leaky) add(e *entry, at, now uint64, weight int) (over bool, level int) {
	tat := uint64(e.inline[0]) | uint64(e.inline[1])<<32
	last := uint64(e.inline[2]) | uint64(e.inline[3])<<32
	if last > now+skewAllowed*1000 { // the clock was set back
		tat, last = 0, 0
	}
	last = max(last, at)
	full := uint64(l.capacity) * l.leak
	for range min(weight, l.capacity+1) {
		tat = max(tat, last) + l.leak
		level = int((tat - last + l.leak - 1) / l.leak)
		if tat-last > full {
			over = true
			break
		}
	}
	e.n, e.newest = 1, uint32(last/1000)
	e.inline = [4]uint32{uint32(tat), uint32(tat >> 32), uint32(last), uint32(last >> 32)}
	return over, level
}

// reset empties the bucket.
func (l leaky) reset(e *entry) { e.inline[0], e.inline[1] = 0, 0 }

// level is how many events a bucket holds at a time (rounded up).
func (l leaky) level(e *entry, at uint64) int {
	tat := uint64(e.inline[0]) | uint64(e.inline[1])<<32
	if tat <= at {
		return 0
	}
	return int((tat - at + l.leak - 1) / l.leak)
}
