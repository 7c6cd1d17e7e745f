package sentinel_test

import (
	"encoding"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// FuzzWords reads whatever text as each word of the vocabulary: what is taken
// must be written as it was read.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"auth_fail", "HIGH", "high", "open", "false_positive", "10/minute", "1/s", "", "\x00", "999999999999999999999/s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if v, err := sentinel.ParseEventType(text); err == nil && v.String() != text {
			t.Errorf("%q became the event type %v", text, v)
		}
		if v, err := sentinel.ParseStatus(text); err == nil && string(v) != text {
			t.Errorf("%q became the status %v", text, v)
		}
		if v, err := sentinel.ParseSeverity(text); err == nil {
			if again, err := sentinel.ParseSeverity(v.String()); err != nil || again != v {
				t.Errorf("%q became the severity %v", text, v)
			}
		}
		if v, err := sentinel.ParseRate(text); err == nil {
			if again, err := sentinel.ParseRate(v.String()); err != nil || again != v || !v.IsZero() && !v.Valid() {
				t.Errorf("%q became the rate %v", text, v)
			}
		}
		for _, v := range []encoding.TextUnmarshaler{new(sentinel.Severity), new(sentinel.Rate)} {
			_ = v.UnmarshalText([]byte(text)) // must not panic
		}
	})
}
