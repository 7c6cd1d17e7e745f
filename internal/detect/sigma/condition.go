package sigma

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Bounds of what one document may hold.
const (
	maxDepth     = 32      // nested parentheses and nots
	maxCondition = 8 << 10 // bytes of a condition
	maxValues    = 20_000  // values of a rule, with what modifiers make of them
)

// condition reads the text of a condition. Names are looked up with find; all
// lists those that "them" means.
type condition struct {
	tokens []string
	depth  int
	names  []string
	find   func(name string) (*expr, error)
}

// parseCondition makes an expression of a condition.
func parseCondition(text string, names []string, find func(string) (*expr, error)) (*expr, error) {
	if len(text) > maxCondition {
		return nil, fmt.Errorf("the condition is %d bytes long; at most %d are allowed", len(text), maxCondition)
	}
	if strings.Contains(text, "|") {
		return nil, fmt.Errorf("the condition counts with a pipe (|), which Sigma has dropped: a correlation says the same")
	}
	c := &condition{names: names, find: find}
	c.tokens = strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))
	e, err := c.or()
	if err != nil {
		return nil, err
	}
	if len(c.tokens) > 0 {
		return nil, fmt.Errorf("condition: %q is not expected", c.tokens[0])
	}
	return e, nil
}

// next takes the next token if it is the word.
func (c *condition) next(word string) bool {
	if len(c.tokens) > 0 && strings.EqualFold(c.tokens[0], word) {
		c.tokens = c.tokens[1:]
		return true
	}
	return false
}

func (c *condition) or() (*expr, error) {
	var kids []*expr
	for {
		k, err := c.and()
		if err != nil {
			return nil, err
		}
		if kids = append(kids, k); !c.next("or") {
			return or(kids...), nil
		}
	}
}

func (c *condition) and() (*expr, error) {
	var kids []*expr
	for {
		k, err := c.unary()
		if err != nil {
			return nil, err
		}
		if kids = append(kids, k); !c.next("and") {
			return and(kids...), nil
		}
	}
}

func (c *condition) unary() (*expr, error) {
	if c.depth++; c.depth > maxDepth {
		return nil, fmt.Errorf("condition: nested deeper than %d", maxDepth)
	}
	defer func() { c.depth-- }()
	switch {
	case c.next("not"):
		k, err := c.unary()
		if err != nil {
			return nil, err
		}
		return not(k), nil
	case c.next("("):
		k, err := c.or()
		if err != nil {
			return nil, err
		}
		if !c.next(")") {
			return nil, fmt.Errorf("condition: a parenthesis is not closed")
		}
		return k, nil
	case len(c.tokens) == 0:
		return nil, fmt.Errorf("condition: it ends where a name is expected")
	}
	word := c.tokens[0]
	c.tokens = c.tokens[1:]
	if len(c.tokens) > 0 && strings.EqualFold(c.tokens[0], "of") {
		return c.quantified(word)
	}
	if word == ")" || isWord(word) {
		return nil, fmt.Errorf("condition: %q is not expected", word)
	}
	if !slices.Contains(c.names, word) {
		return nil, fmt.Errorf("condition: there is no selection %q", word)
	}
	return c.find(word)
}

// isWord reports whether a token belongs to the grammar.
func isWord(s string) bool {
	return slices.ContainsFunc([]string{"and", "or", "not", "of"}, func(w string) bool { return strings.EqualFold(s, w) })
}

// quantified reads what follows "1" or "all": "of" and a name with wildcards.
func (c *condition) quantified(word string) (*expr, error) {
	every := strings.EqualFold(word, "all")
	if !every && word != "1" && !strings.EqualFold(word, "any") {
		return nil, fmt.Errorf("condition: %q of: only 1, any and all are known", word)
	}
	c.tokens = c.tokens[1:]
	if len(c.tokens) == 0 {
		return nil, fmt.Errorf("condition: it ends after %q of", word)
	}
	pattern := c.tokens[0]
	c.tokens = c.tokens[1:]
	var kids []*expr
	for _, name := range c.names {
		if !selects(pattern, name) {
			continue
		}
		k, err := c.find(name)
		if err != nil {
			return nil, err
		}
		kids = append(kids, k)
	}
	switch {
	case len(kids) == 0:
		return nil, fmt.Errorf("condition: no selection is called %q", pattern)
	case every:
		return and(kids...), nil
	}
	return or(kids...), nil
}

// selects reports whether a name is meant by "them" or a name with stars. Names
// that begin with an underscore are not among them.
func selects(pattern, name string) bool {
	if pattern == "them" {
		return !strings.HasPrefix(name, "_")
	}
	ok, err := path.Match(strings.NewReplacer("[", `\[`, "?", `\?`).Replace(pattern), name)
	return err == nil && ok
}
