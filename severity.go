package sentinel

import (
	"fmt"
	"strings"
)

// Severity says how grave a rule, a threat or a notice is. The zero value is
// Info. Severities are ordered: Info < Low < Medium < High < Critical.
type Severity uint8

// The five severities, and how many there are.
const (
	Info Severity = iota
	Low
	Medium
	High
	Critical
	NumSeverities
)

var severityNames = [NumSeverities]string{"INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"}

// String returns the severity in capitals, as it stands in rules and tables.
func (s Severity) String() string {
	if s < NumSeverities {
		return severityNames[s]
	}
	return fmt.Sprintf("Severity(%d)", uint8(s))
}

// ParseSeverity reads a severity in any case. Its error names the five.
func ParseSeverity(text string) (Severity, error) {
	for i, name := range severityNames {
		if strings.EqualFold(text, name) {
			return Severity(i), nil
		}
	}
	return Info, fmt.Errorf("severity %q is none of %s", text, strings.Join(severityNames[:], ", "))
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(text []byte) error {
	v, err := ParseSeverity(string(text))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// SeverityOf maps a score in 0..1 to its band: [0,0.2) INFO, [0.2,0.4) LOW,
// [0.4,0.6) MEDIUM, [0.6,0.8) HIGH, [0.8,1] CRITICAL. The score must have been
// quantised to thousandths before, since binary floating point puts 0.75*0.8 on
// the wrong side of 0.6.
func SeverityOf(score float64) Severity {
	switch {
	case score < 0.2:
		return Info
	case score < 0.4:
		return Low
	case score < 0.6:
		return Medium
	case score < 0.8:
		return High
	}
	return Critical
}
