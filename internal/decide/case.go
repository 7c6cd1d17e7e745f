package decide

import (
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/sentinel-ai/sentinel-ai"
)

// What one case holds at most. Attackers choose what goes into it.
const (
	maxSamples     = 5
	maxEvidence    = 10
	maxRules       = 32
	maxTechniques  = 16
	maxTemplates   = 16 // a rule's exponent in R is saturated there
	maxSampleBytes = 1024
	maxSpanBytes   = 512
	maxTextBytes   = 512 // description
	maxNameBytes   = 128 // user, source, group, type, key of a case
	maxCount       = 1 << 40

	// A case with all that it may hold takes about 20 KiB, most take 2. All
	// open ones together may take meanCaseBytes for each of Config.MaxCases.
	meanCaseBytes  = 3 << 10
	leastCaseBytes = 1 << 20
	bareCaseBytes  = int(unsafe.Sizeof(openCase{})) + 512 // with its places in maps
)

// caseKey is what a case is about: an entity, or a key in words, in one group.
type caseKey struct {
	scope netip.Prefix
	key   string
	group string
}

// keyOf makes a case's key. With a scope the words do not matter. It allocates
// nothing; the strings are cut, not copied.
func keyOf(scope netip.Prefix, key, group string) caseKey {
	if group == "" {
		group = "other"
	}
	k := caseKey{group: cut(group, maxNameBytes)}
	if scope.IsValid() {
		k.scope = entityPrefix(scope)
	} else {
		k.key = cut(key, maxNameBytes)
	}
	return k
}

// entityPrefix normalises a prefix; parts of an IPv6 /64 become that /64.
func entityPrefix(p netip.Prefix) netip.Prefix {
	p = NormalizePrefix(p)
	if p.IsValid() && p.Addr().Is6() && p.Bits() > 64 {
		p = netip.PrefixFrom(p.Addr(), 64).Masked()
	}
	return p
}

// scopeOf is what a detection is about.
func scopeOf(det *sentinel.Detection) netip.Prefix {
	if det.Scope.IsValid() {
		return det.Scope
	}
	if det.Key != "" {
		return netip.Prefix{}
	}
	return sentinel.Entity(det.Addr)
}

func groupOf(det *sentinel.Detection) string {
	if det.Group != "" {
		return det.Group
	}
	return det.Type
}

// openCase is a growing threat. The slices of its threat belong to it.
type openCase struct {
	threat sentinel.Threat
	// rules lies beside threat.Score.Rules.
	rules []ruleMemory
	// opened and fired are on the decider's clock.
	opened, fired time.Duration
	// dirty is the place in the decider's list of cases with changes that were
	// not handed out yet, -1 if there are none.
	dirty int
	// grew: it is in the decider's list of cases that grew.
	grew    bool
	verdict verdict
	// ground is what the policy has to know of the last detection.
	ground ground
	// lastTime and lastLine identify the last event, so that one that fires
	// several rules counts once.
	lastTime time.Time
	lastLine uint64
	// justified: it has been counted in the entity's reputation. alarmed: the
	// alarm "protected address" was raised.
	justified, alarmed bool
	// bestWeight is the weight of the rule that names the threat.
	bestWeight float64
	// size is what the decider has counted for it, in bytes.
	size int
	// placed is the address whose place the threat has.
	placed netip.Addr
}

// bytes is about what the case takes.
func (c *openCase) bytes() int {
	t := &c.threat
	n := bareCaseBytes + cap(t.Score.Rules)*int(unsafe.Sizeof(sentinel.RulePart{})) + cap(c.rules)*int(unsafe.Sizeof(ruleMemory{})) +
		cap(t.Evidence)*int(unsafe.Sizeof(sentinel.Evidence{})) + 16*(cap(t.Samples)+cap(t.MITRE))
	for _, s := range t.Samples {
		n += len(s)
	}
	for i := range t.Evidence {
		n += len(t.Evidence[i].Text)
	}
	for i := range c.rules {
		n += 8 * cap(c.rules[i].templates)
	}
	return n
}

// ruleMemory is what a case remembers about a rule besides its part in the score.
type ruleMemory struct {
	templates []uint64
}

