package rule

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// A dfa decides whether a pattern matches anywhere in a text. It is the
// pattern's program run over sets of instructions, and each step that was
// worked out once is kept in a table: a byte of text costs one look-up, where
// regexp visits every live instruction. It says yes or no and nothing else;
// what matched is asked of regexp.
//
// Steps are worked out only as far as a text's fuel goes, and the tables of all
// patterns of a matcher have one limit: beyond either, regexp answers. Hostile
// text thus costs at most about twice what it would without the table.
type dfa struct {
	prog    *syntax.Prog
	classes *runeClasses
	stride  uint32
	// next[state+class] is the state that follows; a state is the offset of its
	// row. The first row is not a state: see the constants.
	next []uint32
	// of each state, by row number
	states []dfaState
	index  map[string]uint32
	start  uint32
}

// What stands in a table beside states.
const (
	dfaUnknown = iota
	dfaMatch
	dfaDead // nothing that follows can match
	dfaReserved
)

type dfaState struct {
	// pcs are the instructions that are alive, sorted.
	pcs []uint32
	// before is what stands before the next character, as far as the pattern
	// asks.
	before rune
	// end says whether the text may end here: dfaUnknown, dfaMatch or dfaDead.
	end uint8
}

const (
	// dfaFuel is how many instructions may be visited to fill in a table for
	// one text, besides dfaFuelByte for each of its bytes.
	dfaFuel     = 4000
	dfaFuelByte = 20
	// dfaBytes bounds the tables of a matcher.
	dfaBytes = 6 << 20
)

// dfas are the tables of a matcher's patterns.
type dfas struct {
	of    []*dfa
	bytes int
	work  dfaWork
}

// dfaWork is scratch memory.
type dfaWork struct {
	mark  []uint32 // by instruction: the round in which it was reached
	round uint32
	stack []uint32
	next  []uint32
	key   []byte
}

// matches reports whether a pattern matches anywhere in s. number is the
// pattern's in the set.
func (d *dfas) matches(p *pattern, number int32, s string) bool {
	a := d.of[number]
	if a == nil {
		c := p.program()
		if c.classes == nil {
			return p.regexp().MatchString(s)
		}
		a = newDFA(c)
		d.of[number] = a
		d.bytes += a.rowBytes(0)
	}
	yes, ok := a.run(s, d)
	if !ok {
		return p.regexp().MatchString(s)
	}
	return yes
}

// reset drops all tables.
func (d *dfas) reset() {
	clear(d.of)
	d.bytes = 0
}

func newDFA(p *program) *dfa {
	a := &dfa{prog: p.prog, classes: p.classes, stride: max(uint32(p.classes.n), dfaReserved), index: map[string]uint32{}}
	a.next = make([]uint32, a.stride)
	a.states = make([]dfaState, 1)
	return a
}

// rowBytes is about what a state of n instructions takes.
func (a *dfa) rowBytes(n int) int { return int(a.stride)*4 + 8*n + 160 }

// run matches s. It reports false if the fuel or the memory was used up.
func (a *dfa) run(s string, d *dfas) (yes, ok bool) {
	fuel := dfaFuel + dfaFuelByte*len(s)
	if a.start == 0 {
		var pcs []uint32
		if a.classes.anchored {
			pcs = []uint32{uint32(a.prog.Start)}
		}
		a.start = a.state(pcs, a.classes.before(-1), d)
	}
	state := a.start
	next, ascii := a.next, &a.classes.ascii
	for i := 0; i < len(s); {
		c := uint32(s[i])
		if c < utf8.RuneSelf {
			c = uint32(ascii[c])
			i++
		} else {
			r, w := utf8.DecodeRuneInString(s[i:])
			c = uint32(a.classes.of(r))
			i += w
		}
		to := next[state+c]
		if to >= dfaReserved {
			state = to
			continue
		}
		if to == dfaUnknown {
			if to, ok = a.fill(state, int(c), &fuel, d); !ok {
				return false, false
			}
			next = a.next
			if to >= dfaReserved {
				state = to
				continue
			}
		}
		return to == dfaMatch, true
	}
	st := &a.states[state/a.stride]
	if st.end == dfaUnknown {
		st.end = dfaDead
		if a.close(st, -1, d, &fuel) {
			st.end = dfaMatch
		}
	}
	return st.end == dfaMatch, true
}

// fill works out one step.
func (a *dfa) fill(state uint32, class int, fuel *int, d *dfas) (to uint32, ok bool) {
	if *fuel < 0 {
		return 0, false
	}
	if d.bytes > dfaBytes {
		d.reset()
		return 0, false
	}
	r := a.classes.reps[class]
	w := &d.work
	to = dfaMatch
	if !a.close(&a.states[state/a.stride], r, d, fuel) {
		slices.Sort(w.next)
		w.next = slices.Compact(w.next)
		if to = dfaDead; len(w.next) > 0 || !a.classes.anchored {
			to = a.state(w.next, a.classes.before(r), d)
		}
	}
	a.next[state+uint32(class)] = to
	return to, true
}

