package enforce

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The names of what is ours in the kernel. Other programs and our own older
// versions meet them: they do not change.
const (
	Table     = "sentinel" // of family inet
	Chain     = "prerouting"
	Priority  = -310 // before raw (-300), connection tracking and NAT
	chainType = "filter"
)

// setKind tells the sets apart.
type setKind uint8

const (
	allow4 setKind = iota
	allow6
	block4
	block6
	net4
	net6
	limit4
	limit6
	numSets
)

// setSpec describes a set of ours.
type setSpec struct {
	name     string
	v6       bool
	flags    uint32
	counter  string // of the rule that drops, empty for allow sets
	interval bool
	masked   bool // looked up by the first 64 bits
	limits   bool // its elements have rates
}

var setSpecs = [numSets]setSpec{
	allow4: {name: "allow4", flags: unix.NFT_SET_INTERVAL, interval: true},
	allow6: {name: "allow6", v6: true, flags: unix.NFT_SET_INTERVAL, interval: true},
	block4: {name: "block4", flags: unix.NFT_SET_TIMEOUT, counter: "drop_block4"},
	block6: {name: "block6", v6: true, flags: unix.NFT_SET_TIMEOUT, counter: "drop_block6", masked: true},
	net4:   {name: "net4", flags: unix.NFT_SET_INTERVAL | unix.NFT_SET_TIMEOUT, counter: "drop_net4", interval: true},
	net6:   {name: "net6", v6: true, flags: unix.NFT_SET_INTERVAL | unix.NFT_SET_TIMEOUT, counter: "drop_net6", interval: true},
	limit4: {name: "limit4", flags: unix.NFT_SET_INTERVAL | unix.NFT_SET_TIMEOUT, counter: "drop_limit4", interval: true, limits: true},
	limit6: {name: "limit6", v6: true, flags: unix.NFT_SET_INTERVAL | unix.NFT_SET_TIMEOUT, counter: "drop_limit6", interval: true, limits: true},
}

// rangeSets are those whose elements are ranges, dropSets those of them from
// which packets are dropped.
var (
	rangeSets = []setKind{allow4, allow6, net4, net6, limit4, limit6}
	dropSets  = []setKind{net4, net6, limit4, limit6}
)

// rule is a rule of the chain: its comment and what it does.
type rule struct {
	comment string
	exprs   []expr.Any
}

// rules are those of the chain in their order: what is allowed comes first. The
// number in the comments changes when what the rules do changes, so that a newer
// agent replaces an older one's table.
func rules() (out []rule) {
	add := func(kinds ...setKind) {
		for _, kind := range kinds {
			out = append(out, rule{"sentinel/2 " + setSpecs[kind].name, setSpecs[kind].exprs()})
		}
	}
	add(allow4, allow6, block4, net4, block6, net6)
	out = append(out, rule{"sentinel/2 established", established()})
	add(limit4, limit6)
	return out
}

// established lets packets of TCP connections pass that are not their first.
func established() []expr.Any {
	const flags, syn, others = 13, 0x02, 0x10 | 0x04 | 0x01 // ACK, RST, FIN
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: flags, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{syn | others}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{syn}},
		&expr.Verdict{Kind: expr.VerdictReturn},
	}
}

func (s setSpec) keyLen() uint32 {
	if s.v6 {
		return 16
	}
	return 4
}

// exprs is the rule of a set.
func (s setSpec) exprs() []expr.Any {
	proto, offset := byte(unix.NFPROTO_IPV4), uint32(12)
	if s.v6 {
		proto, offset = unix.NFPROTO_IPV6, 8
	}
	out := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{proto}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: s.keyLen()},
	}
	if s.masked {
		mask := make([]byte, 16)
		fillOnes(mask[:8])
		out = append(out, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 16, Mask: mask, Xor: make([]byte, 16)})
	}
	out = append(out, &expr.Lookup{SourceRegister: 1, SetName: s.name})
	if s.counter == "" {
		return append(out, &expr.Verdict{Kind: expr.VerdictReturn})
	}
	return append(out,
		&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: s.counter},
		&expr.Verdict{Kind: expr.VerdictDrop})
}

func fillOnes(b []byte) {
	for i := range b {
		b[i] = 0xff
	}
}

