package sentinel_test

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// foreign are the packages that read what others wrote: lines, rule files,
// configurations, frames of the socket, lists.
var foreign = []string{
	"", "internal/parse", "internal/detect/rule", "internal/detect/rule/norm", "internal/decide", "internal/config", "internal/control", "internal/collect",
}

// readers are the beginnings of the names of functions that read text.
var readers = []string{"Parse", "Read", "Decode", "Guess", "Shape", "Unmarshal", "Load"}

// unfuzzed are readers that need no fuzz target of their own, and why.
var unfuzzed = map[string]string{
	"internal/config.Load":        "opens a file for Parse",
	"internal/config.LoadWith":    "opens a file for Parse",
	"internal/config.LoadAnyway":  "opens a file for Parse",
	"internal/config.LoadRuntime": "opens a file for Parse",
	"internal/config.ParseWith":   "is what Parse calls",
}

// TestFaultParsers holds that each parser of foreign bytes has a fuzz target: a
// file with a Fuzz function in its package that names it.
func TestFaultParsers(t *testing.T) {
	t.Run("B17 every parser of foreign bytes has a fuzz target", func(t *testing.T) {
		parsers := map[string][]string{} // package to names
		fuzzed := map[string]map[string]bool{}
		for _, s := range sources(t) {
			if !slices.Contains(foreign, s.pkg) {
				continue
			}
			if s.test {
				note(s, fuzzed)
				continue
			}
			for _, d := range s.file.Decls {
				f, ok := d.(*ast.FuncDecl)
				stream := ok && f.Recv != nil && f.Name.Name == "Read" // of an io.Reader
				if ok && f.Name.IsExported() && !stream && reads(f) {
					parsers[s.pkg] = append(parsers[s.pkg], f.Name.Name)
				}
			}
		}
		n := 0
		for pkg, names := range parsers {
			for _, name := range names {
				n++
				full := strings.TrimPrefix(pkg+"."+name, ".")
				switch _, excused := unfuzzed[full]; {
				case fuzzed[pkg][name] && excused:
					t.Errorf("%s has a fuzz target now: take it off the list of those without", full)
				case !fuzzed[pkg][name] && !excused:
					t.Errorf("%s reads foreign text and no fuzz target names it", full)
				}
			}
		}
		if n < 10 {
			t.Errorf("only %d parsers were found", n)
		}
	})
}

// note adds the names that a file with a fuzz target mentions.
func note(s source, fuzzed map[string]map[string]bool) {
	has := false
	for _, d := range s.file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
			has = true
		}
	}
	if !has {
		return
	}
	if fuzzed[s.pkg] == nil {
		fuzzed[s.pkg] = map[string]bool{}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			fuzzed[s.pkg][id.Name] = true
		}
		return true
	})
}

// reads reports whether a function is called like a reader and takes text.
func reads(f *ast.FuncDecl) bool {
	if !slices.ContainsFunc(readers, func(p string) bool { return strings.HasPrefix(f.Name.Name, p) }) {
		return false
	}
	for _, p := range f.Type.Params.List {
		switch x := p.Type.(type) {
		case *ast.Ident:
			if x.Name == "string" {
				return true
			}
		case *ast.ArrayType:
			if id, ok := x.Elt.(*ast.Ident); ok && id.Name == "byte" {
				return true
			}
		case *ast.SelectorExpr:
			if x.Sel.Name == "Reader" {
				return true
			}
		}
	}
	return false
}
