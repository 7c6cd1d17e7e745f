package agent

import (
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// A batch that was read before a reload must not fix the type of its log for
// those that come after it.
func TestFeedFollowsType(t *testing.T) {
	a := judging(t, t.TempDir()+"/s.db")
	a.feeds = map[string]*feed{}
	late := a.feed(sentinel.Batch{Source: "/var/log/x.log", Type: sentinel.TypeSSH})
	before := late.source
	if a.feed(sentinel.Batch{Source: "/var/log/x.log", Type: sentinel.TypeSSH}).source != before {
		t.Error("every batch begins anew")
	}
	if f := a.feed(sentinel.Batch{Source: "/var/log/x.log", Type: sentinel.TypeNginx}); f.source == before || f.counts != late.counts {
		t.Error("the log is still read by the type that it had")
	}
}
