package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
)

var now = time.Date(2026, 2, 9, 14, 0, 0, 0, time.UTC)

// host has the directories of a configuration in a temporary one.
type host struct {
	t   *testing.T
	dir string
	cfg *config.Config
}

func newHost(t *testing.T) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), cfg: config.Default()}
	r := &h.cfg.Detection.Rules
	r.CustomDir, r.ExceptionsDir, r.ListsDir = h.path("rules.d"), h.path("exceptions.d"), h.path("lists")
	return h
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// write makes a file that only its owner can write.
func (h *host) write(name, text string) string {
	h.t.Helper()
	path := h.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
	return path
}

func (h *host) load(also ...string) *Rules {
	h.t.Helper()
	rs, err := LoadRules(h.cfg, Options{Now: now, Also: also})
	if err != nil {
		h.t.Fatal(err)
	}
	return rs
}

// fault returns the one fault there is and fails if there are more or none.
func (rs *Rules) fault(t *testing.T) string {
	t.Helper()
	var out []string
	for _, p := range rs.Problems {
		if !p.Warning {
			out = append(out, p.Error())
		}
	}
	if len(out) != 1 {
		t.Fatalf("%d faults, want 1: %q", len(out), out)
	}
	return out[0]
}

func probe(id, conditions string) string {
	return fmt.Sprintf("id: %s\nname: Somebody asks for a page\nseverity: LOW\ntype: scanner\nlog_source: nginx\nconditions: %s\n", id, conditions)
}

const page = "{field: http.path, equals: /secret}"

func TestFaultRuleFiles(t *testing.T) {
	t.Run("D02 one bad rule file among fifty", func(t *testing.T) {
		for name, bad := range map[string]string{
			"YAML":    "id: [\n",
			"pattern": probe("BAD", "{field: http.path, regex: '('}"),
			"field":   probe("BAD", "{field: http.pth, equals: /}"),
		} {
			h := newHost(t)
			builtin := h.load().Set.Len()
			for i := range 49 {
				h.write(fmt.Sprintf("rules.d/%02d.yml", i), probe(fmt.Sprintf("MY_%d", i), page))
			}
			path := h.write("rules.d/17b.yml", bad)
			rs := h.load()
			if got := rs.Set.Len() - builtin; got != 49 {
				t.Errorf("%s: %d custom rules are used, want 49", name, got)
			}
			if got := rs.fault(t); !strings.HasPrefix(got, path+":") {
				t.Errorf("%s: the fault does not name file and line: %s", name, got)
			}
		}
	})
	t.Run("D03 two files with one id", func(t *testing.T) {
		h := newHost(t)
		h.write("rules.d/a.yml", probe("MINE", page))
		h.write("rules.d/b.yml", probe("MINE", page))
		rs := h.load()
		if _, ok := rs.Set.ByID("MINE"); ok {
			t.Error("one of them is used")
		}
		if n, _ := Faults(rs.Problems); n != 2 {
			t.Errorf("%d faults, want 2: %v", n, rs.Problems)
		}
	})
	t.Run("D04 alias bomb, deep nesting and a large rule file", func(t *testing.T) {
		bomb := probe("BAD", page) + "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
		for c := 'b'; c <= 'j'; c++ {
			bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Repeat(fmt.Sprintf("*%c,", c-1), 10))
		}
		bomb += "tags: *j\n"
		for name, text := range map[string]string{
			"aliases": bomb, "nesting": strings.Repeat("[", 100_000), "large": "# " + strings.Repeat("x", 64<<20),
		} {
			h := newHost(t)
			builtin := h.load().Set.Len()
			path := h.write("rules.d/bad.yml", text)
			rs := h.load()
			if n, _ := Faults(rs.Problems); n == 0 || rs.Problems[0].File != path {
				t.Errorf("%s: the faults do not name the file: %v", name, rs.Problems)
			}
			if got := rs.Set.Len(); got != builtin {
				t.Errorf("%s: %d rules, want the %d built-in ones", name, got, builtin)
			}
		}
	})
	t.Run("D05 what others can write, a link, another user's file", func(t *testing.T) {
		for name, spoil := range map[string]func(path string) error{
			"writable by others": func(p string) error { return os.Chmod(p, 0o666) },
			"writable by group":  func(p string) error { return os.Chmod(p, 0o664) },
			"not a regular file": func(p string) error {
				if err := os.Rename(p, p+".real"); err != nil {
					return err
				}
				return os.Symlink(p+".real", p)
			},
			"owned by user 65534": func(p string) error { return os.Chown(p, 65534, 65534) },
		} {
			for _, file := range []struct{ name, text string }{
				{"rules.d/mine.yml", probe("MINE", page)},
				{"exceptions.d/mine.yml", "rules: [SSH_BRUTE_001]\nreason: ours\nexpires: 2026-03-01\nmatch: {src_ip: [192.0.2.1]}\n"},
				{"lists/pages", "/secret\n"},
			} {
				h := newHost(t)
				if strings.HasPrefix(file.name, "lists/") {
					h.write("rules.d/mine.yml", probe("MINE", "{field: http.path, in_file: pages}"))
				}
				path := h.write(file.name, file.text)
				if n, _ := Faults(h.load().Problems); n != 0 {
					t.Fatalf("%s has a fault already", file.name)
				}
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				got := h.load().fault(t)
				if want, _, _ := strings.Cut(name, " by "); !strings.Contains(got, want) {
					t.Errorf("%s of %s: %s", name, file.name, got)
				}
			}
		}
	})
}

