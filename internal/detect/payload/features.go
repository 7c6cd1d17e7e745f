package payload

// MaxText is how much of a text is looked at, in bytes.
const MaxText = 2048

const (
	minGram, maxGram = 2, 4
	bucketBits       = 16
	buckets          = 1 << bucketBits
)

// foreign stands for a run of bytes outside ASCII.
const foreign = 0x80

// reduce appends a canonical text with runs of digits made "0" (of "0x41" the
// prefix stays) and runs of bytes outside ASCII made one byte, up to MaxText
// bytes of s. pos, if not nil, gets the place in s of each byte.
func reduce(dst []byte, s string, pos *[]int32) []byte {
	s = s[:min(len(s), MaxText)]
	for i := 0; i < len(s); {
		c, from := s[i], i
		switch {
		case '0' <= c && c <= '9':
			if c == '0' && i+1 < len(s) && s[i+1] == 'x' {
				i++
				break
			}
			for c = '0'; i < len(s) && '0' <= s[i] && s[i] <= '9'; i++ {
				if i > from && s[i] == '0' && i+1 < len(s) && s[i+1] == 'x' {
					break
				}
			}
		case c >= 0x80:
			for c = foreign; i < len(s) && s[i] >= 0x80; i++ {
			}
		default:
			i++
		}
		dst = append(dst, c)
		if pos != nil {
			*pos = append(*pos, int32(from))
		}
	}
	return dst
}

const (
	fnvBasis = 2166136261
	fnvPrime = 16777619
)

// mix is the finaliser of MurmurHash3.
func mix(h uint32) uint32 {
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	return h ^ h>>16
}

// scratch finds the features of a text: the buckets of its n-grams, each once.
type scratch struct {
	text []byte
	seen [buckets / 64]uint64
	list []uint16
}

// features returns the buckets of a canonical text. They are valid until the
// next call.
func (s *scratch) features(text string) []uint16 {
	s.text = reduce(s.text[:0], text, nil)
	return s.gramsAt(nil)
}

// gramsAt returns the buckets of the reduced text; at, if not nil, gets the place
// of each and its length in the lowest three bits.
func (s *scratch) gramsAt(at *[]int32) []uint16 {
	for _, b := range s.list {
		s.seen[b>>6] = 0
	}
	if at != nil {
		*at = (*at)[:0]
	}
	list, t := s.list[:0], s.text
	for i := range t {
		h := uint32(fnvBasis)
		for n, c := range t[i:min(i+maxGram, len(t))] {
			h = (h ^ uint32(c)) * fnvPrime
			if n+1 < minGram {
				continue
			}
			b := uint16(mix(h))
			bit := uint64(1) << (b & 63)
			if s.seen[b>>6]&bit != 0 {
				continue
			}
			s.seen[b>>6] |= bit
			list = append(list, b)
			if at != nil {
				*at = append(*at, int32(i)<<3|int32(n+1))
			}
		}
	}
	s.list = list
	return list
}
