package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ErrNoKey is the kind of a KeyError for what does not exist or what the file
// does not give.
var ErrNoKey = errors.New("no such key")

// KeyError is about a key that somebody named.
type KeyError struct {
	// Message says what is wrong, Hint what would be right; it may be empty.
	Message, Hint string
	kind          error
}

// Error returns the message and the hint.
func (e *KeyError) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// Is reports whether the error is of a kind, such as ErrNoKey.
func (e *KeyError) Is(kind error) bool { return e.kind == kind }

// noKeyf is a KeyError without a hint.
func noKeyf(format string, args ...any) *KeyError {
	return &KeyError{Message: fmt.Sprintf(format, args...), kind: ErrNoKey}
}

// errShape is the error of an edit in a file that is written in a way that
// editing does not know, such as a text over several lines.
var errShape = errors.New("the file writes this in a way that cannot be changed by itself: use 'sentinelctl config edit'")

// Set returns the text of a configuration file with a key given a value, and all
// else as it was: comments, order, style and line endings. The value is as on a
// command line; that of a list is YAML ("[a, b]") or entries with commas between
// them. Sections that are missing are made. The result is not validated.
func Set(data []byte, key, value string) ([]byte, error) {
	v, err := lookup(key)
	if err != nil {
		return nil, err
	}
	l, ok := v.(listValue)
	if !ok {
		return edit(data, key, scalar("!!str", value), func(e *editor, path []string) error {
			return e.set(path, scalarText(value, false), scalarText(value, true))
		})
	}
	want, err := l.entries(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return setList(data, key, want)
}

// Unset returns the text without a key or a whole section, so that the defaults
// hold. Comments stay. The error is ErrNoKey if the file does not give the key.
func Unset(data []byte, key string) ([]byte, error) {
	if _, err := lookup(key); err != nil && !errors.Is(err, errSection) {
		return nil, err
	}
	return edit(data, key, nil, (*editor).unset)
}

// Add returns the text with one more entry in a list. If the file does not give
// the list, it then has the entries of the default and the new one. Nothing
// changes if the entry is there already.
func Add(data []byte, key, entry string) ([]byte, error) {
	l, have, want, err := listOf(data, key, entry)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(have, func(n *yaml.Node) bool { return l.same(n, want[0]) }) {
		return data, nil
	}
	return setList(data, key, append(slices.Clone(have), want[0]))
}

// Remove returns the text without an entry of a list; of sources the path is
// enough. The error is ErrNoKey if the list does not have it.
func Remove(data []byte, key, entry string) ([]byte, error) {
	l, have, want, err := listOf(data, key, entry)
	if err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(have), func(n *yaml.Node) bool { return l.same(n, want[0]) })
	if len(rest) == len(have) {
		return nil, noKeyf("%s has no entry %s", key, quote(entry))
	}
	return setList(data, key, rest)
}

// listOf returns a list's type, its entries in the file or by default, and the
// one entry that was named.
func listOf(data []byte, key, entry string) (l listValue, have, want []*yaml.Node, err error) {
	v, err := lookup(key)
	if err != nil {
		return nil, nil, nil, err
	}
	l, ok := v.(listValue)
	if !ok {
		return nil, nil, nil, fmt.Errorf("%s is no list: use 'sentinelctl config set'", key)
	}
	if want, err = l.entries(entry); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", key, err)
	}
	if len(want) != 1 {
		return nil, nil, nil, fmt.Errorf("%s: one entry at a time", key)
	}
	e, err := newEditor(data)
	if err != nil {
		return nil, nil, nil, err
	}
	if n := e.find(strings.Split(key, ".")); n != nil && n.Kind == yaml.SequenceNode {
		return l, n.Content, want, nil
	}
	return l, v.show().Content, want, nil
}

