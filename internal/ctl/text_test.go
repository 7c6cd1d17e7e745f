package ctl

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain text":                 "plain text",
		"Größe 世界 é":                 "Größe 世界 é",
		"\x1b]0;owned\x07":           `\x1b]0;owned\x07`,
		"\x1b[2J":                    `\x1b[2J`,
		"a\nb\rc\td":                 `a\nb\rc d`,
		"\x9b31m":                    `\x9b31m`,       // C1 as a byte
		"\u009b31m":                  `\x9b31m`,       // and as a character
		"\u202egnp.exe":              `\u202egnp.exe`, // right to left
		"a\u200bb\u2066c\ufeff":      `a\u200bb\u2066c\ufeff`,
		"\U000e0041":                 `\U000e0041`, // a tag
		"\xff\xfe":                   `\xff\xfe`,
		"\u2028":                     `\u2028`,
		"\x7f":                       `\x7f`,
		"cut in the middle \xe4\xb8": `cut in the middle \xe4\xb8`,
		"":                           "",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWidth(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
	}{{"abc", 3}, {"世界", 4}, {"é", 1}, {"e\u0301", 1}, {"日本語abc", 9}} {
		if got := width(c.text); got != c.n {
			t.Errorf("width(%q) = %d, want %d", c.text, got, c.n)
		}
		if got := width(pad(c.text, 12)); got != 12 {
			t.Errorf("pad(%q, 12) has %d columns", c.text, got)
		}
		for n := 1; n < 12; n++ {
			if got := truncate(c.text, n); width(got) > n {
				t.Errorf("truncate(%q, %d) = %q", c.text, n, got)
			}
		}
	}
	if got := truncate("日本語", 4); got != "日…" {
		t.Errorf("truncate = %q", got)
	}
}

func TestWrap(t *testing.T) {
	text := "one two three " + strings.Repeat("x", 30) + " 日本語日本語日本語日本語"
	for n := 2; n < 40; n++ {
		lines := wrap(text, n)
		for _, l := range lines {
			if width(l) > n {
				t.Errorf("wrap(%d): %q is too wide", n, l)
			}
		}
		if got := strings.ReplaceAll(strings.Join(lines, ""), " ", ""); got != strings.ReplaceAll(text, " ", "") {
			t.Errorf("wrap(%d) lost text: %q", n, got)
		}
	}
}

func TestFitSpan(t *testing.T) {
	before, match, after := strings.Repeat("b", 100), "MATCH", strings.Repeat("a", 100)
	for _, n := range []int{12, 20, 40, 80, 207, 300} {
		b, m, a := fitSpan(before, match, after, n)
		if w := width(b) + width(m) + width(a); w > n {
			t.Errorf("%d columns in %d: %q %q %q", w, n, b, m, a)
		}
		if m != match {
			t.Errorf("the match was cut at %d: %q", n, m)
		}
	}
	if b, _, a := fitSpan("short ", match, after, 40); b != "short " || !strings.HasSuffix(a, "…") {
		t.Errorf("%q %q", b, a)
	}
}