// close follows the instructions of a state up to the next character, r (-1 at
// the end). It reports whether one of them is a match; if not, work.next has
// those behind r.
func (a *dfa) close(st *dfaState, r rune, d *dfas, fuel *int) bool {
	w := &d.work
	if len(w.mark) < len(a.prog.Inst) {
		w.mark = make([]uint32, max(len(a.prog.Inst), maxProgram))
	}
	if w.round++; w.round == 0 {
		clear(w.mark)
		w.round = 1
	}
	have := syntax.EmptyOpContext(st.before, r)
	w.next = w.next[:0]
	w.stack = append(w.stack[:0], st.pcs...)
	if !a.classes.anchored {
		w.stack = append(w.stack, uint32(a.prog.Start))
	}
	for len(w.stack) > 0 {
		pc := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		if w.mark[pc] == w.round {
			continue
		}
		w.mark[pc] = w.round
		*fuel--
		switch in := &a.prog.Inst[pc]; in.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstAlt, syntax.InstAltMatch:
			w.stack = append(w.stack, in.Out, in.Arg)
		case syntax.InstCapture, syntax.InstNop:
			w.stack = append(w.stack, in.Out)
		case syntax.InstEmptyWidth:
			if syntax.EmptyOp(in.Arg)&^have == 0 {
				w.stack = append(w.stack, in.Out)
			}
		case syntax.InstFail:
		default:
			if r >= 0 && in.MatchRune(r) {
				w.next = append(w.next, in.Out)
			}
		}
	}
	return false
}

// state returns the state of a sorted list of instructions.
func (a *dfa) state(pcs []uint32, before rune, d *dfas) uint32 {
	w := &d.work
	w.key = binary.LittleEndian.AppendUint32(w.key[:0], uint32(before))
	for _, pc := range pcs {
		w.key = binary.LittleEndian.AppendUint32(w.key, pc)
	}
	if s, ok := a.index[string(w.key)]; ok {
		return s
	}
	s := uint32(len(a.next))
	a.next = append(a.next, make([]uint32, a.stride)...)
	a.states = append(a.states, dfaState{pcs: slices.Clone(pcs), before: before})
	a.index[string(w.key)] = s
	d.bytes += a.rowBytes(len(pcs))
	return s
}

// runeClasses divides characters into classes that a program treats alike.
type runeClasses struct {
	ascii [utf8.RuneSelf]uint8
	// bounds are the first characters of the classes, reps one of each.
	bounds, reps []rune
	n            int
	// anchored: a match begins at the beginning of the text.
	anchored bool
	// words and lines: the program asks for the borders of words, or of lines
	// or the text.
	words, lines bool
}

// newRuneClasses returns the classes of a program, nil if they are too many.
func newRuneClasses(prog *syntax.Prog) *runeClasses {
	c := &runeClasses{bounds: []rune{0}, anchored: prog.StartCond()&syntax.EmptyBeginText != 0}
	add := func(lo, hi rune) { c.bounds = append(c.bounds, lo, hi+1) }
	for i := range prog.Inst {
		switch in := &prog.Inst[i]; in.Op {
		case syntax.InstRune, syntax.InstRune1:
			if len(in.Rune) == 1 {
				add(in.Rune[0], in.Rune[0])
				if syntax.Flags(in.Arg)&syntax.FoldCase != 0 {
					for r := unicode.SimpleFold(in.Rune[0]); r != in.Rune[0]; r = unicode.SimpleFold(r) {
						add(r, r)
					}
				}
			}
			for j := 0; j+1 < len(in.Rune); j += 2 {
				add(in.Rune[j], in.Rune[j+1])
			}
		case syntax.InstRuneAnyNotNL:
			add('\n', '\n')
		case syntax.InstEmptyWidth:
			op := syntax.EmptyOp(in.Arg)
			c.words = c.words || op&(syntax.EmptyWordBoundary|syntax.EmptyNoWordBoundary) != 0
			c.lines = c.lines || op&(syntax.EmptyBeginLine|syntax.EmptyBeginText) != 0
			if op&(syntax.EmptyBeginLine|syntax.EmptyEndLine) != 0 {
				add('\n', '\n')
			}
		}
	}
	if c.words {
		add('0', '9')
		add('A', 'Z')
		add('a', 'z')
		add('_', '_')
	}
	if c.lines {
		add('\n', '\n')
	}
	slices.Sort(c.bounds)
	c.bounds = slices.Compact(c.bounds)
	c.reps, c.n = c.bounds, len(c.bounds)
	if c.n > 256 {
		return nil
	}
	for b := range c.ascii {
		c.ascii[b] = c.search(rune(b))
	}
	return c
}

func (c *runeClasses) search(r rune) uint8 {
	i, found := slices.BinarySearch(c.bounds, r)
	if !found {
		i--
	}
	return uint8(i)
}

// of returns the class of a character.
func (c *runeClasses) of(r rune) uint8 {
	if r < utf8.RuneSelf {
		return c.ascii[r]
	}
	return c.search(r)
}

// before returns a character that is the same as r to a program that looks back
// at it.
func (c *runeClasses) before(r rune) rune {
	switch {
	case c.words && r >= 0 && syntax.IsWordChar(r):
		return 'a'
	case c.lines && (r == -1 || r == '\n'):
		return r
	}
	return ' '
}
