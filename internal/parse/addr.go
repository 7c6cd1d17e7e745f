package parse

import "net/netip"

// parseAddr reads an address as netip.ParseAddr does (no leading zeros, no
// short forms, no names), but faster and without allocating an error. The
// result is unmapped and has no zone.
func parseAddr(s string) (netip.Addr, bool) {
	if len(s) < 2 {
		return netip.Addr{}, false
	}
	// An address with a colon within its first five bytes has six of them.
	for i := 0; i < len(s) && i < 5; i++ {
		switch s[i] {
		case '.':
			a, ok := parse4(s)
			if !ok {
				return netip.Addr{}, false
			}
			return netip.AddrFrom4(a), true
		case ':':
			return parse6(s)
		}
	}
	return netip.Addr{}, false
}

// parse4 reads four decimal numbers.
func parse4(s string) (a [4]byte, ok bool) {
	if len(s) < len("0.0.0.0") || len(s) > len("255.255.255.255") {
		return a, false
	}
	i := 0
	for f := range a {
		if f > 0 {
			if i == len(s) || s[i] != '.' {
				return a, false
			}
			i++
		}
		first, v := i, uint(0)
		for i < len(s) && i < first+3 {
			d := s[i] - '0'
			if d > 9 {
				break
			}
			v = v*10 + uint(d)
			i++
		}
		if i == first || v > 255 || i > first+1 && s[first] == '0' {
			return a, false
		}
		a[f] = byte(v)
	}
	return a, i == len(s)
}

// parse6 reads an IPv6 address; a zone must not be empty and is dropped.
func parse6(s string) (netip.Addr, bool) {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if i == len(s)-1 {
				return netip.Addr{}, false
			}
			s = s[:i]
			break
		}
	}
	var a [16]byte
	n, gap := 0, -1 // bytes filled, where "::" stands
	if len(s) >= 2 && s[0] == ':' && s[1] == ':' {
		gap = 0
		s = s[2:]
	}
	for s != "" {
		if n == 16 {
			return netip.Addr{}, false
		}
		v, i := uint(0), 0
		for i < len(s) && i < 5 {
			d, ok := hexDigit(s[i])
			if !ok {
				break
			}
			v = v<<4 | uint(d)
			i++
		}
		if i == 0 || i == 5 {
			return netip.Addr{}, false
		}
		if i < len(s) && s[i] == '.' {
			if gap < 0 && n != 12 || n > 12 {
				return netip.Addr{}, false
			}
			b, ok := parse4(s)
			if !ok {
				return netip.Addr{}, false
			}
			n += copy(a[n:], b[:])
			s = ""
			break
		}
		a[n], a[n+1] = byte(v>>8), byte(v)
		n += 2
		s = s[i:]
		if s == "" {
			break
		}
		if s[0] != ':' || len(s) == 1 {
			return netip.Addr{}, false
		}
		s = s[1:]
		if s[0] == ':' {
			if gap >= 0 {
				return netip.Addr{}, false
			}
			gap = n
			s = s[1:]
		}
	}
	switch {
	case gap < 0 && n != 16, gap >= 0 && n == 16:
		return netip.Addr{}, false
	case gap >= 0:
		tail := n - gap
		copy(a[16-tail:], a[gap:n])
		clear(a[gap : 16-tail])
	}
	return netip.AddrFrom16(a).Unmap(), true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' <= 9:
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

// parseAddrPort reads "ADDR", "ADDR:PORT", "[ADDR]" or "[ADDR]:PORT". An IPv6
// address without brackets has no port.
func parseAddrPort(s string) (a netip.Addr, port uint16, ok bool) {
	if a, ok = parseAddr(s); ok {
		return a, 0, true
	}
	if s != "" && s[0] == '[' {
		for i := 1; i < len(s); i++ {
			if s[i] != ']' {
				continue
			}
			a, ok = parseAddr(s[1:i])
			if !ok || i == len(s)-1 {
				return a, 0, ok
			}
			if s[i+1] != ':' {
				return netip.Addr{}, 0, false
			}
			port, ok = parsePort(s[i+2:])
			return a, port, ok
		}
		return netip.Addr{}, 0, false
	}
	return parseAddrThenPort(s)
}

// parseAddrThenPort reads "ADDR:PORT", where the text after the last colon is
// always the port, also after an IPv6 address.
func parseAddrThenPort(s string) (a netip.Addr, port uint16, ok bool) {
	for i := len(s) - 1; i > 0 && i >= len(s)-6; i-- {
		if s[i] != ':' {
			continue
		}
		if port, ok = parsePort(s[i+1:]); !ok {
			return netip.Addr{}, 0, false
		}
		if a, ok = parseAddr(s[:i]); !ok {
			return netip.Addr{}, 0, false
		}
		return a, port, true
	}
	return netip.Addr{}, 0, false
}

// parsePort reads a decimal number of at most 65535.
func parsePort(s string) (uint16, bool) {
	if s == "" || len(s) > 5 {
		return 0, false
	}
	v := uint32(0)
	for i := 0; i < len(s); i++ {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + uint32(d)
	}
	return uint16(v), v <= 65535
}
