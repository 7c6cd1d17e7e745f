package engine

import (
	"fmt"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/detect"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/profile"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

const searchRules = `
id: WEB_404_BURST
name: search
severity: MEDIUM
type: scanner
log_source: web
conditions: {http.status: 404}
aggregation: {group_by: attacker_ip, window: 60s, threshold: 20, distinct: http.path, ambient: true}
---
id: INJECTION
name: injection
severity: HIGH
type: sqli
log_source: web
conditions: {field: http.target, contains: "union select"}
`

// TestProfiles: a client of WebDAV that looks for 30 files is no search once the
// application was recognised, for its user; an injection there stays one, and so
// does a stranger's search.
func TestProfiles(t *testing.T) {
	rules, problems := rule.ParseFile("r.yml", []byte(searchRules))
	set, more := rule.Compile(rules)
	if len(problems)+len(more) > 0 {
		t.Fatal(problems, more)
	}
	e := New(Config{Set: set, Detect: detect.DefaultConfig(), Decide: decide.DefaultConfig()})
	e.WatchProfiles(profile.New(profile.Pins{}))
	src := e.NewSource("/var/log/nginx/access.log", parse.Config{Type: sentinel.TypeNginx})
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	fired := map[string]int{}
	send := func(addr, method, path string, status int) {
		step := e.Line(src, fmt.Sprintf(`%s - - [%s] "%s %s HTTP/1.1" %d 512 "-" "Mozilla/5.0 (Linux) mirall/3.11"`, addr, now.Format("02/Jan/2006:15:04:05 -0700"), method, path, status), now, now)
		for _, r := range step.Results {
			if r.Fired {
				fired[addr+" "+r.Detection.RuleID]++
			}
		}
	}
	sync := func(addr string) {
		for i := range 30 {
			send(addr, "PROPFIND", fmt.Sprintf("/remote.php/dav/files/ann/%d", i), 404)
		}
		now = now.Add(2 * time.Hour)
	}
	sync("198.51.100.1")
	if fired["198.51.100.1 WEB_404_BURST"] != 1 {
		t.Fatalf("before it is recognised: %v", fired)
	}
	for i := range 3 {
		send(fmt.Sprintf("198.51.100.%d", i+2), "PROPFIND", "/remote.php/dav/files/ann/", 207)
		now = now.Add(13 * time.Hour)
	}
	send("198.51.100.2", "PROPFIND", "/remote.php/dav/files/ann/", 207)
	sync("198.51.100.2")
	sync("203.0.113.9")
	send("198.51.100.2", "PROPFIND", "/remote.php/dav/files/ann/?q=1%20union select", 404)
	send("198.51.100.2", "GET", "/remote.php/x?q=union select", 404)
	if fired["198.51.100.2 WEB_404_BURST"] != 0 {
		t.Errorf("its user is taken for a scanner: %v", fired)
	}
	if fired["203.0.113.9 WEB_404_BURST"] != 1 {
		t.Errorf("a stranger hides behind it: %v", fired)
	}
	if fired["198.51.100.2 INJECTION"] == 0 {
		t.Errorf("an injection of its user is excepted: %v", fired)
	}
	for i := range 30 { // and another search of its user is one
		send("198.51.100.2", "GET", fmt.Sprintf("/backup%d.zip", i), 404)
	}
	if fired["198.51.100.2 WEB_404_BURST"] != 1 {
		t.Errorf("a search of its user is excepted: %v", fired)
	}
}