// addTable adds a message that makes the table, or leaves it if it exists.
func addTable(b *batch) {
	b.change(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE).
		str(unix.NFTA_TABLE_NAME, Table).u32(unix.NFTA_TABLE_FLAGS, 0).end()
}

// deleteTable adds messages after which there is no table, whether or not there
// was one before.
func deleteTable(b *batch) {
	addTable(b)
	b.change(unix.NFT_MSG_DELTABLE, 0).str(unix.NFTA_TABLE_NAME, Table).end()
}

// addSchema adds all of the table except the elements.
func addSchema(b *batch, size uint32, limits bool) error {
	addTable(b)
	for i, s := range setSpecs {
		m := b.change(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE)
		m.str(unix.NFTA_SET_TABLE, Table).str(unix.NFTA_SET_NAME, s.name).
			u32(unix.NFTA_SET_FLAGS, s.flags).
			u32(unix.NFTA_SET_KEY_TYPE, s.keyType()).u32(unix.NFTA_SET_KEY_LEN, s.keyLen()).
			u32(unix.NFTA_SET_ID, uint32(i)+1)
		if !s.interval {
			m.nest(unix.NFTA_SET_DESC, func() { m.u32(unix.NFTA_SET_DESC_SIZE, size) })
		}
		if s.limits && limits {
			// nft wants to know what elements have, to read what it has written.
			m.limit(nftaSetExpr, sentinel.Rate{Count: 1, Per: time.Second})
		}
		m.bytes(unix.NFTA_SET_USERDATA, userdata.AppendUint32(nil, userdata.NFTNL_UDATA_SET_KEYBYTEORDER, 2))
		m.end()
		if s.counter != "" {
			m := b.change(unix.NFT_MSG_NEWOBJ, unix.NLM_F_CREATE)
			m.str(unix.NFTA_OBJ_TABLE, Table).str(unix.NFTA_OBJ_NAME, s.counter).
				u32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER).
				nest(unix.NFTA_OBJ_DATA, func() {
					m.u64(unix.NFTA_COUNTER_BYTES, 0).u64(unix.NFTA_COUNTER_PACKETS, 0)
				}).end()
		}
	}
	m := b.change(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE)
	m.str(unix.NFTA_CHAIN_TABLE, Table).str(unix.NFTA_CHAIN_NAME, Chain).
		nest(unix.NFTA_CHAIN_HOOK, func() {
			m.u32(unix.NFTA_HOOK_HOOKNUM, unix.NF_INET_PRE_ROUTING).u32(unix.NFTA_HOOK_PRIORITY, hookPriority)
		}).
		u32(unix.NFTA_CHAIN_POLICY, chainAccept).str(unix.NFTA_CHAIN_TYPE, chainType).end()
	return addRules(b)
}

// nftaSetExpr is NFTA_SET_EXPR of linux/netfilter/nf_tables.h.
const nftaSetExpr = 17

// hookPriority is Priority as netlink carries it.
const hookPriority = uint32(1<<32 + Priority)

// chainAccept is the policy NF_ACCEPT.
const chainAccept = 1

func addRules(b *batch) error {
	for _, r := range rules() {
		m := b.change(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND)
		m.str(unix.NFTA_RULE_TABLE, Table).str(unix.NFTA_RULE_CHAIN, Chain)
		var failure error
		m.nest(unix.NFTA_RULE_EXPRESSIONS, func() {
			for _, e := range r.exprs {
				data, err := expr.Marshal(unix.NFPROTO_INET, e)
				failure = errors.Join(failure, err)
				m.bytes(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, data)
			}
		})
		if failure != nil {
			return fmt.Errorf("building the rule %q: %w", r.comment, failure)
		}
		m.bytes(unix.NFTA_RULE_USERDATA, userdata.AppendString(nil, userdata.TypeComment, r.comment)).end()
	}
	return nil
}

// keyType is the type number by which nft shows the keys.
func (s setSpec) keyType() uint32 {
	if s.v6 {
		return 8 // ipv6_addr
	}
	return 7 // ipv4_addr
}

