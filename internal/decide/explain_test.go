package decide

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/sentinel-ai/sentinel-ai"
)

func TestExplain(t *testing.T) {
	d := newDecider(nil)
	det := brute("203.0.113.42", t0)
	det.Evidence = []sentinel.Evidence{{Field: "message", View: "raw", Text: "Failed password for root from 203.0.113.42", Start: 0, End: 15}}
	d.Detect(t0, det)
	d.Seen(t0.Add(4*time.Minute+5*time.Second), det.Scope, "", "auth", 1200)
	threat := one(t, d.Tick(t0.Add(5*time.Minute)))
	want := `HIGH Brute Force from 203.0.113.42 on /var/log/auth.log

What happened
  1,205 failed logins in 4 min 5 s, from 2026-02-09 14:00:00 UTC to 2026-02-09 14:04:05 UTC.
  Multiple failed SSH logins.
  Rule SSH_BRUTE_001 counted 5; it fires at 5 in 5 min.
  The account concerned is "root".

Evidence
  message: »Failed password« for root from 203.0.113.42

How sure
  Score 0.75 of 1 (HIGH).
  Rules say 0.75:
    SSH_BRUTE_001 HIGH x 1.00, once
  Anomaly: not available; it has no part in the score.
  Reputation 0.00: nothing is known about this address from before.
  Language model: not asked.

What was done
  Blocked until 2026-02-09 15:00:00 UTC because score 0.75 >= 0.60 and a rule matched.

What to check
  See whether a login from this address succeeded: sentinelctl threats, or your login history (last).
  If a password may be known to others, change it; for SSH prefer keys and turn password logins off.

If this is wrong
  sentinelctl unblock 203.0.113.42
  sentinelctl threats fp ` + threat.ID + `
  sentinelctl whitelist add 203.0.113.42   (if it must never be blocked)

ATT&CK
  T1110.001
`
	if got := Explain(threat).Text(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestExplainParts(t *testing.T) {
	base := sentinel.Threat{ID: "T", Type: "sqli", EventCount: 1, Scope: pfx("203.0.113.42/32"), AttackerIP: ip("203.0.113.42"), CreatedAt: t0, LastSeen: t0, Action: ActionAlert, ActionReason: "alert only because score 0.525 < 0.60"}
	with := func(in ScoreInput) sentinel.Threat {
		x := base
		x.Score = Score(in)
		x.RiskScore, x.Decision = x.Score.Score, x.Score.Decision
		x.Severity = sentinel.SeverityOf(x.RiskScore)
		return x
	}
	sqli := rule("WEB_SQLI", sentinel.High, .7, 1)
	tests := []struct {
		name   string
		threat sentinel.Threat
		want   []string
	}{
		{"llm malicious", with(ScoreInput{Rules: []sentinel.RulePart{sqli}, L: new(LLMValue(1, .9))}), []string{
			"MEDIUM SQL Injection from 203.0.113.42", "1 request at 2026-02-09 14:00:00 UTC.", "it moved the shown score from 0.525 to 0.599", "Blocking was decided without it, on 0.525"}},
		{"llm agrees", with(ScoreInput{Rules: []sentinel.RulePart{deterministic(sqli)}, L: new(0.0)}), []string{"it changed nothing"}},
		{"reputation", with(ScoreInput{Rules: []sentinel.RulePart{sqli}, P: .8}), []string{"Reputation 0.80: this address has been noticed before; that lifts the score from 0.525 to 0.62."}},
		{"limit", with(ScoreInput{Rules: []sentinel.RulePart{rule("SCAN", sentinel.Low, 1, 16)}, A: new(.9)}), []string{
			"Limited to 0.599, since no rule above LOW that is not advisory matched.", "Anomaly 0.90.", "SCAN LOW x 1.00, 16 or more distinct events"}},
		{"medium limit", with(ScoreInput{Rules: []sentinel.RulePart{rule("M", sentinel.Medium, 1, 1)}, A: new(1.0), P: 1}), []string{"M MEDIUM x 1.00, once"}},
		{"no rule", with(ScoreInput{A: new(.45)}), []string{"Rules: none matched."}},
		{"advisory", with(ScoreInput{Rules: []sentinel.RulePart{advisory(sqli), noBlock(rule("N", sentinel.High, 1, 2))}}), []string{"(advisory: never blocks by itself)", "(its actions do not block)", "N HIGH x 1.00, 2 distinct events"}},
	}
	for _, tt := range tests {
		text := Explain(tt.threat).Text()
		for _, want := range tt.want {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", tt.name, want, text)
			}
		}
	}
	v6 := base
	v6.Scope, v6.AttackerIP, v6.Action = pfx("2001:db8::/64"), ip("2001:db8::5"), ActionBlock
	if got := Explain(v6).Undo[0]; got != "sentinelctl unblock 2001:db8::5" {
		t.Errorf("undo %q", got)
	}
	wide := base
	wide.Scope, wide.Action, wide.Previous = pfx("203.0.113.0/24"), ActionBlock, "OLD"
	if x := Explain(wide); x.Undo[0] != "sentinelctl unblock 203.0.113.0/24" || !strings.Contains(x.Text(), "continues the earlier threat OLD") {
		t.Errorf("%+v", x)
	}
	fp := base
	fp.Status, fp.ResolvedBy = sentinel.StatusFalsePositive, "alice"
	if x := Explain(fp); !strings.Contains(x.Action, "Marked false positive by alice.") {
		t.Errorf("%q", x.Action)
	}
	if x := Explain(sentinel.Threat{}); !strings.Contains(x.Headline, "from this host") || x.Text() == "" {
		t.Errorf("the zero threat: %q", x.Headline)
	}
}

// Whatever attackers write, nothing of it acts on a terminal, and every part
// keeps to one line.
func TestExplainHostileText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	pool := []rune("a \x00\x1b[31m\n\r\t\u202e\u200b\u2028\ufeff\x7f\u009b»«日本\\\"'")
	random := func(n int) string {
		var b strings.Builder
		for range n {
			if r.IntN(8) == 0 {
				b.WriteByte(byte(r.IntN(256)))
			} else {
				b.WriteRune(pool[r.IntN(len(pool))])
			}
		}
		return b.String()
	}
	for range 2000 {
		threat := sentinel.Threat{
			Type: random(10), Source: random(20), User: random(20), Key: random(20), Description: random(50), ActionReason: random(50), AttackerGeo: random(9),
			Evidence: []sentinel.Evidence{{Field: random(8), View: random(4), Text: random(600), Start: r.IntN(700) - 50, End: r.IntN(700) - 50}},
			Score:    sentinel.ScoreParts{Rules: []sentinel.RulePart{{ID: random(10), Firings: 1}}},
			Status:   sentinel.StatusResolved, ResolvedBy: random(9),
		}
		x := Explain(threat)
		for _, c := range x.Text() {
			if c != '\n' && (unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == '\u2028') {
				t.Fatalf("%q in %q", c, x.Text())
			}
		}
		s := x.Evidence[0]
		if s.Text != s.Before+s.Match+s.After || s.Text[s.Start:s.End] != s.Match {
			t.Fatalf("%+v", s)
		}
		if n := strings.Count(s.String(), "\n"); n != 0 {
			t.Fatalf("%d line breaks", n)
		}
	}
}

