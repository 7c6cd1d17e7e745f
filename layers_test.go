package sentinel_test

import (
	"go/ast"
	"go/build/constraint"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sentinel-ai/sentinel-ai"

// layers says who may import whom. A package without a line of its own belongs
// to the nearest one above it, and packages of one line may import each other.
// "" is the vocabulary in the root. A new package gets its line on purpose.
var layers = map[string][]string{
	"":    {},
	"api": {},

	// Rules: values in, values out.
	"internal/parse":          {""},
	"internal/detect/rule":    {""},
	"internal/detect/sigma":   {"", "internal/detect/rule"},
	"internal/detect":         {"", "internal/detect/rule", "internal/detect/keyed"},
	"internal/detect/keyed":   {},
	"internal/decide":         {""},
	"internal/detect/anomaly": {"", "internal/detect/keyed"},
	"internal/detect/profile": {""},
	"internal/engine":         {"", "internal/parse", "internal/detect", "internal/detect/rule", "internal/detect/anomaly", "internal/detect/profile", "internal/detect/payload", "internal/decide", "models"},
	"internal/detect/payload": {"", "internal/detect/anomaly"},
	"rules":                   {"", "internal/detect/rule"},

	"internal/simulate": {"", "internal/parse"},                                                           // the latter in tests
	"internal/train":    {"", "internal/parse", "internal/detect/anomaly", "internal/simulate", "models"}, // the last in tests
	"models":            {"internal/detect/anomaly", "internal/detect/payload"},

	// Hands: input and output. They know neither the rules nor each other.
	"internal/collect": {""},
	"internal/store":   {""},
	"internal/enforce": {"", "internal/netnstest"}, // the latter in tests
	"internal/notify":  {""},
	"internal/llm":     {""},
	"internal/scan":    {""},
	"internal/report":  {""},
	"internal/geo":     {""},
	"internal/control": {""},
	"internal/host":    {""},
	"internal/drill":   {""},
	"internal/uplink":  {"", "api"},

	"internal/config":    {""},
	"internal/logging":   {},
	"internal/metrics":   {},
	"internal/sandbox":   {},
	"internal/service":   {"packaging"},
	"internal/netnstest": {},

	// What a configuration means to the rules; both programs on the host share it.
	"internal/setup": {"", "rules", "models", "internal/detect/payload", "internal/parse", "internal/detect/rule", "internal/detect/sigma", "internal/decide", "internal/config"},

	// Programs join things.
	"internal/agent": {"", "api", "rules", "internal/parse", "internal/detect", "internal/detect/rule", "internal/detect/sigma", "internal/detect/anomaly", "internal/detect/profile", "internal/detect/payload", "models", "internal/decide", "internal/engine",
		"internal/collect", "internal/store", "internal/enforce", "internal/notify", "internal/llm", "internal/scan", "internal/report",
		"internal/geo", "internal/control", "internal/host", "internal/metrics", "internal/sandbox", "internal/uplink", "internal/config", "internal/setup"},
	"internal/ctl": {"", "rules", "internal/parse", "internal/detect", "internal/detect/rule", "internal/detect/sigma", "internal/detect/anomaly", "internal/detect/payload", "models", "internal/train", "internal/simulate", "internal/decide", "internal/engine",
		"internal/control", "internal/config", "internal/setup", "internal/scan", "internal/report",
		"internal/service", "packaging", // to put the agent in place and start it
		"internal/enforce",                 // to open the firewall when the agent is dead
		"internal/geo",                     // to look through old logs without the agent
		"internal/host", "internal/drill"}, // for the doctor
	"internal/cloud": {"", "api"},

	"packaging": {},
	"docs":      {}, // its tests hold the manual to the code

	"cmd/sentinel-agent": {"", "internal/agent", "internal/config", "internal/logging"},
	"cmd/sentinelctl":    {"", "internal/ctl"},
	"cmd/sentinel-cloud": {"", "internal/cloud"},
}

// pure are the packages without input, output and clock.
var pure = []string{"internal/parse", "internal/detect", "internal/detect/rule", "internal/detect/sigma", "internal/detect/anomaly", "internal/detect/profile", "internal/detect/payload", "internal/detect/keyed", "internal/decide", "internal/engine"}

var impure = []string{"os", "net", "net/http", "database/sql", "os/exec", "context", "log", "log/slog", "io/ioutil", "syscall"}

// clocks are the functions of package time that read the clock or wait.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

// runners may start other programs; ctl the user's editor, and sandbox looks for
// those that may be started; drill asks the tools of other firewalls, and service
// useradd and systemctl.
var runners = []string{"internal/ctl", "internal/enforce", "internal/collect", "internal/netnstest", "internal/sandbox", "internal/drill",
	"internal/service"}

// lineOf returns the line of the table that a package belongs to.
func lineOf(pkg string) (string, bool) {
	for dir := pkg; dir != "." && dir != "/" && dir != ""; dir = path.Dir(dir) {
		if _, ok := layers[dir]; ok {
			return dir, true
		}
	}
	return "", pkg == ""
}

// source is one Go file of the tree that is built on Linux.
type source struct {
	name, pkg string // both relative to the root
	test      bool
	file      *ast.File
	fset      *token.FileSet
}

func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			base := d.Name()
			if name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" || name == "tools" || name == "bin" || name == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		file, err := parser.ParseFile(fset, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if !builtOnLinux(file) {
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(name))
		if pkg == "." {
			pkg = ""
		}
		out = append(out, source{filepath.ToSlash(name), pkg, strings.HasSuffix(name, "_test.go"), file, fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func builtOnLinux(f *ast.File) bool {
	for _, group := range f.Comments {
		for _, c := range group.List {
			if c.Pos() > f.Package || !constraint.IsGoBuild(c.Text) {
				continue
			}
			if expr, err := constraint.Parse(c.Text); err == nil {
				return expr.Eval(func(tag string) bool {
					return tag == "linux" || tag == "unix" || tag == "amd64" || strings.HasPrefix(tag, "go1.")
				})
			}
		}
	}
	return true
}

func TestLayers(t *testing.T) {
	used := map[string]bool{}
	for _, src := range sources(t) {
		if strings.HasPrefix(src.pkg, "test/") || src.pkg == "test" {
			continue // they drive whole programs
		}
		line, ok := lineOf(src.pkg)
		if !ok {
			t.Errorf("%s: package %s has no line in the table of layers", src.name, src.pkg)
			continue
		}
		used[line] = true
		for _, imp := range src.file.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if imp.Name != nil && imp.Name.Name == "." {
				t.Errorf("%s imports %s into its own names, where this test cannot see it", src.name, p)
			}
			switch rest, ours := strings.CutPrefix(p, module); {
			case ours && (rest == "" || rest[0] == '/'):
				target, ok := lineOf(strings.TrimPrefix(rest, "/"))
				if !ok || target != line && !slices.Contains(layers[line], target) {
					// A test may look at more than its package, but never upwards.
					if !src.test || !ok || upwards(line, target) {
						t.Errorf("%s imports %s, which its layer does not allow", src.name, p)
					}
				}
			case src.test:
			case line == "" && strings.Contains(strings.SplitN(p, "/", 2)[0], "."):
				t.Errorf("%s imports %s: the vocabulary needs the standard library only", src.name, p)
			case slices.Contains(pure, line) && slices.Contains(impure, p):
				t.Errorf("%s imports %s: it has no input, output or clock", src.name, p)
			case p == "os/exec" && strings.HasPrefix(line, "internal/") && !slices.Contains(runners, line):
				t.Errorf("%s imports os/exec: only %s start programs", src.name, strings.Join(runners, ", "))
			}
		}
	}
	if !used[""] || !used["internal/decide"] {
		t.Errorf("the tree was not found: %v", slices.Sorted(maps.Keys(used)))
	}
}

// upwards reports whether the target may import from the line.
func upwards(from, target string) bool { return slices.Contains(layers[target], from) && from != "" }

// TestClock: the rules never read the clock; time comes in as data.
func TestClock(t *testing.T) {
	for _, src := range sources(t) {
		if line, _ := lineOf(src.pkg); src.test || !slices.Contains(pure, line) {
			continue
		}
		eachUse(src, "time", func(sel *ast.SelectorExpr) {
			if slices.Contains(clocks, sel.Sel.Name) {
				t.Errorf("%s: time.%s: time comes in as data", src.fset.Position(sel.Pos()), sel.Sel.Name)
			}
		})
	}
}

// TestMakeBlock: only package decide makes blocks, so that no way to the
// firewall bypasses the allowlist. Tests may make their own.
func TestMakeBlock(t *testing.T) {
	found := 0
	for _, src := range sources(t) {
		if src.test {
			continue
		}
		eachUse(src, module, func(sel *ast.SelectorExpr) {
			if sel.Sel.Name != "MakeBlock" {
				return
			}
			if found++; src.pkg != "internal/decide" {
				t.Errorf("%s: only package decide may make a block", src.fset.Position(sel.Pos()))
			}
		})
	}
	if found == 0 {
		t.Error("nobody makes blocks: the test does not see them")
	}
}

// eachUse calls f for each selector on an imported package, under whatever name
// it was imported.
func eachUse(src source, imported string, f func(*ast.SelectorExpr)) {
	names := map[string]bool{}
	for _, imp := range src.file.Imports {
		if p, err := strconv.Unquote(imp.Path.Value); err != nil || p != imported {
			continue
		}
		switch {
		case imp.Name != nil:
			names[imp.Name.Name] = true
		case imported == module:
			names["sentinel"] = true
		default:
			names[path.Base(imported)] = true
		}
	}
	if len(names) == 0 {
		return
	}
	ast.Inspect(src.file, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && names[id.Name] {
			f(sel)
		}
		return true
	})
}