func TestAlso(t *testing.T) {
	h := newHost(t)
	h.write("rules.d/mine.yml", probe("MINE", page)+"---\n"+probe("OTHER", page))
	h.write("lists/pages", "/secret\n")
	h.cfg.Detection.Rules.Disabled = []string{"MINE"}
	if _, ok := h.load().Set.ByID("MINE"); ok {
		t.Error("a rule in detection.rules.disabled is used")
	}

	// A file that somebody names is tried as it would be in the directory.
	draft := h.write("draft.yml", probe("MINE", "{field: http.path, in_file: pages}"))
	if err := os.Chmod(draft, 0o666); err != nil {
		t.Fatal(err)
	}
	rs := h.load(draft)
	if n, _ := Faults(rs.Problems); n != 0 {
		t.Errorf("faults: %v", rs.Problems)
	}
	if i, ok := rs.Set.ByID("MINE"); !ok || rs.Set.Rule(i).File != draft {
		t.Error("the named rule is not the one in use")
	}
	if _, ok := rs.Set.ByID("OTHER"); !ok {
		t.Error("the rule beside the replaced one is gone")
	}
	if len(rs.Also) != 1 || len(rs.AlsoFiles) != 1 || len(rs.Disabled) != 0 {
		t.Errorf("also %d rules of %q, %d disabled", len(rs.Also), rs.AlsoFiles, len(rs.Disabled))
	}
	if _, err := LoadRules(h.cfg, Options{Now: now, Also: []string{h.path("none.yml")}}); !os.IsNotExist(err) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestLists(t *testing.T) {
	h := newHost(t)
	h.write("outside", "/secret\n")
	for _, name := range []string{"../outside", h.path("outside"), ".hidden", "none"} {
		h.write("rules.d/mine.yml", probe("MINE", fmt.Sprintf("{field: http.path, in_file: %q}", name)))
		if got := h.load().fault(t); !strings.Contains(got, "MINE") {
			t.Errorf("in_file %q: %s", name, got)
		}
	}
}

func TestTrust(t *testing.T) {
	h := newHost(t)
	h.write("rules.d/mine.yml", probe("MINE", page))
	full := h.load()
	half, err := LoadRules(h.cfg, Options{Now: now, Trust: func(id string) float64 {
		if id == "MINE" {
			return 0.5
		}
		return 1
	}})
	if err != nil {
		t.Fatal(err)
	}
	i, _ := full.Set.ByID("MINE")
	j, _ := half.Set.ByID("MINE")
	if a, b := full.Set.Rule(i).Confidence, half.Set.Rule(j).Confidence; b != a/2 {
		t.Errorf("confidence %v became %v", a, b)
	}
}
