package setup

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

func TestLoadBadNames(t *testing.T) {
	cfg := config.Default()
	cfg.Detection.Rules.ListsDir = t.TempDir()
	stamp := time.Now().Add(-time.Hour)
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(cfg.Detection.Rules.ListsDir, name)
		stamp = stamp.Add(time.Second)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	found := func(b *BadNames, addr string) string {
		var out []string
		for _, l := range decide.FindBadNames(b.Lists, netip.MustParseAddr(addr)) {
			out = append(out, l.String())
		}
		return strings.Join(out, " ")
	}
	none := LoadBadNames(cfg, nil)
	if len(none.Lists) != 0 || len(none.Faults) != 0 || LoadBadNames(cfg, none) != none {
		t.Errorf("of no file: %+v", none)
	}
	write("reputation-a.txt", "# reputation: 0.9\n203.0.113.0/24\n")
	write("reputation.txt", "203.0.113.9\nnonsense\n")
	write("pages.txt", "/admin\n") // of a rule
	write("cdn-x.txt", "198.51.100.0/24\n")
	first := LoadBadNames(cfg, none)
	if got := found(first, "203.0.113.9"); got != "reputation-a.txt (0.90) reputation.txt (0.50)" {
		t.Errorf("found in %q", got)
	}
	if len(first.Faults) != 1 || !strings.Contains(first.Faults[0], "reputation.txt: line 2: ") {
		t.Errorf("faults %q", first.Faults)
	}
	if again := LoadBadNames(cfg, first); again != first {
		t.Error("nothing changed, and it was read again")
	}
	write("reputation.txt", "198.51.100.7\n")
	second := LoadBadNames(cfg, first)
	if found(second, "203.0.113.9") != "reputation-a.txt (0.90)" || found(second, "198.51.100.7") == "" || len(second.Faults) != 0 {
		t.Errorf("after a change: %+v", second)
	}
	if second.Lists[0] != first.Lists[0] {
		t.Error("a list that did not change was read again")
	}
	if err := os.Remove(filepath.Join(cfg.Detection.Rules.ListsDir, "reputation-a.txt")); err != nil {
		t.Fatal(err)
	}
	if third := LoadBadNames(cfg, second); found(third, "203.0.113.9") != "" || len(third.Lists) != 1 {
		t.Errorf("after a removal: %+v", third)
	}
	if err := os.Chmod(filepath.Join(cfg.Detection.Rules.ListsDir, "reputation.txt"), 0o666); err != nil {
		t.Fatal(err)
	}
	if fourth := LoadBadNames(cfg, nil); len(fourth.Lists) != 0 || len(fourth.Faults) != 1 || !strings.Contains(fourth.Faults[0], "writable by group or others") {
		t.Errorf("a file that anybody may write: %+v", fourth)
	}
}
