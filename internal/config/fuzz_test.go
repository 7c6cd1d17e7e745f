package config

import (
	"strings"
	"testing"
	"time"
)

func FuzzParse(f *testing.F) {
	for _, test := range faults() {
		f.Add(test.text)
	}
	f.Add(Show(Default()))
	f.Fuzz(func(t *testing.T, text string) {
		c, problems := Parse("c.yml", []byte(text))
		if (c == nil) == (len(problems) == 0) {
			t.Fatal("neither a configuration nor problems, or both")
		}
		for _, p := range problems {
			if p.Line < 0 || p.Line > strings.Count(text, "\n")+1 || p.Line > 0 && (p.Column < 1 || p.Width < 1) {
				t.Errorf("no such place: %+v", p)
			}
			if s := p.String(); strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f }) {
				t.Errorf("control characters in %q", s)
			}
		}
		if c == nil {
			return
		}
		if r := c.Response; r.MinScore < 0.6 || r.MinScore > 1 || r.MaxBlocks < 1 || r.BlockDuration.High < time.Second || r.BlockDuration.Critical > 7*24*time.Hour {
			t.Errorf("out of bounds: %+v", r)
		}
		again, problems := Parse("c.yml", []byte(Show(c)))
		if len(problems) > 0 || !same(c, again) {
			t.Errorf("shown and read again it differs: %v\n%s", problems, Show(c))
		}
	})
}
