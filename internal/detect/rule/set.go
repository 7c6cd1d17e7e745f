package rule

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Options are what a Set is compiled with. The zero value is good.
type Options struct {
	// Exceptions stand outside rules.
	Exceptions []Exception
	// ReadFile reads the lists that conditions name by in_file. Without it such
	// rules are refused.
	ReadFile func(name string) ([]byte, error)
	// Now is the time by which exceptions outside rules must not expire later
	// than a year ahead; the zero time checks nothing.
	Now time.Time
	// Budget is how many bytes patterns and libinjection may read in one event;
	// 0 means DefaultBudget. When it is used up, the patterns left do not match
	// and norm.flags has budget.
	Budget int
}

// DefaultBudget lets 64 patterns read a text of MaxText bytes.
const DefaultBudget = 64 * MaxText

// Set is a set of compiled rules. It does not change and may be shared.
type Set struct {
	rules  []*Rule
	byID   map[string]int
	trees  []*tree
	leaves int // memoised leaves
	// patterns is the number of different patterns.
	patterns int
	plans    []*plan
	planOf   [numClassSets][sentinel.NumEventTypes]uint16
	index    *index
	// homes are the trees without literals that a group's text decides.
	homes  [homes][]int32
	exc    [][]exception // by rule
	budget int
	now    time.Time
	treeOf map[targetKey]*tree
}

type targetKey struct {
	rule int32
	step int16
}

// tree is a condition that one or more rules (or steps) share.
type tree struct {
	full *Cond
	root *node // what is left after the selector; nil: nothing
	show *node // all of it, to be explained
	// targets are the matches that a true tree gives.
	targets []Match
	// plain: no target has exceptions and no leaf captures.
	plain, captures bool
	mask            uint32 // classes of sources; 0: all
	events          uint32 // bit set of event types
	web             bool   // cannot hold without HTTP fields
	// direct: typed comparisons only, evaluated without the index.
	direct bool
	// late: asks whether the budget was used up, and so is decided last.
	late bool
	// indexed: found by literals, in the texts that groups names.
	indexed  bool
	groups   uint8
	literals []string
	texts    []fieldView // of groupText, with literals
	states   int
	// home is the group whose text alone decides the tree, -1 for none.
	home int
	// parts are what the tree is cut into; the set then has them, not the tree.
	// whole is the tree that a part belongs to.
	parts []*tree
	whole *tree
}

type exception struct {
	expires time.Time
	root    *node
}

// node is a condition made ready: children ordered by cost.
type node struct {
	kind condKind
	memo int32 // place in Matcher.memo, -1: not kept
	cost int32
	leaf *leaf
	kids []node
}

// Len returns the number of rules, disabled ones included.
func (s *Set) Len() int { return len(s.rules) }

// Rule returns the i-th rule. It must not be changed.
func (s *Set) Rule(i int) *Rule { return s.rules[i] }

// ByID returns the number of the rule with an id.
func (s *Set) ByID(id string) (int, bool) {
	i, ok := s.byID[id]
	return i, ok
}

// Compile makes a set of rules. Rules with a fault are left out and named. A
// custom rule replaces a built-in one of the same id (a warning says so); two
// custom or two built-in rules of one id are both refused.
func Compile(rules []*Rule) (*Set, []Problem) { return CompileWith(rules, Options{}) }

// CompileWith is Compile with options.
func CompileWith(rules []*Rule, o Options) (*Set, []Problem) {
	c := &compiler{o: o, numbers: map[string]int32{}, set: &Set{byID: map[string]int{}, treeOf: map[targetKey]*tree{}, budget: o.Budget, now: o.Now}}
	if c.set.budget <= 0 {
		c.set.budget = DefaultBudget
	}
	c.unique(rules)
	c.references()
	c.lists()
	for i, r := range c.set.rules {
		c.set.byID[r.ID] = i
	}
	c.exceptions()
	c.plant()
	c.set.index = newIndex(c.set.trees)
	c.homes()
	c.plan()
	sortProblems(c.problems)
	return c.set, c.problems
}

type compiler struct {
	o        Options
	set      *Set
	problems []Problem
	byKey    map[string]*tree
	memos    map[string]*shared
	numbers  map[string]int32 // of patterns, by text
	files    map[string]*list
}

// shared is a leaf that several places have.
type shared struct {
	leaf  *leaf
	place int32
	uses  int
}

type list struct {
	lines []string
	err   error
}

func (c *compiler) problem(r *Rule, line int, warning bool, format string, args ...any) {
	c.problems = append(c.problems, Problem{
		File: r.File, Line: line, RuleID: r.ID, Message: fmt.Sprintf(format, args...), Warning: warning,
	})
}

// unique settles rules of one id and puts the rest in the set.
func (c *compiler) unique(rules []*Rule) {
	byID := map[string][]*Rule{}
	for _, r := range rules {
		byID[r.ID] = append(byID[r.ID], r)
	}
	for _, r := range rules {
		var same, custom []*Rule
		for _, o := range byID[r.ID] {
			if o.Custom {
				custom = append(custom, o)
			}
			if o != r && o.Custom == r.Custom {
				same = append(same, o)
			}
		}
		switch {
		case len(same) > 0:
			c.problem(r, r.Line, false, "the id stands also at %s:%d; both are refused", same[0].File, same[0].Line)
		case !r.Custom && len(custom) == 1:
			c.problem(custom[0], custom[0].Line, true, "replaces the built-in rule of the same id")
		default:
			c.set.rules = append(c.set.rules, r)
		}
	}
}

// references drops sequences that name rules that are not there, or themselves.
func (c *compiler) references() {
	for {
		byID := map[string]*Rule{}
		for _, r := range c.set.rules {
			byID[r.ID] = r
		}
		n := len(c.set.rules)
		c.set.rules = slices.DeleteFunc(c.set.rules, func(r *Rule) bool {
			for _, ref := range r.refs() {
				if byID[ref] == nil {
					c.problem(r, r.Line, false, "the sequence names the rule %s, which is not there", ref)
					return true
				}
				if reaches(byID, ref, r.ID, map[string]bool{}) {
					c.problem(r, r.Line, false, "the sequence depends on itself through the rule %s", ref)
					return true
				}
			}
			return false
		})
		if len(c.set.rules) == n {
			return
		}
	}
}

// refs lists the rules that a rule's sequence names.
func (r *Rule) refs() []string {
	var out []string
	if r.Sequence != nil {
		for _, s := range r.Sequence.Steps {
			out = append(out, s.Rule)
		}
		for _, g := range r.Sequence.Unless {
			out = append(out, g.Rule)
		}
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "" })
}

func reaches(byID map[string]*Rule, from, to string, seen map[string]bool) bool {
	if from == to {
		return true
	}
	if seen[from] || byID[from] == nil {
		return false
	}
	seen[from] = true
	for _, ref := range byID[from].refs() {
		if reaches(byID, ref, to, seen) {
			return true
		}
	}
	return false
}

// Match is one rule whose condition holds for an event. Rule is its number in
// the set; Step the step of its sequence (len(Steps)+i for the i-th guard), -1
// for other rules. Addr and User were captured by a pattern; User is good until
// the next call of Match.
type Match struct {
	Rule int32
	Step int16
	Addr netip.Addr
	User string
}
