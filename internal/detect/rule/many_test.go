package rule

import (
	"fmt"
	"strings"
	"testing"
)

// However many rules there are, each is found by its literals: a rule that is not
// is evaluated for every line.
func TestManyRulesAreIndexed(t *testing.T) {
	var text strings.Builder
	const n = 8000
	for i := range n {
		fmt.Fprintf(&text, "---\nid: R_%05d\nname: r\nseverity: LOW\nlog_source: web\nconditions: {http.path|canon|contains: /folder-of-a-program-%05d/page.php}\n", i, i)
	}
	var all []*Rule
	for doc := range strings.SplitSeq(text.String(), "---\n") {
		if doc == "" {
			continue
		}
		rules, problems := ParseFile("many.yml", []byte(doc))
		if len(rules) != 1 {
			t.Fatal(problems)
		}
		all = append(all, rules...)
	}
	set, problems := Compile(all)
	if set.Len() != n {
		t.Fatalf("%d rules: %v", set.Len(), problems)
	}
	for _, tree := range set.trees {
		if !tree.indexed {
			t.Fatalf("a rule is evaluated for every line")
		}
	}
}