func TestExcerpts(t *testing.T) {
	e := func(text string, from, to int) sentinel.Evidence {
		return sentinel.Evidence{Field: "f", Text: text, Start: from, End: to}
	}
	got := excerpts([]sentinel.Evidence{e("0123456789", 6, 8), e("other", -3, 99), e("0123456789", 1, 3), e("0123456789", 2, 5), e("0123456789", 9, 4)})
	want := []excerpt{{"f", "0123456789", [][2]int{{1, 5}, {6, 8}, {9, 9}}}, {"f", "other", [][2]int{{0, 5}}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestTimes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		300 * time.Millisecond: "<1s ago", 2 * time.Second: "2s ago", 61 * time.Second: "1m ago", 47 * time.Hour: "47h ago",
		72 * time.Hour: "3d ago", -2 * time.Hour: "in 2h",
	} {
		if got := ago(clock, clock.Add(-d)); got != want {
			t.Errorf("ago(%v) = %q, want %q", d, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 59 * time.Second: "59s", 65 * time.Second: "1m 5s", 5 * time.Minute: "5m", time.Hour: "1h", 86*time.Hour + 22*time.Minute + time.Second: "3d 14h 22m",
	} {
		if got := long(d); got != want {
			t.Errorf("long(%v) = %q, want %q", d, got, want)
		}
	}
	if ago(clock, time.Time{}) != "-" {
		t.Error("the zero time")
	}
}

func TestParseWhen(t *testing.T) {
	for text, want := range map[string]time.Time{
		"1h": clock.Add(-time.Hour), "90s": clock.Add(-90 * time.Second), "7d": clock.AddDate(0, 0, -7), "now": clock,
		"today": time.Date(2026, 2, 9, 0, 0, 0, 0, time.UTC), "Yesterday": time.Date(2026, 2, 8, 0, 0, 0, 0, time.UTC),
		"2026-02-01": time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), "2026-02-01 14:30": time.Date(2026, 2, 1, 14, 30, 0, 0, time.UTC),
		"2026-02-01T14:30:00+01:00": time.Date(2026, 2, 1, 13, 30, 0, 0, time.UTC),
	} {
		if got, err := parseWhen(text, clock); err != nil || !got.Equal(want) {
			t.Errorf("parseWhen(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "yesterdayish", "1", "-1h", "2026-13-01", "1x", "0000-01-01", "9999999999h"} {
		if got, err := parseWhen(text, clock); err == nil {
			t.Errorf("parseWhen(%q) = %v, want an error", text, got)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"7Q2M", "8XKD", "P0WC"}
	for text, want := range map[string][]string{"7Q2N": {"7Q2M"}, "7QM2": {"7Q2M"}, "q2m": {"7Q2M"}, "zzzz": nil, "": nil, strings.Repeat("x", 4000): nil} {
		if got := nearest(text, names, 3); !reflect.DeepEqual(got, want) {
			t.Errorf("nearest(%.20q) = %v, want %v", text, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	if got := thousands(uint64(1234567)); got != "1,234,567" {
		t.Error(got)
	}
	if got := thousands(-1234); got != "-1,234" {
		t.Error(got)
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1024: "1.0 kB", 38 << 20: "38 MB", 5 << 40: "5.0 TB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
	for _, c := range []struct {
		part, all uint64
		want      string
	}{{0, 0, "100%"}, {5, 5, "100%"}, {0, 5, "0.0%"}, {99999, 100000, ">99.9%"}, {1, 100000, "<0.1%"}, {1, 2, "50%"}} {
		if got := percent(c.part, c.all); got != c.want {
			t.Errorf("percent(%d, %d) = %q, want %q", c.part, c.all, got, c.want)
		}
	}
}

// safe reports whether a terminal obeys nothing in a text.
func safe(text string) bool {
	return utf8.ValidString(text) && dirty(text) < 0
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"a", "\x1b[2J", "\u009b1m", "\xff", "世\u202e界", "\U000e0041\n"} {
		f.Add(s, 10)
	}
	f.Fuzz(func(t *testing.T, s string, n int) {
		c := clean(s)
		if !safe(c) {
			t.Fatalf("clean(%q) = %q", s, c)
		}
		if clean(c) != c {
			t.Fatalf("cleaning %q twice gives %q", c, clean(c))
		}
		n = n%200 + 200
		if got := truncate(c, n); !safe(got) || width(got) > n {
			t.Fatalf("truncate(%q, %d) = %q", c, n, got)
		}
		for _, l := range wrap(c, n) {
			if !safe(l) || width(l) > n {
				t.Fatalf("wrap(%q, %d) has %q", c, n, l)
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{"a\"b\\c", "\x1b[2J\x00", "\u009b1m\u2028", "\xff\xed\xa0\x80", "世\u202e界\U000e0041"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := encode(map[string]string{"k": s})
		if err != nil {
			t.Fatal(err)
		}
		b := append(appendString([]byte(`{"k":`), s), '}')
		var x, y map[string]string
		if err := json.Unmarshal(a, &x); err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		if err := json.Unmarshal(b, &y); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if !safe(string(a)) || !safe(string(b)) {
			t.Fatalf("%q or %q would be obeyed", a, b)
		}
		if utf8.ValidString(s) && (x["k"] != s || y["k"] != s) || x["k"] != y["k"] {
			t.Fatalf("%q became %q and %q", s, x["k"], y["k"])
		}
	})
}

func FuzzWhen(f *testing.F) {
	for _, s := range []string{"1h", "7d", "today", "2026-11-01", "2026-11-01T10:00:00Z", "1h30m", "99999999999999999999h", "-1h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseWhen(s, clock)
		if err == nil {
			if _, err := at.MarshalJSON(); err != nil {
				t.Fatalf("parseWhen(%q) = %v: %v", s, at, err)
			}
		}
		if d, err := control.ParseDuration(s); err == nil && (d < 0 || d > control.MaxDuration) {
			t.Fatalf("ParseDuration(%q) = %v", s, d)
		}
	})
}
