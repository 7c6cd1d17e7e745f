package ctl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// coveredTechnique is a technique of ATT&CK and the rules that are tagged with it.
type coveredTechnique struct {
	Tactic string   `json:"tactic"`
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	Rules  []string `json:"rules"`
}

func newRulesCoverage(a *app) *cobra.Command {
	var navigator, missing bool
	c := &cobra.Command{
		Use: "coverage [FILE|DIR...]", Short: "Show which techniques of ATT&CK the rules find",
		Long: `Show which techniques of ATT&CK the rules are tagged with: those that the agent
loads by its configuration, or those of files. A tag says what a rule is about, not
that it finds every form of it.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			_, picked, _, err := a.pickRules(args)
			if err != nil {
				return err
			}
			rows := coverage(picked, missing)
			if navigator {
				return a.json(navigatorLayer(rows))
			}
			return answer(a, rows, rows, func([]coveredTechnique) { a.coverage(rows, len(picked)) })
		},
	}
	c.Flags().BoolVar(&navigator, "navigator", false, "a layer for the ATT&CK Navigator, in JSON")
	c.Flags().BoolVar(&missing, "missing", false, "also the techniques that no rule has")
	return c
}

// coverage lists the techniques of rules by tactic and id.
func coverage(picked []*rule.Rule, missing bool) []coveredTechnique {
	by := map[string][]string{}
	if missing {
		for id := range techniques {
			by[id] = []string{}
		}
	}
	for _, r := range picked {
		for _, tag := range r.Tags {
			id := strings.ToUpper(strings.TrimPrefix(strings.ToLower(tag), "attack."))
			if len(id) < 5 || id[0] != 'T' || id[1]-'0' > 9 || slices.Contains(by[id], r.ID) {
				continue
			}
			by[id] = append(by[id], r.ID)
		}
	}
	rows := []coveredTechnique{}
	for id, rules := range by {
		t := techniques[id]
		if t.tactic == "" { // of a rule of somebody else
			t = technique{tactic: "other", name: techniques[id[:5]].name}
		}
		slices.Sort(rules)
		rows = append(rows, coveredTechnique{Tactic: t.tactic, ID: id, Name: t.name, Rules: rules})
	}
	order := func(t string) int {
		if i := slices.Index(tactics, t); i >= 0 {
			return i
		}
		return len(tactics)
	}
	slices.SortFunc(rows, func(x, y coveredTechnique) int {
		if d := order(x.Tactic) - order(y.Tactic); d != 0 {
			return d
		}
		return strings.Compare(x.ID, y.ID)
	})
	return rows
}

func (a *app) coverage(rows []coveredTechnique, n int) {
	s := a.out
	t := &table{head: []string{"Tactic", "ID", "Technique", "Rules", ""}, flex: []int{4, 2}}
	t.numbers(3)
	last, covered := "", 0
	for _, r := range rows {
		tactic := ""
		if r.Tactic != last {
			tactic, last = strings.ReplaceAll(r.Tactic, "_", " "), r.Tactic
		}
		st := stylePlain
		if len(r.Rules) == 0 {
			st = styleDim
		} else {
			covered++
		}
		t.add(cell{tactic, styleBold}, cell{r.ID, st}, cell{r.Name, st}, cell{thousands(len(r.Rules)), st}, plain(someOf(r.Rules)))
	}
	t.print(s)
	s.printf("\n  %s with rules, of %s\n", plural(covered, "technique"), plural(n, "rule"))
}

// navigatorLayer is a layer for the ATT&CK Navigator: the more rules a technique
// has, the darker it is.
func navigatorLayer(rows []coveredTechnique) any {
	type cell struct {
		ID      string `json:"techniqueID"`
		Score   int    `json:"score"`
		Comment string `json:"comment"`
	}
	most := 1
	cells := []cell{}
	for _, r := range rows {
		if len(r.Rules) > 0 {
			cells = append(cells, cell{r.ID, len(r.Rules), strings.Join(r.Rules, ", ")})
			most = max(most, len(r.Rules))
		}
	}
	return map[string]any{
		"name": "SentinelAI rules", "domain": "enterprise-attack", "description": fmt.Sprintf("%d techniques", len(cells)),
		"versions":   map[string]string{"layer": "4.5", "navigator": "4.9.1", "attack": "16"},
		"techniques": cells,
		"gradient":   map[string]any{"colors": []string{"#dbeafe", "#1d4ed8"}, "minValue": 0, "maxValue": most},
	}
}

// namesShown is how many rules a line of the table names.
const namesShown = 4

// someOf names the first of a list, and how many more there are.
func someOf(list []string) string {
	if len(list) <= namesShown {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:namesShown], ", "), len(list)-namesShown)
}
