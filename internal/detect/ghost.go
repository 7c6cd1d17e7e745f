package detect

import "math/bits"

// Ghosts are the keys that were pushed out after one hit, by a few bits of their
// hashes. A key that comes back while the table is full is protected at once:
// else an attacker could have his counter forgotten by having so many others
// logged between two tries.

// ghostShare is how many ghosts there are for each key that the table may hold.
const ghostShare = 4

// remember makes a ghost of a key. The room for ghosts is taken when the first
// key is pushed out.
func (t *table) remember(key uint64) {
	if t.ghosts == nil {
		t.ghosts = make([]uint16, 1<<bits.Len(uint(ghostShare*t.limit-1)))
	}
	slot, sign := t.ghost(key)
	t.ghosts[slot] = sign
}

// cameBack reports whether a key was pushed out not long ago. One in 65,536 keys
// is taken for another.
func (t *table) cameBack(key uint64) bool {
	if t.ghosts == nil {
		return false
	}
	slot, sign := t.ghost(key)
	return t.ghosts[slot] == sign
}

// ghost returns the place of a key's ghost and the sign it leaves there.
func (t *table) ghost(key uint64) (slot uint64, sign uint16) {
	h := key * 0x9e3779b97f4a7c15
	return h >> (64 - bits.Len(uint(len(t.ghosts)-1))), uint16(h) | 1
}
