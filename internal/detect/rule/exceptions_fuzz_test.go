package rule

import "testing"

// FuzzParseExceptions reads whatever text as a file of exceptions, and as the
// name of a field.
func FuzzParseExceptions(f *testing.F) {
	f.Add("- {reason: monitoring, expires: 2030-01-01, rules: [SSH_BRUTE_001], match: {src_ip: 192.0.2.0/24}}\n")
	f.Add("- {reason: x, match: {user: [a, b]}}\n---\n- {match: {}}\n")
	f.Add("a: &a [*a]\n")
	f.Add("http.user_agent")
	f.Fuzz(func(t *testing.T, text string) {
		list, problems := ParseExceptions("x.yml", []byte(text))
		for _, p := range problems {
			if p.Message == "" || p.Line < 0 {
				t.Errorf("%+v", p)
			}
		}
		for _, e := range list {
			if e.Reason == "" {
				t.Errorf("an exception without a reason: %+v", e)
			}
		}
		_, _ = ParseField(text) // must not panic
	})
}
