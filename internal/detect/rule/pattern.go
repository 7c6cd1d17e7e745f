package rule

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"sync"
	"unicode"
)

// Limits of one pattern's cost. Go's regular expressions are linear in the
// text, but each of a repeat's copies may be alive at each byte: (?:x.{0,900}y)z
// takes seconds on a long line.
const (
	maxRepeat  = 200  // copies that one counted repeat makes
	maxCopies  = 1000 // instructions that counted repeats make in all
	maxProgram = 2048 // instructions of one pattern
)

// pattern is one regular expression. It is checked when its rule is read, and
// compiled when a text first asks for it: of hundreds most never are, and their
// programs are most of what rules would keep in memory.
type pattern struct {
	src    string
	folded string // what is compiled
	// program and regexp compile it, once.
	program func() *program
	regexp  func() *regexp.Regexp
	// insts is the size of the compiled program.
	insts int
	// addrGroup and userGroup are the indices of capturing groups, 0 for none.
	addrGroup, userGroup int
	otherGroups          []string
	// upper: a capital letter is wanted that (?i) does not soften.
	upper bool
}

// program is a compiled pattern.
type program struct {
	prog *syntax.Prog
	// classes are its classes of characters, nil if they are too many for a
	// table.
	classes *runeClasses
}

// tree parses a pattern that was found to be valid before.
func (p *pattern) tree() *syntax.Regexp {
	tree, err := syntax.Parse(p.folded, syntax.Perl)
	if err != nil {
		panic("rule: a pattern that was checked does not parse: " + err.Error())
	}
	return tree.Simplify()
}

func (p *pattern) compile() *program {
	prog, err := syntax.Compile(p.tree())
	if err != nil {
		panic("rule: a pattern that was checked does not compile: " + err.Error())
	}
	return &program{prog, newRuneClasses(prog)}
}

func (p *pattern) captures() bool { return p.addrGroup > 0 || p.userGroup > 0 }

// newPattern compiles src (RE2 syntax) and refuses what costs too much. Under
// (?i) the letters k and s stand for themselves and their capitals only, not
// for the Kelvin sign and the long s.
func newPattern(src string) (*pattern, error) {
	tree, err := syntax.Parse(src, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("%w (patterns are RE2: no look-around, no back-references)", err)
	}
	copies, err := repeats(tree)
	if err != nil {
		return nil, err
	}
	if copies > maxCopies {
		return nil, fmt.Errorf("its counted repeats make %d steps; at most %d are allowed, since each may be alive at each byte", copies, maxCopies)
	}
	p := &pattern{src: src, folded: src}
	if folds(tree) {
		p.folded = asciiFold(tree).String()
		if tree, err = syntax.Parse(p.folded, syntax.Perl); err != nil {
			return nil, fmt.Errorf("compiling the pattern: %w", err)
		}
	}
	p.program = sync.OnceValue(p.compile)
	p.regexp = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(p.folded) })
	names := tree.CapNames()
	tree = tree.Simplify()
	prog, err := syntax.Compile(tree)
	if err != nil {
		return nil, fmt.Errorf("compiling the pattern: %w", err)
	}
	if p.insts = len(prog.Inst); p.insts > maxProgram {
		return nil, fmt.Errorf("the compiled pattern has %d steps; at most %d are allowed", p.insts, maxProgram)
	}
	for i, name := range names {
		switch name {
		case "":
		case "attacker_ip", "src_ip":
			p.addrGroup = i
		case "user":
			p.userGroup = i
		default:
			p.otherGroups = append(p.otherGroups, name)
		}
	}
	p.upper = wantsUpper(tree)
	return p, nil
}

// repeats returns how many instructions the counted repeats of a tree make and
// refuses single ones that are too long.
func repeats(re *syntax.Regexp) (int, error) {
	size := 0
	for _, sub := range re.Sub {
		n, err := repeats(sub)
		if err != nil {
			return 0, err
		}
		size += n
	}
	if re.Op != syntax.OpRepeat {
		return size, nil
	}
	count := max(re.Min, re.Max)
	if count > maxRepeat {
		return 0, fmt.Errorf("%s repeats up to %d times; at most %d are allowed, since each copy may be alive at each byte", re, count, maxRepeat)
	}
	return count * max(size, width(re.Sub[0])), nil
}

// width is about the number of instructions of a tree without its repeats.
func width(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += width(sub)
	}
	return n
}

// folds reports whether some of a tree is under (?i).
func folds(re *syntax.Regexp) bool {
	return re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase != 0 || slices.ContainsFunc(re.Sub, folds)
}

// asciiFold keeps (?i) from folding k and s to letters outside ASCII.
func asciiFold(re *syntax.Regexp) *syntax.Regexp {
	for i, sub := range re.Sub {
		re.Sub[i] = asciiFold(sub)
	}
	if re.Op != syntax.OpLiteral || re.Flags&syntax.FoldCase == 0 || !slices.ContainsFunc(re.Rune, foldsOut) {
		return re
	}
	out := &syntax.Regexp{Op: syntax.OpConcat, Flags: re.Flags}
	for i := 0; i < len(re.Rune); {
		if r := re.Rune[i]; foldsOut(r) {
			up, low := unicode.ToUpper(r), unicode.ToLower(r)
			if r > unicode.MaxASCII {
				up, low = r, r
			}
			class := []rune{up, up, low, low}
			if up == low {
				class = class[:2]
			}
			out.Sub = append(out.Sub, &syntax.Regexp{Op: syntax.OpCharClass, Rune: class, Flags: re.Flags &^ syntax.FoldCase})
			i++
			continue
		}
		j := i
		for j < len(re.Rune) && !foldsOut(re.Rune[j]) {
			j++
		}
		out.Sub = append(out.Sub, &syntax.Regexp{Op: syntax.OpLiteral, Rune: re.Rune[i:j], Flags: re.Flags})
		i = j
	}
	return out
}

func foldsOut(r rune) bool {
	return r == 'k' || r == 'K' || r == 's' || r == 'S' || r == 0x17f || r == 0x212a
}

// wantsUpper reports whether a capital letter must be there for a match.
func wantsUpper(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		return re.Flags&syntax.FoldCase == 0 && slices.ContainsFunc(re.Rune, func(r rune) bool { return 'A' <= r && r <= 'Z' })
	case syntax.OpCharClass:
		return len(re.Rune) > 0 && re.Rune[0] >= 'A' && re.Rune[len(re.Rune)-1] <= 'Z'
	case syntax.OpStar, syntax.OpQuest:
		return false
	case syntax.OpAlternate:
		return !slices.ContainsFunc(re.Sub, func(s *syntax.Regexp) bool { return !wantsUpper(s) })
	}
	return slices.ContainsFunc(re.Sub, wantsUpper)
}
