package sigma

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// filters makes exceptions of the filters, for each rule that they name: what a
// filter does not let pass is excepted. A rule that serves a correlation has them
// in its condition instead.
func (c *Collection) filters(entries []*entry) map[*entry][]rule.Exception {
	out := map[*entry][]rule.Exception{}
	for _, f := range entries {
		if f.doc.form != formFilter {
			continue
		}
		n := 0
		for _, e := range entries {
			if e.doc.form != formRule || e.err != nil || !f.doc.meant(e.doc) {
				continue
			}
			pass, err := f.doc.when(e.src)
			if err != nil {
				f.err = err
				break
			}
			n++
			if pass.kind == exprTrue {
				continue
			}
			match := not(pass)
			if match.kind == exprTrue {
				f.err = fmt.Errorf("it lets nothing pass of the rule %q", e.doc.title)
				break
			}
			cond, err := match.build(rule.NewBuilder(), f.doc.line)
			if err != nil {
				f.err = err
				break
			}
			out[e] = append(out[e], rule.Exception{Reason: "filter: " + f.doc.title, Match: cond, File: f.doc.file, Line: f.doc.line})
			e.filtered = and(e.filtered, pass)
		}
		if f.err == nil && n == 0 {
			f.err = fmt.Errorf("none of the rules that it names is loaded: %s", strings.Join(f.doc.rules, ", "))
		}
	}
	return out
}

// meant reports whether a filter is for a rule.
func (d *document) meant(r *document) bool {
	for _, p := range [][2]string{
		{d.source.product, r.source.product}, {d.source.category, r.source.category}, {d.source.service, r.source.service},
	} {
		if p[0] != "" && p[0] != p[1] {
			return false
		}
	}
	return slices.Contains(d.rules, "any") || r.id != "" && slices.Contains(d.rules, r.id) || r.name != "" && slices.Contains(d.rules, r.name)
}
