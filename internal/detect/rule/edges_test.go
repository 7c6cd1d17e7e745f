package rule

import (
	"fmt"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestEdges(t *testing.T) {
	holds := func(expr, s string, texts ...string) bool {
		c, err := NewBuilder().Compare(1, expr, texts...)
		if err != nil {
			t.Fatal(err)
		}
		c.leaf.prepare()
		if got, want := c.leaf.edges != nil, len(texts) >= many; got != want {
			t.Fatalf("%s of %d texts: edges %t, want %t", expr, len(texts), got, want)
		}
		m := &Matcher{ev: &sentinel.Event{Message: s}}
		return m.testText(c.leaf, s)
	}
	long := []string{"abc", "xbc", "cab", "ABd", "a.b", "yz", "bc.a"}
	for _, expr := range []string{"message|startswith", "message|endswith", "message|cased|startswith", "message|cased|endswith"} {
		for _, s := range append(long, "", "a", "ab", "abcd", "dabc", "ABC", "xABD", "abdx", "yZ", "Yz!", "\xc3yz") {
			want := false
			for _, one := range long {
				want = want || holds(expr, s, one)
			}
			t.Run(fmt.Sprintf("%s %q", expr, s), func(t *testing.T) {
				if got := holds(expr, s, long...); got != want {
					t.Errorf("among many %t, alone %t", got, want)
				}
			})
		}
	}
}