// add takes in a detection. It reports whether something changed that people
// should see at once, and whether the score may have changed.
func (c *openCase) add(det *sentinel.Detection) (visible, rescore bool) {
	t := &c.threat
	first := len(t.Score.Rules) == 0
	line := fingerprint(det.Sample)
	switch same := !first && det.Time.Equal(c.lastTime) && line == c.lastLine; {
	case first:
		t.EventCount = max(det.Count, 1)
	case !same:
		t.EventCount = min(max(t.EventCount+1, det.Count), maxCount)
	default:
		t.EventCount = min(max(t.EventCount, det.Count), maxCount)
	}
	c.lastTime, c.lastLine = det.Time, line
	if det.Time.After(t.LastSeen) {
		t.LastSeen = det.Time
	}
	if a := sentinel.Normalize(det.Addr); a.IsValid() {
		t.AttackerIP = a
	}
	if t.User == "" && det.User != "" {
		t.User = keep(det.User, maxNameBytes)
	}
	added, rescore := c.addRule(det)
	visible = added
	if det.Outcome.Rank() > t.Outcome.Rank() {
		t.Outcome, t.OutcomeWhy = det.Outcome, keep(det.OutcomeWhy, maxTextBytes)
		visible = true
	}
	if len(t.Samples) < maxSamples && det.Sample != "" {
		if s := cut(det.Sample, maxSampleBytes); !slices.Contains(t.Samples, s) {
			t.Samples = append(t.Samples, strings.Clone(s))
			visible = true
		}
	}
	for _, e := range det.Evidence {
		if len(t.Evidence) >= maxEvidence {
			break
		}
		if e = boundEvidence(e); !slices.Contains(t.Evidence, e) {
			e.Text = strings.Clone(e.Text)
			t.Evidence = append(t.Evidence, e)
			visible = true
		}
	}
	for _, tag := range det.Tags {
		id, ok := Technique(tag)
		if ok && len(t.MITRE) < maxTechniques && !slices.Contains(t.MITRE, id) {
			t.MITRE = append(t.MITRE, id)
			visible = true
		}
	}
	return visible, rescore
}

// addRule counts a firing. It reports whether the rule is new to the case and
// whether the score may have changed.
func (c *openCase) addRule(det *sentinel.Detection) (added, rescore bool) {
	t := &c.threat
	part := sentinel.RulePart{
		ID: keep(det.RuleID, maxNameBytes), Name: keep(det.RuleName, maxNameBytes),
		Origin: keep(det.Origin, maxNameBytes), Severity: min(det.Severity, sentinel.Critical), Confidence: unit(det.Confidence), Written: unit(det.Written),
		Last: det.Time, Count: max(det.Count, 1), Threshold: det.Threshold, Window: det.Window,
		Advisory: det.Advisory, NoBlock: det.NoBlock, Deterministic: det.Deterministic, Basis: cut(det.Basis, maxNameBytes),
		Limit: det.Limit, LimitOnly: det.LimitOnly, Raised: det.Raised,
	}
	i := slices.IndexFunc(t.Score.Rules, func(r sentinel.RulePart) bool { return r.ID == det.RuleID })
	if i < 0 {
		if len(t.Score.Rules) < maxRules {
			t.Score.Rules = append(t.Score.Rules, sentinel.RulePart{})
			c.rules = append(c.rules, ruleMemory{})
			i = len(t.Score.Rules) - 1
		} else if i = c.weakest(); !lighter(&t.Score.Rules[i], &part) {
			return false, false // too many rules, and this one says least
		}
		c.rules[i] = ruleMemory{}
		added = true
	} else {
		old := t.Score.Rules[i]
		part.Firings = old.Firings
		if old.Raised && !part.Raised { // what may have worked once stays grave
			part.Severity, part.Raised = max(old.Severity, part.Severity), true
		}
		if singleEvent(det) {
			part.Count = min(old.Count+1, maxCount)
		}
		if old.Last.After(part.Last) {
			part.Last = old.Last
		}
		rescore = old.Severity != part.Severity || old.Confidence != part.Confidence ||
			old.Basis != part.Basis || old.Advisory != part.Advisory || old.NoBlock != part.NoBlock || old.Deterministic != part.Deterministic
	}
	if n := c.rules[i].firings(part.Firings, det); n != part.Firings {
		rescore = rescore || part.Firings < maxTemplates // beyond it R does not change
		part.Firings = n
	}
	t.Score.Rules[i] = part
	c.nameBy(det, &part)
	return added, rescore || added
}

