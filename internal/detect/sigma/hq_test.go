package sigma

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/engine"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
	"github.com/sentinel-ai/sentinel-ai/rules"
)

// directory reads the rules of SigmaHQ's folders linux and web from where
// SENTINEL_SIGMA says. They are not part of this repository.
func directory(t testing.TB) *Collection {
	t.Helper()
	dir := os.Getenv("SENTINEL_SIGMA")
	if dir == "" {
		t.Skip("SENTINEL_SIGMA names no directory with SigmaHQ's rules")
	}
	c := &Collection{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yml" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		docs, problems := rule.Documents(path, data)
		for _, d := range docs {
			problems = append(problems, c.Add(d)...)
		}
		for _, p := range problems {
			t.Error(p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSigmaHQ holds how many of SigmaHQ's rules of August 2026 run, that each of
// the others has its reason, and that all that run are found by literals.
func TestSigmaHQ(t *testing.T) {
	list, reports := directory(t).Rules()
	loaded, missing := map[string]int{}, map[string]int{}
	for _, r := range reports {
		if r.Loaded {
			loaded[r.Category]++
			continue
		}
		missing[r.Missing]++
	}
	want := map[string]int{"auditd": 53, "process_creation": 122, "file_event": 8, "network_connection": 2, "syslog": 22, "webserver": 16}
	for category, n := range want {
		if loaded[category] != n {
			t.Errorf("%s: %d run, want %d", category, loaded[category], n)
		}
	}
	if len(list) != 223 || len(reports) != 255 || len(loaded) != len(want) || missing["category proxy"] != 29 || missing["field DestinationHostname"] != 3 {
		t.Errorf("%d of %d run; missing %v", len(list), len(reports), missing)
	}
	set, problems := rule.Compile(list)
	for _, p := range problems {
		t.Error(p)
	}
	for _, l := range set.Lint() {
		if !l.Direct && !l.Indexed {
			t.Errorf("%s is looked at for every event", set.Rule(l.Rule).File)
		}
	}
}

// BenchmarkSigmaHQ compares the engine with the shipped rules and with SigmaHQ's
// beside them, for lines of each kind of log.
func BenchmarkSigmaHQ(b *testing.B) {
	shipped, _ := rules.Load()
	more, _ := directory(b).Rules()
	logs := map[string][]string{
		"nginx": {
			get("/", "200", "-", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"), get("/wp-content/uploads/2026/01/a.jpg?v=3"),
			get("/search?q=red+shoes&page=2", "200", "https://www.example.com/", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15"),
		},
		"syslog": {
			"Feb 10 14:00:00 h systemd[1]: Started Session 4 of user bob.", "Feb 10 14:00:00 h CRON[81]: pam_unix(cron:session): session closed for user root",
			"Feb 10 14:00:00 h dhclient[7]: DHCPREQUEST on eth0 to 192.0.2.1 port 67",
		},
		"audit": started("/usr/bin/git", "/srv/app", "bob", "git", "fetch", "--prune", "origin"),
	}
	for _, kind := range []string{"nginx", "syslog", "audit"} {
		for _, x := range []struct {
			name string
			list []*rule.Rule
		}{{"shipped", shipped}, {"both", append(append([]*rule.Rule{}, shipped...), more...)}} {
			b.Run(kind+"/"+x.name, func(b *testing.B) {
				set, _ := rule.Compile(x.list)
				e := engine.New(engine.Config{Set: set, Detect: detect.DefaultConfig(), DetectOnly: true})
				typ, err := parse.ParseType(kind)
				if err != nil {
					b.Fatal(err)
				}
				src := e.NewSource(kind, parse.Config{Type: typ})
				now := arrival.Add(time.Minute)
				b.ReportAllocs()
				b.ResetTimer()
				for i := range b.N {
					e.Line(src, logs[kind][i%len(logs[kind])], now, now)
				}
			})
		}
	}
}
