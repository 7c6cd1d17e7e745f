package detect

// A block is 64 bytes: the number of the next block of its chain, and 15 words.
// All states larger than an entry's own four words are chains of blocks. One
// size for all means that memory given back by one rule serves every other, and
// that there is nothing in it for the garbage collector to look at.
const (
	blockWords  = 15
	blockBytes  = 64
	chunkBlocks = 256
)

type block [1 + blockWords]uint32

// blocks hands out blocks up to a limit. Block 0 is never handed out: it means
// "none".
type blocks struct {
	chunks []*[chunkBlocks]block
	free   uint32 // head of the list of blocks given back
	next   uint32 // first block never used
	used   int
	limit  int
}

func newBlocks(limit int) *blocks { return &blocks{next: 1, limit: max(limit, chunkBlocks)} }

func (b *blocks) at(ref uint32) *block { return &b.chunks[ref/chunkBlocks][ref%chunkBlocks] }

// alloc returns a zeroed block, or 0 at the limit.
func (b *blocks) alloc() uint32 {
	ref := b.free
	switch {
	case ref != 0:
		b.free = b.at(ref)[0]
	case b.used >= b.limit:
		return 0
	default:
		ref = b.next
		if int(ref/chunkBlocks) == len(b.chunks) {
			b.chunks = append(b.chunks, new([chunkBlocks]block))
		}
		b.next++
	}
	b.used++
	*b.at(ref) = block{}
	return ref
}

// release gives a chain back.
func (b *blocks) release(ref uint32) {
	for ref != 0 {
		blk := b.at(ref)
		next := blk[0]
		blk[0] = b.free
		b.free = ref
		b.used--
		ref = next
	}
}

// word returns word i of a chain. The chain must be long enough.
func (b *blocks) word(ref uint32, i int) *uint32 {
	blk := b.at(ref)
	for i >= blockWords {
		blk = b.at(blk[0])
		i -= blockWords
	}
	return &blk[1+i]
}

// extend makes the chain of first long enough for n words. It returns the
// chain's first block and whether there was room; what was there stays.
func (b *blocks) extend(first uint32, n int) (uint32, bool) {
	if first == 0 {
		if first = b.alloc(); first == 0 {
			return 0, false
		}
	}
	ref := first
	for n > blockWords {
		blk := b.at(ref)
		if blk[0] == 0 {
			more := b.alloc()
			if more == 0 {
				return first, false
			}
			b.at(ref)[0] = more
		}
		ref = b.at(ref)[0]
		n -= blockWords
	}
	return first, true
}

// load copies the first len(dst) words of a chain.
func (b *blocks) load(ref uint32, dst []uint32) {
	for len(dst) > 0 && ref != 0 {
		blk := b.at(ref)
		n := copy(dst, blk[1:])
		dst, ref = dst[n:], blk[0]
	}
}

// store writes src over the first len(src) words of a chain.
func (b *blocks) store(ref uint32, src []uint32) {
	for len(src) > 0 && ref != 0 {
		blk := b.at(ref)
		n := copy(blk[1:], src)
		src, ref = src[n:], blk[0]
	}
}

func (b *blocks) bytes() int { return len(b.chunks) * chunkBlocks * blockBytes }
