package detect

import (
	"net/netip"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// maxSample is how much of a line a detection keeps.
const maxSample = 2048

// fire makes the detection of a match whose threshold is reached, unless the
// key is in its cooldown. e may be nil: no cooldown.
func (d *Detector) fire(p *plan, e *entry, ev *sentinel.Event, m *rule.Matcher, mt *rule.Match, res *Result) {
	res.Silent = e != nil && p.cooldown > 0 && d.silent(e, p)
	for _, f := range p.feeds {
		// While the rule is silent its state still goes on: one that needs a
		// single firing is kept fresh.
		if seq := d.plans[f.rule].r.Sequence; !res.Silent || int(f.step) >= len(seq.Steps) || seq.Steps[f.step].Count <= 1 {
			d.fed = append(d.fed, rule.Match{Rule: f.rule, Step: f.step, Addr: mt.Addr, User: mt.User})
		}
	}
	if res.Silent {
		_, res.Scope, res.Key = p.about(ev, mt)
		return
	}
	if e != nil && p.cooldown > 0 {
		d.fell(e, p)
	}
	if p.r.Hidden {
		return
	}
	res.Fired = true
	res.Detection = d.detection(p, ev, m, mt, res.Count)
	res.Scope, res.Key = res.Detection.Scope, res.Detection.Key
}

// silent reports whether the rule fired for the entry's key within its cooldown.
// A firing by late lines, which cannot block, silences other late lines only.
func (d *Detector) silent(e *entry, p *plan) bool {
	if e.cool == 0 {
		return false
	}
	last := *d.table.blocks.word(e.cool, 1+p.slot)
	if last == 0 || last > d.now.clock+skewAllowed {
		return false
	}
	if !d.now.late && p.slot < 32 && *d.table.blocks.word(e.cool, 0)&(1<<p.slot) != 0 {
		return false
	}
	return d.now.sec < last || d.now.sec-last < p.cooldown
}

// fell notes that the rule fires now.
func (d *Detector) fell(e *entry, p *plan) {
	if !d.table.extend(e, &e.cool, 1+len(p.main.slots)) {
		d.table.blocks.release(e.cool)
		e.cool = 0
		return
	}
	*d.table.blocks.word(e.cool, 1+p.slot) = d.now.sec
	if p.slot < 32 {
		late := d.table.blocks.word(e.cool, 0)
		*late &^= 1 << p.slot
		if d.now.late {
			*late |= 1 << p.slot
		}
	}
}

// detection copies all that is needed out of the event and the rule.
func (d *Detector) detection(p *plan, ev *sentinel.Event, m *rule.Matcher, mt *rule.Match, count int) *sentinel.Detection {
	r := p.r
	det := &sentinel.Detection{
		Time: d.now.at, RuleID: r.ID, RuleName: r.Name, Type: r.Type, Group: r.Group, Description: r.Description,
		Origin: r.Origin.String(), Severity: r.Severity, Confidence: r.Confidence, Written: r.Written,
		Advisory: r.Advisory, Deterministic: r.Deterministic, NoBlock: r.NoBlock(), BlockFor: r.BlockFor(), Basis: r.Basis,
		Limit: r.Limit(), LimitOnly: r.LimitOnly(),
		Tags:   r.Tags, // of the rule, which nobody changes
		Source: d.owned.source(ev.Source), SourceType: sentinel.SourceType(d.owned.kind(string(ev.SourceType))),
		Count: count, Threshold: max(p.threshold, 1), Window: p.shown,
		Sample: d.owned.sample(d.tick, ev.Raw[:min(len(ev.Raw), maxSample)]),
		User:   d.owned.user(d.tick, ev.User), Late: d.now.late, FromHeader: ev.FromHeader,
	}
	if mt.User != "" {
		det.User = strings.Clone(mt.User)
	}
	det.Addr, det.Scope, det.Key = p.about(ev, mt)
	if mt.Addr.IsValid() || det.Addr != sentinel.Normalize(ev.SrcIP) {
		det.FromHeader = ev.FromHeader && det.Addr == sentinel.Normalize(ev.SrcIP)
	}
	if m == nil {
		return det
	}
	if !p.single() {
		det.Evidence = m.Evidence(ev, *mt)
		return det
	}
	last := d.echoes.at(d.echo(ev, mt, det.Addr))
	if last.again(d.now.sec) {
		det.Template = last.template // its case has the evidence
		return det
	}
	det.Template, det.Evidence = m.Template(ev, *mt), m.Evidence(ev, *mt)
	last.template = det.Template
	return det
}

func (p *plan) single() bool { return p.form == formSingle }

// about returns what a detection is about: the address of the rule's group and
// its network, masked as the group is, or the group's fields in words.
func (p *plan) about(ev *sentinel.Event, mt *rule.Match) (addr netip.Addr, network netip.Prefix, key string) {
	addr = sentinel.Normalize(ev.SrcIP)
	if mt.Addr.IsValid() {
		addr = sentinel.Normalize(mt.Addr)
	}
	if p.single() {
		return addr, sentinel.Entity(addr), ""
	}
	k := p.main.key
	if mt.Step >= 0 && int(mt.Step) < len(p.stepKeys) {
		k = p.stepKeys[mt.Step]
	}
	switch k.addr {
	case rule.SrcIP:
		return addr, scope(addr, k), ""
	case rule.PeerIP:
		addr = sentinel.Normalize(ev.PeerIP)
		return addr, scope(addr, k), ""
	}
	var b strings.Builder
	for i, f := range k.fields {
		if i > 0 {
			b.WriteByte(' ')
		}
		v := f.String(ev)
		if f == rule.User && mt.User != "" {
			v = mt.User
		}
		b.WriteString(f.Name())
		b.WriteByte('=')
		b.WriteString(v[:min(len(v), 256)])
	}
	return netip.Addr{}, netip.Prefix{}, b.String()
}

func scope(a netip.Addr, k *keyFn) netip.Prefix {
	bits := k.v6
	if a.Is4() {
		bits = k.v4
	}
	p, err := a.Prefix(bits)
	if err != nil { // an invalid address
		return netip.Prefix{}
	}
	return p
}
