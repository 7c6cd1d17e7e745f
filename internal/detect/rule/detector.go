package rule

import sentinel "github.com/sentinel-ai/sentinel-ai"

// The detectors.
const (
	// DetectorPayload is the model that knows requests which look like attacks.
	DetectorPayload = "payload"
	// DetectorFloodDist and DetectorSiteDist watch a log as a whole; what they find
	// is in no single event.
	DetectorFloodDist = "flood_dist"
	DetectorSiteDist  = "site_dist"
	// DetectorNewCountry and DetectorTravel watch where users log in from.
	DetectorNewCountry = "new_country"
	DetectorTravel     = "impossible_travel"
)

// detectors are what a rule's detector may name.
var detectors = []string{DetectorPayload, DetectorFloodDist, DetectorSiteDist, DetectorNewCountry, DetectorTravel}

// Detectors lists the names that a rule's detector may have.
func Detectors() []string { return append([]string(nil), detectors...) }

// ByDetector returns the numbers of the enabled rules that a detector decides.
func (s *Set) ByDetector(name string) (out []int32) {
	for i, r := range s.rules {
		if r.Enabled && r.Detector == name {
			out = append(out, int32(i))
		}
	}
	return out
}

// Found is what a detector found in an event: a part of a text in one of its
// fields. Text is good until the next call of Match.
type Found struct {
	Field      Field
	View       View
	Text       string
	Start, End int
}

type report struct {
	match Match
	found Found
}

// Text returns a text of the event that Match was called for last, as conditions
// see it. It is good until the next call of Match.
func (m *Matcher) Text(f Field, v View) string { return m.text(f, v) }

// Admits reports whether a rule's log source takes in the event that Match was
// called for last.
func (m *Matcher) Admits(r int32) bool {
	mask := m.set.rules[r].LogSource.mask
	sshd := len(m.ev.Program) >= 4 && m.ev.Program[:4] == "sshd"
	return mask == 0 || mask&classOf(m.source, sshd, m.ev.Type) != 0
}

// Report adds a rule that its detector found to the matches of the event that
// Match was called for last, unless an exception silences it. It returns all
// matches of the event, in the order of the set.
func (m *Matcher) Report(r int32, f Found) []Match {
	mt := Match{Rule: r, Step: -1}
	if !m.excepted(mt) {
		m.out = append(m.out, mt)
		m.reports = append(m.reports, report{mt, f})
		m.sort()
	}
	return m.out
}

// reportOf returns what a detector reported as a match, nil if it did not.
func (m *Matcher) reportOf(mt Match) *report {
	for i := range m.reports {
		if r := &m.reports[i]; r.match.Rule == mt.Rule && r.match.Step == mt.Step {
			return r
		}
	}
	return nil
}

// reported is Evidence for the match of a detector.
func (m *Matcher) reported(mt Match) []sentinel.Evidence {
	r := m.reportOf(mt)
	if r == nil {
		return nil
	}
	f := r.found
	return []sentinel.Evidence{excerpt(f.Field, f.View, f.Text, f.Start, f.End)}
}
