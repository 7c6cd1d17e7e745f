package sentinel_test

import (
	"encoding/json"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestRate(t *testing.T) {
	for text, want := range map[string]sentinel.Rate{
		"5/s":      {Count: 5, Per: time.Second},
		"10/m":     {Count: 10, Per: time.Minute},
		"100/h":    {Count: 100, Per: time.Hour},
		"100000/d": {Count: 100_000, Per: 24 * time.Hour},
	} {
		got, err := sentinel.ParseRate(text)
		if err != nil || got != want || got.String() != text || !got.Valid() {
			t.Errorf("%q is %+v (%v), %q", text, got, err, got)
		}
	}
	for _, text := range []string{"", "10", "/m", "0/m", "-1/m", "+1/m", "10/w", "10/", "1e3/s", "100001/s", "ten/m", " 1/s", "1/s "} {
		if got, err := sentinel.ParseRate(text); err == nil {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
	for _, r := range []sentinel.Rate{{}, {Count: 1}, {Per: time.Second}, {Count: 1, Per: time.Millisecond}} {
		if r.Valid() {
			t.Errorf("%+v is valid", r)
		}
	}
}

func TestRateAsJSON(t *testing.T) {
	for _, want := range []string{`{"rate":"10/m"}`, `{}`} {
		var v struct {
			Rate sentinel.Rate `json:"rate,omitzero"`
		}
		if err := json.Unmarshal([]byte(want), &v); err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(v); err != nil || string(got) != want {
			t.Errorf("%s became %s (%v)", want, got, err)
		}
	}
}
