package enforce

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// batch is a run of netlink messages under construction.
type batch struct {
	conn     *conn
	b        []byte
	first    uint32 // sequence number of the first message
	messages int
}

// mark adds the begin or the end of a transaction.
func (b *batch) mark(kind uint16) {
	m := b.start(kind, unix.NLM_F_REQUEST, unix.AF_UNSPEC)
	b.b[m.at+unix.NLMSG_HDRLEN+3] = unix.NFNL_SUBSYS_NFTABLES // big-endian resource id
	m.end()
}

// change adds a message that changes the ruleset and is acknowledged.
func (b *batch) change(kind uint16, flags uint16) *message {
	b.messages++
	return b.message(kind, flags|unix.NLM_F_ACK, unix.NFPROTO_INET)
}

// message adds a message to nf_tables; the caller ends it.
func (b *batch) message(kind, flags uint16, family byte) *message {
	return b.start(unix.NFNL_SUBSYS_NFTABLES<<8|kind, flags|unix.NLM_F_REQUEST, family)
}

func (b *batch) start(kind, flags uint16, family byte) *message {
	b.conn.seq++
	if b.first == 0 {
		b.first = b.conn.seq
	}
	m := &message{b, len(b.b)}
	b.b = append(b.b, make([]byte, headerLen)...)
	h := b.b[m.at:]
	native.PutUint16(h[4:], kind)
	native.PutUint16(h[6:], flags)
	native.PutUint32(h[8:], b.conn.seq)
	h[unix.NLMSG_HDRLEN] = family
	return m
}

// message is one netlink message at the end of a batch.
type message struct {
	*batch
	at int
}

func (m *message) end() { native.PutUint32(m.b[m.at:], uint32(len(m.b)-m.at)) }

// bytes adds an attribute.
func (m *message) bytes(kind uint16, value []byte) *message {
	at := m.open(kind)
	m.b = append(m.b, value...)
	m.close(at)
	return m
}

// str adds a zero-terminated string.
func (m *message) str(kind uint16, s string) *message {
	at := m.open(kind)
	m.b = append(append(m.b, s...), 0)
	m.close(at)
	return m
}

// u32 adds a big-endian number.
func (m *message) u32(kind uint16, v uint32) *message {
	at := m.open(kind)
	m.b = binary.BigEndian.AppendUint32(m.b, v)
	m.close(at)
	return m
}

// u64 adds a big-endian number.
func (m *message) u64(kind uint16, v uint64) *message {
	at := m.open(kind)
	m.b = binary.BigEndian.AppendUint64(m.b, v)
	m.close(at)
	return m
}

// nest adds an attribute that holds attributes.
func (m *message) nest(kind uint16, fill func()) *message {
	at := m.open(kind | unix.NLA_F_NESTED)
	fill()
	m.close(at)
	return m
}

// open starts an attribute; close sets its length and pads it. An attribute
// holds at most 65,535 bytes, which MaxChunk elements never reach.
func (m *message) open(kind uint16) int {
	at := len(m.b)
	m.b = append(m.b, 0, 0, 0, 0)
	native.PutUint16(m.b[at+2:], kind)
	return at
}

func (m *message) close(at int) {
	native.PutUint16(m.b[at:], uint16(len(m.b)-at))
	for len(m.b)%4 != 0 {
		m.b = append(m.b, 0)
	}
}

// eachAttr walks through attributes; malformed rests are ignored.
func eachAttr(b []byte, f func(kind uint16, value []byte)) {
	for len(b) >= unix.SizeofNlAttr {
		length := int(native.Uint16(b))
		if length < unix.SizeofNlAttr || length > len(b) {
			return
		}
		f(native.Uint16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), b[unix.SizeofNlAttr:length])
		b = b[min(align4(length), len(b)):]
	}
}

// be32 and be64 read big-endian numbers, 0 if too short.
func be32(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

func be64(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// text reads a string that may end in a zero byte.
func text(b []byte) string {
	if n := len(b); n > 0 && b[n-1] == 0 {
		b = b[:n-1]
	}
	return string(b)
}