// Every number of the score lines is one of the stored parts.
func TestExplainNumbersAreStored(t *testing.T) {
	number := regexp.MustCompile(`\b[01]\.\d{2,3}\b`)
	r := rand.New(rand.NewPCG(9, 9))
	for range 5000 {
		in := randomInput(r, nil)
		p := Score(in)
		if again := Score(InputOf(p)); again.Score != p.Score {
			t.Fatal("not regenerated")
		}
		known := map[string]bool{}
		for _, x := range []float64{p.R, p.P, p.Base, p.WithReputation, p.Limit, p.Decision, p.Score, 0} {
			known[scoreText(x)], known[scoreText(Quant(x))] = true, true
		}
		for _, x := range []*float64{p.A, p.L} {
			if x != nil {
				known[scoreText(*x)] = true
			}
		}
		for _, x := range p.Rules {
			known[scoreText(Quant(x.Confidence))] = true
		}
		lines := strings.Join(scoreLines(sentinel.Threat{Score: p}), "\n")
		for _, n := range number.FindAllString(lines, -1) {
			if !known[n] {
				t.Fatalf("%s is none of the parts %+v\n%s", n, p, lines)
			}
		}
	}
}

func TestTypeTitle(t *testing.T) {
	for _, name := range strings.Fields(`brute_force user_enum repeat_offender sqli nosqli ldap xss traversal sensitive_file rfi ssrf
		open_redirect xxe ssi rce code_injection ssti log4shell webshell vuln_probe crlf protocol session_fixation proxy_abuse scanner
		crawl port_scan dos spam dns_abuse priv_esc host_exploit web_attack`) {
		info, ok := lookUpType(name)
		if !ok || info.title == "" || info.many == "" || len(info.next) == 0 || strings.Contains(info.title, "_") {
			t.Errorf("%s: %+v", name, info)
		}
	}
	for name, want := range map[string]string{"sqli": "SQL Injection", "my_own-type": "My Own Type", "": "Suspicious Activity", "__": "", "über_x": "Über X"} {
		if got := TypeTitle(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestSmallTexts(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", 5 * time.Minute: "5 min", 65 * time.Minute: "1 h 5 min", 24 * time.Hour: "1 d",
		24*time.Hour + time.Minute: "1 d", 49*time.Hour + time.Second: "2 d 1 h",
	} {
		if got := durationText(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if technique, ok := Technique("attack.T1110"); !ok || technique != "T1110" {
		t.Error(technique)
	}
}

// TestExplainOrigin: who wrote a rule in another format is named with it.
func TestExplainOrigin(t *testing.T) {
	got := ruleLine(sentinel.RulePart{
		ID: "SIGMA_AAAAAAAA", Name: "A scanner", Origin: "Sigma rule aaaaaaaa by Ann Author", Severity: sentinel.High, Confidence: 0.7, Firings: 1, NoBlock: true,
	})
	if want := "SIGMA_AAAAAAAA HIGH x 0.70, once (its actions do not block); A scanner, Sigma rule aaaaaaaa by Ann Author"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
