package control

import (
	"encoding/json"
	"testing"
)

// FuzzValues reads whatever text as the values that parameters hold: what is
// taken can be written and read again.
func FuzzValues(f *testing.F) {
	for _, s := range []string{"203.0.113.7", "2001:db8::/64", "::ffff:1.2.3.4", "10.0.0.1/8", "fe80::1%eth0", "1h", "90", "1d12h", "-5", "1.5", "1e300", `"1h"`, ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := ParseNetwork(text); err == nil {
			if again, err := ParseNetwork(n.String()); err != nil || again != n {
				t.Errorf("%q became the network %v, and that %v (%v)", text, n, again, err)
			}
		}
		var n Network
		_ = n.UnmarshalText([]byte(text))
		if d, err := ParseDuration(text); err == nil && d < 0 {
			t.Errorf("%q became %v", text, d)
		}
		var s Seconds
		if s.UnmarshalJSON([]byte(text)) == nil {
			if _, err := json.Marshal(s); err != nil {
				t.Errorf("%q became %v: %v", text, s, err)
			}
		}
	})
}