// intact reports whether the kernel's table is as addSchema makes it, but for
// the elements. A missing table is not an error.
func intact(c *conn, size uint32) (bool, error) {
	ok := true
	tableFlags := uint32(0)
	err := c.get(unix.NFT_MSG_GETTABLE, unix.NFPROTO_INET,
		func(m *message) { m.str(unix.NFTA_TABLE_NAME, Table) },
		func(attrs []byte) error {
			eachAttr(attrs, func(kind uint16, v []byte) {
				if kind == unix.NFTA_TABLE_FLAGS {
					tableFlags = be32(v)
				}
			})
			return nil
		})
	if missing, err := absent(err); missing || err != nil {
		return false, err
	}
	ok = ok && tableFlags == 0 // not dormant
	good, err := chainIntact(c)
	if !good || err != nil {
		return false, err
	}
	good, err = rulesIntact(c)
	if !good || err != nil {
		return false, err
	}
	for _, s := range setSpecs {
		good, err := setIntact(c, s, size)
		if !good || err != nil {
			return false, err
		}
	}
	return ok, nil
}

// absent splits the error of a get: does the object not exist, or is it a
// failure?
func absent(err error) (bool, error) {
	if errors.Is(err, unix.ENOENT) {
		return true, nil
	}
	return false, err
}

func chainIntact(c *conn) (bool, error) {
	var hook, priority, policy uint32
	var kindName string
	err := c.get(unix.NFT_MSG_GETCHAIN, unix.NFPROTO_INET,
		func(m *message) { m.str(unix.NFTA_CHAIN_TABLE, Table).str(unix.NFTA_CHAIN_NAME, Chain) },
		func(attrs []byte) error {
			eachAttr(attrs, func(kind uint16, v []byte) {
				switch kind {
				case unix.NFTA_CHAIN_POLICY:
					policy = be32(v)
				case unix.NFTA_CHAIN_TYPE:
					kindName = text(v)
				case unix.NFTA_CHAIN_HOOK:
					eachAttr(v, func(kind uint16, v []byte) {
						switch kind {
						case unix.NFTA_HOOK_HOOKNUM:
							hook = be32(v)
						case unix.NFTA_HOOK_PRIORITY:
							priority = be32(v)
						}
					})
				}
			})
			return nil
		})
	if missing, err := absent(err); missing || err != nil {
		return false, err
	}
	return hook == unix.NF_INET_PRE_ROUTING && priority == hookPriority && policy == chainAccept && kindName == chainType, nil
}

func rulesIntact(c *conn) (bool, error) {
	var comments []string
	err := c.dump(unix.NFT_MSG_GETRULE, unix.NFPROTO_INET,
		func(m *message) { m.str(unix.NFTA_RULE_TABLE, Table).str(unix.NFTA_RULE_CHAIN, Chain) },
		func() { comments = nil },
		func(attrs []byte) error {
			var mine bool
			var comment string
			eachAttr(attrs, func(kind uint16, v []byte) {
				switch kind {
				case unix.NFTA_RULE_TABLE:
					mine = text(v) == Table
				case unix.NFTA_RULE_USERDATA:
					comment, _ = userdata.GetString(v, userdata.TypeComment)
				}
			})
			if mine {
				comments = append(comments, comment)
			}
			return nil
		})
	if missing, err := absent(err); missing || err != nil {
		return false, err
	}
	return slices.EqualFunc(comments, rules(), func(c string, r rule) bool { return c == r.comment }), nil
}

func setIntact(c *conn, s setSpec, size uint32) (bool, error) {
	var flags, keyLen, have uint32
	err := c.get(unix.NFT_MSG_GETSET, unix.NFPROTO_INET,
		func(m *message) { m.str(unix.NFTA_SET_TABLE, Table).str(unix.NFTA_SET_NAME, s.name) },
		func(attrs []byte) error {
			eachAttr(attrs, func(kind uint16, v []byte) {
				switch kind {
				case unix.NFTA_SET_FLAGS:
					flags = be32(v)
				case unix.NFTA_SET_KEY_LEN:
					keyLen = be32(v)
				case unix.NFTA_SET_DESC:
					eachAttr(v, func(kind uint16, v []byte) {
						if kind == unix.NFTA_SET_DESC_SIZE {
							have = be32(v)
						}
					})
				}
			})
			return nil
		})
	if missing, err := absent(err); missing || err != nil {
		return false, err
	}
	return flags == s.flags && keyLen == s.keyLen() && (s.interval || have == size), nil
}
