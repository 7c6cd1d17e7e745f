package rule

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// dfaPatterns have what makes a table go wrong: borders, folding, repeats,
// classes outside ASCII, anchors in odd places.
var dfaPatterns = []string{
	`a`, ``, `^$`, `^a`, `a$`, `(?m)^a$`, `\ba\b`, `\Ba`, `a\B`, `(?i)straße`, `(?i)K`, `[^a]b`, `a.b`, `(?s)a.b`, `\bor\b.{1,8}\bset\b`,
	`(?:a|ab)(?:c|bcd)$`, `^(?:a|b)*c`, `x(?:^a|b)`, `\b`, `\B`, `^\b`, `\b$`, `[\x80-\x{10ffff}]a`, `\x{fffd}`, `é+\b`, `(?i)é`, `a{2,5}b`,
	`(?:^|/)wp-(?:login|admin)`, `a*?b+?c??$`, `(?U)a+b`, `\A\n\z`, `(?m)a$\nb`, `[[:word:]]+ [[:^word:]]`, `(a|b|)$`, `(?i)[a-c]x`, `.{3}$`,
}

func FuzzDFA(f *testing.F) {
	for _, p := range dfaPatterns {
		f.Add(p, "a b\nsets é\xff ab")
	}
	f.Fuzz(func(t *testing.T, src, text string) {
		p, err := newPattern(src)
		if err != nil || len(text) > 300 {
			return
		}
		d := dfas{of: make([]*dfa, 1)}
		for range 2 {
			if got, want := d.matches(p, 0, text), p.regexp().MatchString(text); got != want {
				t.Fatalf("%q in %q: %t, regexp says %t", src, text, got, want)
			}
		}
	})
}

// TestDFA compares tables with regexp on random texts, with memory that is kept
// between texts and shared by all patterns.
func TestDFA(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	pieces := []string{"a", "b", "c", "ab", "bcd", " ", "\n", "or", "set", "/", "wp-login", "é", "É", "ß", "k", "K", "\u212a", "\xff", "\xc3", "x", "_", "9", ".", "ſ", "\ufffd"}
	d := dfas{of: make([]*dfa, len(dfaPatterns))}
	var patterns []*pattern
	for _, src := range dfaPatterns {
		p, err := newPattern(src)
		if err != nil {
			t.Fatal(err)
		}
		patterns = append(patterns, p)
	}
	for range 20_000 {
		var b strings.Builder
		for range rnd.IntN(12) {
			b.WriteString(pieces[rnd.IntN(len(pieces))])
		}
		s := b.String()
		for i, p := range patterns {
			if got, want := d.matches(p, int32(i), s), p.regexp().MatchString(s); got != want {
				t.Fatalf("%q in %q: %t, regexp says %t", p.src, s, got, want)
			}
		}
	}
}

// TestDFABounds holds that a text that needs ever new states neither makes the
// tables grow without end nor changes the answer.
func TestDFABounds(t *testing.T) {
	p, err := newPattern(`[ab]*a[ab]{12}c(?:[ab]{20}d)?`)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	d := dfas{of: make([]*dfa, 1)}
	for range 500 {
		text := make([]byte, 1000)
		for i := range text {
			text[i] = 'a' + byte(rnd.IntN(2))
		}
		text[rnd.IntN(len(text))] = 'c'
		if got, want := d.matches(p, 0, string(text)), p.regexp().MatchString(string(text)); got != want {
			t.Fatalf("%t, regexp says %t", got, want)
		}
		if d.bytes > dfaBytes+1<<20 {
			t.Fatalf("%d bytes", d.bytes)
		}
	}
}
