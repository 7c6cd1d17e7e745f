package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

const (
	accessLine = `198.51.100.7 - - [09/Feb/2026:14:00:00 +0000] "GET /x HTTP/1.1" 404 5 "-" "ua"`
	jsonLine   = `{"remote_addr":"198.51.100.8","request":"GET /x HTTP/1.1","status":404,"time_iso8601":"2026-02-09T14:00:00+00:00"}`
	errorLine  = `2026/02/09 14:00:00 [error] 7#7: *1 open() "/srv/x" failed (2: No such file or directory), client: 198.51.100.9, server: _, request: "GET /x HTTP/1.1", host: "h"`
	loginLine  = `Feb  9 14:00:00 h sshd[81]: Failed password for root from 203.0.113.42 port 4242 ssh2`
	foreign    = `|14:00:00|198.51.100.7|"GET /x"|404|`
)

// read writes lines to a source of a type, one a second, and reads them as the
// agent does. It returns the addresses that were taken from them.
func (s *story) read(kind sentinel.SourceType, d time.Duration, lines ...string) (addrs map[string]int) {
	p := parse.New(parse.Config{Type: kind})
	addrs = map[string]int{}
	s.pass(d, func(second int, x *control.SourceStatus) {
		var ev sentinel.Event
		x.Lines++
		if p.Parse(lines[second%len(lines)], s.now, s.now, &ev) {
			x.Parsed++
		} else {
			x.Unparsed++
		}
		if ev.Type != sentinel.EventOther {
			x.Recognised++
		}
		if ev.SrcIP.IsValid() {
			addrs[fmt.Sprint(ev.Type, " ", ev.SrcIP)]++
		}
	})
	return addrs
}

// A log that is not what its source is said to be is read as what it is where that
// is safe, and noticed where it is not.
func TestFaultWrongFormat(t *testing.T) {
	t.Run("C22 a log in the wrong format under the right name", func(t *testing.T) {
		for _, c := range []struct {
			kind sentinel.SourceType
			line string
			want string // the address that is read all the same
		}{
			{sentinel.TypeNginx, foreign, ""},
			{sentinel.TypeNginx, loginLine, ""}, // clients can write whole lines into some logs of web servers
			{sentinel.TypeSSH, foreign, ""},
			{sentinel.TypeSSH, accessLine, "http_access 198.51.100.7"},
			{sentinel.TypeApache, jsonLine, "http_access 198.51.100.8"},
			{sentinel.TypeMail, loginLine, "auth_fail 203.0.113.42"},
			{sentinel.TypeJSON, accessLine, "http_access 198.51.100.7"},
		} {
			s := newStory(t)
			got := s.read(c.kind, time.Minute, c.line)
			alarm := len(s.alarms) == 1 && strings.Contains(s.alarms[0].Text, "only 0 were understood")
			if alarm != (c.want == "") || (got[c.want] == 60) != (c.want != "") || len(got) > 1 {
				t.Errorf("%s as %s: %v, alarms %v", c.line, c.kind, got, s.alarms)
			}
		}
	})
	t.Run("C22 mixed formats in one file", func(t *testing.T) {
		s := newStory(t)
		got := s.read(sentinel.TypeAuto, time.Minute, accessLine, jsonLine, loginLine)
		if len(got) != 3 || got["auth_fail 203.0.113.42"] != 20 || got["http_access 198.51.100.8"] != 20 || len(s.alarms) > 0 {
			t.Errorf("%v, alarms %v", got, s.alarms)
		}
		// What follows a line of nginx's error log may be the text of its client.
		s = newStory(t)
		if got = s.read(sentinel.TypeNginx, time.Minute, errorLine, accessLine, jsonLine); len(got) == 0 || got["auth_fail 203.0.113.42"] > 0 || len(s.alarms) > 0 {
			t.Errorf("%v, alarms %v", got, s.alarms)
		}
		// One of two formats that is not understood is noticed, and no more than once.
		s = newStory(t)
		got = s.read(sentinel.TypeNginx, 5*time.Minute, accessLine, foreign, foreign)
		if got["http_access 198.51.100.7"] != 100 || len(s.alarms) != 1 || !strings.Contains(s.alarms[0].Text, "were understood") {
			t.Errorf("%v, alarms %v", got, s.alarms)
		}
	})
	t.Run("C22 a format that changes while it is read", func(t *testing.T) {
		s := newStory(t)
		s.read(sentinel.TypeNginx, 5*time.Minute, accessLine)
		s.read(sentinel.TypeNginx, time.Minute, foreign)
		s.read(sentinel.TypeNginx, time.Minute, accessLine)
		if len(s.alarms) != 2 || s.alarms[0].Kind != alarmBlind || s.alarms[1].Kind != alarmSeeing {
			t.Errorf("alarms %v", s.alarms)
		}
	})
}
