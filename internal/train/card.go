package train

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
)

// Card describes a model for people: where it comes from, its figures and how to
// make it again.
func Card(m *anomaly.Model, f *Figures) (string, error) {
	file, err := m.MarshalBinary()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# Model %s

An isolation forest over what one client of a web server does in five minutes, or
in an hour if it is slow. It was trained on harmless clients alone and knows no
attacks. What it is used for: docs/anomaly.md.

| | |
| --- | --- |
| generator | %s |
| seed | %d |
| windows learned from | %d, at most %d of one client |
| trees; nodes | %d; %d |
| size | %d bytes |
| SHA-256 | `+"`%x`"+` |
| 99 %% point (the gate) | %.4f |

Learned from:

| log | SHA-256 |
| --- | --- |
`, m.Card.Name, or(m.Card.Generator, "none: logs given as files"), m.Card.Seed, m.Card.Windows, perClient, m.Forest.Trees(), m.Forest.Nodes(), len(file),
		sha256.Sum256(file), m.Gate)
	for _, d := range m.Card.Data {
		fmt.Fprintf(&b, "| %s | `%s` |\n", d.Name, d.SHA256)
	}
	if f == nil {
		return b.String(), nil
	}
	fmt.Fprintf(&b, `
Measured on another week of the same sites, with other clients and with %d
attackers of each behaviour and speed on each site, against %d harmless windows.
AUC is the chance that an attacker's window scores higher than a harmless one.
The other columns are the share of attackers' windows, and of attackers with at
least one, above the score that 0.1 %% and 1 %% of the harmless windows exceed.

%s
These are figures on generated logs: they compare models, and do not say what will
be found on a host. There the model judges together with a forest of the host's
own windows, and by what is rare there.
`, perBehaviour, f.Harmless, f.Markdown())
	return b.String(), nil
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