// setList makes a list hold what is wanted. Where the entries that stay are in
// the order in which they are wanted, the others are taken out and put in one by
// one, so that comments beside entries stay.
func setList(data []byte, key string, want []*yaml.Node) ([]byte, error) {
	inline := inlineOf(&yaml.Node{Kind: yaml.SequenceNode, Content: want})
	return edit(data, key, &yaml.Node{Kind: yaml.SequenceNode, Content: want}, func(e *editor, path []string) error {
		n := e.find(path)
		if n == nil || n.Kind != yaml.SequenceNode || n.Style&yaml.FlowStyle != 0 || len(want) == 0 {
			return e.set(path, inline, inline)
		}
		wanted := func(x *yaml.Node) bool {
			return slices.ContainsFunc(want, func(w *yaml.Node) bool { return equal(w, x) })
		}
		var kept []*yaml.Node
		for _, x := range n.Content {
			if wanted(x) {
				kept = append(kept, x)
			}
		}
		if len(kept) == 0 || len(kept) > len(want) || !slices.EqualFunc(kept, want[:len(kept)], equal) {
			return e.rewriteList(n, want)
		}
		for i := len(n.Content) - 1; i >= 0; i-- {
			if !wanted(n.Content[i]) {
				if err := e.dropItem(n, i); err != nil {
					return err
				}
				if err := e.parse(); err != nil {
					return err
				}
				n = e.find(path)
			}
		}
		return e.appendItems(n, want[len(kept):])
	})
}

// edit applies a change to the text and makes sure that it did what was meant
// and nothing else: the tree of values must be that of the old text with the
// key's value replaced (nil: removed).
func edit(data []byte, key string, want *yaml.Node, change func(*editor, []string) error) ([]byte, error) {
	e, err := newEditor(data)
	if err != nil {
		return nil, err
	}
	path := strings.Split(key, ".")
	expected := graft(tree(e.root), path, tree(want))
	switch err := change(e, path); {
	case errors.Is(err, ErrNoKey):
		return nil, noKeyf("%s is not set", key)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if err := e.parse(); err != nil || !reflect.DeepEqual(prune(tree(e.root)), prune(expected)) {
		return nil, fmt.Errorf("%s: %w", key, errShape)
	}
	return e.bytes(), nil
}

// errSection is the kind of lookup's error for a section.
var errSection = errors.New("this is a section")

// lookup returns the value that a key has by default.
func lookup(key string) (value, error) {
	s := schema(Default())
	prefix := ""
	for {
		word, rest, more := strings.Cut(key[len(prefix):], ".")
		at := slices.IndexFunc(s, func(e entry) bool { return e.key == word })
		if at < 0 {
			return nil, noKey(key, prefix+word, s)
		}
		sub, ok := s[at].value.(section)
		switch {
		case !ok && !more:
			return s[at].value, nil
		case !ok:
			return nil, noKeyf("%s has no keys below it", prefix+word)
		case !more || rest == "":
			return nil, &KeyError{Message: key + " is a section", Hint: "name one of its keys: " + strings.Join(sub.keys(), ", "), kind: errSection}
		}
		s, prefix = sub, prefix+word+"."
	}
}

// noKey is the error for a key that does not exist; at is its part up to the
// first word that is not known.
func noKey(key, at string, s section) error {
	if message, hint, ok := unsupported(at); ok {
		return &KeyError{Message: at + " is " + message, Hint: hint, kind: ErrNoKey}
	}
	word := at[strings.LastIndexByte(at, '.')+1:]
	hint := didYouMean(word, s.keys())
	if hint == "" {
		hint = elsewhere(key[strings.LastIndexByte(key, '.')+1:])
	}
	if hint == "" {
		hint = "known here: " + strings.Join(s.keys(), ", ")
	}
	return &KeyError{Message: "there is no key " + quote(key), Hint: hint, kind: ErrNoKey}
}

// tree returns the values of a node: maps, lists and texts.
func tree(n *yaml.Node) any {
	switch {
	case n == nil || n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return nil
	case n.Kind == yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = tree(n.Content[i+1])
		}
		return m
	case n.Kind == yaml.SequenceNode:
		l := []any{}
		for _, c := range n.Content {
			l = append(l, tree(c))
		}
		return l
	}
	return n.Value
}

// graft returns a tree with the value at a path replaced, or removed if it is
// nil.
func graft(t any, path []string, v any) any {
	if len(path) == 0 {
		return v
	}
	m, _ := t.(map[string]any)
	if m == nil {
		m = map[string]any{}
	}
	m[path[0]] = graft(m[path[0]], path[1:], v)
	return m
}

// prune removes what means nothing: keys without a value and empty sections.
func prune(t any) any {
	m, ok := t.(map[string]any)
	if !ok {
		return t
	}
	for k, v := range m {
		if v = prune(v); v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

func equal(a, b *yaml.Node) bool { return reflect.DeepEqual(tree(a), tree(b)) }