// singleEvent reports whether a rule fires on one event, without counting.
func singleEvent(det *sentinel.Detection) bool { return det.Window == 0 && det.Threshold <= 1 }

// firings returns N after one more firing: of a rule that counts, the firings;
// of one that fires on single events, the distinct templates, up to
// maxTemplates. Templates seen before a restart are not known any more: the
// first ones after it are taken to be the same.
func (m *ruleMemory) firings(n int, det *sentinel.Detection) int {
	if !singleEvent(det) {
		return min(n+1, maxCount)
	}
	if len(m.templates) < maxTemplates && !slices.Contains(m.templates, det.Template) {
		m.templates = append(m.templates, det.Template)
	}
	return max(n, len(m.templates))
}

// weakest returns the rule that says least.
func (c *openCase) weakest() int {
	rules, w := c.threat.Score.Rules, 0
	for i := range rules {
		if lighter(&rules[i], &rules[w]) {
			w = i
		}
	}
	return w
}

// lighter orders rules by whether they can justify a block, then by weight.
func lighter(a, b *sentinel.RulePart) bool {
	if justifies(a) != justifies(b) {
		return justifies(b)
	}
	return ruleWeight(a) < ruleWeight(b)
}

// nameBy lets the weightiest rule name the threat.
func (c *openCase) nameBy(det *sentinel.Detection, part *sentinel.RulePart) {
	w := ruleWeight(part)
	if part.Advisory {
		w /= 4
	}
	if t := &c.threat; t.RuleID == "" || w > c.bestWeight {
		c.bestWeight = w
		t.RuleID, t.Type = part.ID, keep(det.Type, maxNameBytes)
		t.Description = keep(det.Description, maxTextBytes)
		if t.Description == "" {
			t.Description = part.Name
		}
	}
}

// snapshot returns a copy that shares nothing with the case.
func (c *openCase) snapshot() sentinel.Threat { return cloneThreat(c.threat) }

func cloneThreat(t sentinel.Threat) sentinel.Threat {
	t.Samples = slices.Clone(t.Samples)
	t.Evidence = slices.Clone(t.Evidence)
	t.MITRE = slices.Clone(t.MITRE)
	t.Score.Rules = slices.Clone(t.Score.Rules)
	t.Score.A, t.Score.L = cloneFloat(t.Score.A), cloneFloat(t.Score.L)
	t.Score.Reasons = slices.Clone(t.Score.Reasons)
	t.AnomalyScore = cloneFloat(t.AnomalyScore)
	return t
}

func cloneFloat(p *float64) *float64 {
	if p == nil {
		return nil
	}
	return new(*p)
}

// Technique reads an ATT&CK id, such as "T1110.001", from a rule's tag, such as
// "attack.t1110.001"; false for a tag that names none.
func Technique(tag string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.ToLower(tag), "attack.t")
	if !ok || len(rest) < 4 || len(rest) > 8 {
		return "", false
	}
	for i := range len(rest) {
		if (rest[i] < '0' || rest[i] > '9') != (i == 4) || i == 4 && rest[i] != '.' {
			return "", false
		}
	}
	return "T" + rest, true
}

// boundEvidence cuts the text of a span to maxSpanBytes around its match.
func boundEvidence(e sentinel.Evidence) sentinel.Evidence {
	e.Start = min(max(e.Start, 0), len(e.Text))
	e.End = min(max(e.End, e.Start), len(e.Text))
	if len(e.Text) > maxSpanBytes {
		from := max(0, min(e.Start-maxSpanBytes/4, len(e.Text)-maxSpanBytes))
		e.Text = e.Text[from : from+maxSpanBytes]
		e.Start -= from
		e.End = min(e.End-from, maxSpanBytes)
	}
	e.Field, e.View = cut(e.Field, maxNameBytes), cut(e.View, maxNameBytes)
	return e
}

// cut shortens to n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// keep is cut, and lets go of a longer string that s was part of.
func keep(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.Clone(cut(s, n))
}

// fingerprint is the FNV-1a hash of the beginning of a line.
func fingerprint(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range min(len(s), maxSampleBytes) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
