package ctl

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// clock is the time at which all stories happen.
var clock = time.Date(2026, 2, 9, 14, 25, 0, 0, time.UTC)

// fake is an agent with fixed data that remembers what it was told.
type fake struct {
	mu     sync.Mutex
	told   []string
	blocks []sentinel.BlockRecord
	// denied refuses everything that changes something.
	denied, degraded bool
	// file, if not empty, is its configuration file.
	file string
}

var _ control.Agent = (*fake)(nil)

func newFake() *fake {
	return &fake{blocks: []sentinel.BlockRecord{
		{ID: "01B2", Prefix: netip.MustParsePrefix("203.0.113.42/32"), Reason: "SSH_BRUTE_001: 12 failures", Origin: sentinel.OriginRule, Score: 0.875, Created: clock.Add(-2 * time.Minute), Expires: clock.Add(58 * time.Minute)},
		{ID: "01B1", Prefix: netip.MustParsePrefix("2001:db8:1:2::/64"), Reason: "bad \x1b[2J neighbour", Origin: sentinel.OriginCLI, Actor: "root (uid 0)", Score: 1, Created: clock.Add(-3 * time.Hour)},
	}}
}

func (f *fake) tell(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, text)
}

func (f *fake) heard() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.told, "\n") + "\n"
}

func (f *fake) deny() error {
	if f.denied {
		return control.Errorf(control.CodeDenied, "only administrators may do that").WithHint("run this as root, or become a member of sentinel-admin")
	}
	return nil
}

func (f *fake) sources() []control.SourceStatus {
	return []control.SourceStatus{
		{ID: "/var/log/auth.log", Path: "/var/log/auth.log", Type: sentinel.TypeSSH, State: "active", LastEvent: clock.Add(-2 * time.Second), Lines: 40_001, Parsed: 40_000, Unparsed: 1},
		{ID: "/var/log/nginx/access.log", Path: "/var/log/nginx/access.log", Type: sentinel.TypeNginx, State: "active", LastEvent: clock.Add(-300 * time.Millisecond), Lines: 102_846, Parsed: 102_846},
		{ID: "/var/log/app.log", Path: "/var/log/app.log", Type: sentinel.TypeAuto, State: "active", LastEvent: clock.Add(-5 * time.Minute), Lines: 100, Parsed: 4, Unparsed: 96, Lag: 3 << 20},
		{ID: "/var/log/secret.log", Type: sentinel.TypeAuto, State: "denied", Reason: "permission denied: add the user sentinel to the group adm"},
	}
}

func (f *fake) Status(context.Context, control.Peer) (*control.Status, error) {
	st := &control.Status{
		Version: "1.0.0", AgentID: "a1", Hostname: "web01", PID: 12847, Started: clock.Add(-86 * time.Hour),
		Uptime: control.Seconds(3*24*time.Hour + 14*time.Hour + 22*time.Minute), CPUPercent: 1.2, Memory: 38 << 20,
		Mode: "protect", Health: control.HealthOK, Reasons: []string{},
		Firewall: control.FirewallStatus{Backend: "nftables", Healthy: true, Desired: 7, Actual: 7, Dropped: 18_204, Checked: clock},
		Anomaly:  new(f.anomaly()),
		Profiles: []control.ProfileStatus{
			{Source: "/var/log/nginx/access.log", Name: "nextcloud", Title: "Nextcloud", On: true, Since: clock.Add(-9 * 24 * time.Hour), Last: clock.Add(-2 * time.Minute), Addresses: 3, Excepted: 1_204},
			{Source: "/var/log/nginx/access.log", Name: "grafana", Title: "Grafana", Last: clock.Add(-time.Hour), Addresses: 1},
		},
		Sources: f.sources(), Last24h: control.Totals{Events: 142_847, Threats: 23, Blocked: 7, Critical: 1}, Blocks: 7,
		Rules: control.RulesStatus{Loaded: 53}, State: []control.StateSize{}, Alarms: []control.Alarm{},
		Generation: 1, ConfigFile: "/etc/sentinel/config.yml", ConfigTime: clock, Database: control.Database{
			Path: "/var/lib/sentinel/sentinel.db", Size: 1_300_000, Checked: "ok",
			Snapshot: &control.Snapshot{Taken: clock.Add(-20 * time.Second), Size: 140_000, Copy: 2 * time.Millisecond, Write: 9 * time.Millisecond},
			Rebuilt:  &control.Rebuilt{Lines: 41_200, Took: 42 * time.Millisecond},
		},
	}
	if f.degraded {
		st.Health, st.Mode = control.HealthDegraded, "observe"
		st.Reasons = []string{"the firewall refuses: operation not permitted", "/var/log/app.log: 96% of its lines are not understood"}
		st.Firewall.Healthy, st.Firewall.Error, st.Firewall.Actual, st.Simulated = false, "netlink: operation not permitted", 0, 3
		st.ConfigRuntime = []string{"response.mode"}
		st.Rules.NotApplicable = 32
		st.Rules.Skipped, st.Generation, st.ConfigError = 2, 4, "config.yml:3:5: response.max_blocks: 0 is not between 1 and 1000000"
		st.Alarms = []control.Alarm{{Time: clock.Add(-10 * time.Minute), Kind: "breaker", Text: "more than 2000 new blocks a minute"}}
	}
	if f.file != "" {
		st.ConfigFile = f.file
	}
	return st, nil
}

func (f *fake) Metrics(context.Context, control.Peer) (*control.MetricsResult, error) {
	return &control.MetricsResult{Text: "# TYPE sentinel_lines_total counter\nsentinel_lines_total{source=\"/var/log/auth.log\"} 40001\n"}, nil
}

func (f *fake) Reload(context.Context, control.Peer) (*control.ReloadResult, error) {
	if err := f.deny(); err != nil {
		return nil, err
	}
	f.tell("reload")
	return &control.ReloadResult{Generation: 2, Rules: control.RulesStatus{Loaded: 54}, Changed: []string{"response.max_blocks", "agent.socket"}, Restart: []string{"agent.socket"}, Runtime: []string{"response.mode"}}, nil
}

func threatRows() []control.ThreatRow {
	ip := netip.MustParseAddr
	row := func(short, id string, back time.Duration, typ sentinel.SourceType, sev sentinel.Severity, kind, addr string, n int, action string) control.ThreatRow {
		a := ip(addr)
		return control.ThreatRow{ShortID: short, Threat: sentinel.Threat{
			ID: id, CreatedAt: clock.Add(-back - 100*time.Second), LastSeen: clock.Add(-back), Source: "/var/log/" + string(typ) + ".log", SourceType: typ,
			Severity: sev, Type: kind, AttackerIP: a, Scope: sentinel.Entity(a), EventCount: n, Status: sentinel.StatusOpen, Action: action,
		}}
	}
	rows := []control.ThreatRow{
		row("7Q2M", "01KH5VZX4N7Q2M", 2*time.Minute, sentinel.TypeSSH, sentinel.Critical, "brute_force", "203.0.113.42", 1412, "block"),
		row("8XKD", "01KH5VZX4N8XKD", 5*time.Minute, sentinel.TypeNginx, sentinel.High, "sqli", "198.51.100.17", 9, "block"),
		row("P0WC", "01KH5VZX4NP0WC", 40*time.Minute, sentinel.TypeSSH, sentinel.Medium, "brute_force", "2001:db8:9::7", 3, "alert"),
		row("R3AB", "01KH5VZX4NR3AB", 30*time.Hour, sentinel.TypeNginx, sentinel.Low, "scanner", "203.0.113.55", 1, "none"),
	}
	rows[3].Status = sentinel.StatusFalsePositive
	t := &rows[0].Threat
	t.User, t.RuleID, t.Group = "root", "SSH_BRUTE_001", "auth"
	t.Description = "Many failed logins from one address."
	t.ActionReason = "blocked until 15:23 UTC because the score 0.87 is at least 0.60 and a rule matched"
	t.RiskScore, t.Decision, t.MITRE = 0.875, 0.875, []string{"T1110.001"}
	t.Samples = []string{"Feb  9 14:21:20 web01 sshd[77]: Failed password for root from 203.0.113.42 port 4711 ssh2", "Feb  9 14:23:00 web01 sshd[78]: Failed password for \x1b]0;pwned\x07\x1b[2J from 203.0.113.42 port 4712 ssh2"}
	t.Score = sentinel.ScoreParts{
		Rules: []sentinel.RulePart{
			{ID: "SSH_BRUTE_001", Name: "SSH brute force", Severity: sentinel.High, Confidence: 1, Firings: 4, Count: 12, Threshold: 5, Window: 5 * time.Minute},
			{ID: "SSH_PROBE", Name: "SSH probe", Severity: sentinel.Low, Confidence: 0.5, Firings: 1, Advisory: true},
		},
		R: 0.875, P: 0.2, Base: 0.85, WithReputation: 0.875, Limit: 1, Decision: 0.875, Score: 0.875, MayBlock: true,
	}
	return rows
}

func (f *fake) Threats(_ context.Context, _ control.Peer, p control.ThreatsParams) (*control.ThreatsResult, error) {
	r := &control.ThreatsResult{Threats: []control.ThreatRow{}}
	for _, row := range threatRows() {
		switch {
		case p.Severity != nil && row.Severity != *p.Severity, p.MinSeverity != nil && row.Severity < *p.MinSeverity,
			!p.Since.IsZero() && row.LastSeen.Before(p.Since), p.Type != "" && row.Type != p.Type,
			!p.IP.IsZero() && !p.IP.Contains(row.AttackerIP), p.Status != "" && row.Status != p.Status:
			continue
		}
		r.Total++
		if len(r.Threats) < p.Limit || p.Limit == 0 {
			r.Threats = append(r.Threats, row)
		}
	}
	return r, nil
}

func (f *fake) find(id string) (control.ThreatRow, error) {
	var found []control.ThreatRow
	for _, r := range threatRows() {
		if strings.HasSuffix(r.ID, id) || strings.HasPrefix(r.ID, id) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return control.ThreatRow{}, control.Errorf(control.CodeNotFound, "there is no threat %q", id)
	case 1:
		return found[0], nil
	}
	e := control.Errorf(control.CodeAmbiguous, "%q is the id of several threats", id)
	for _, r := range found {
		e.Candidates = append(e.Candidates, r.ShortID)
	}
	return control.ThreatRow{}, e
}

func (f *fake) Threat(_ context.Context, _ control.Peer, p control.ThreatParams) (*control.ThreatResult, error) {
	row, err := f.find(p.ID)
	if err != nil {
		return nil, err
	}
	return &control.ThreatResult{ThreatRow: row, Blocks: f.blocks[:1], Actions: []sentinel.Action{{
		ID: "01A", Created: clock.Add(-2 * time.Minute), Type: "block", Target: f.blocks[0].Prefix, Duration: time.Hour, Status: "active", Reason: "SSH_BRUTE_001",
	}}}, nil
}

func (f *fake) Explain(_ context.Context, _ control.Peer, p control.ThreatParams) (*control.Explanation, error) {
	row, err := f.find(p.ID)
	if err != nil {
		return nil, err
	}
	return &control.Explanation{
		ID: row.ID, ShortID: row.ShortID, Headline: row.Severity.String() + " SSH Brute Force from " + row.AttackerIP.String() + " on /var/log/auth.log",
		What: []string{"1,412 failed logins in 1 min 40 s.", "Rule SSH_BRUTE_001 counted 12; it fires at 5 in 5 min.", `The account concerned is "root".`},
		Evidence: []sentinel.Evidence{
			{Field: "message", Text: "Failed password for root from 203.0.113.42 port 4711 ssh2", Start: 0, End: 15},
			{Field: "user", View: "decoded", Text: "a\x1b[31mb\u202ec 世界", Start: 1, End: 7},
		},
		Score: []string{"Score 0.87 of 1 (CRITICAL)."}, Action: "Blocked until 2026-02-09 15:23 UTC, because the score 0.87 is at least 0.60 and a rule matched.",
		Next: []string{"Is 203.0.113.42 one of yours?", "Did a login from it succeed? last -i | grep 203.0.113.42"},
		Undo: []string{"sentinelctl unblock 203.0.113.42", "sentinelctl threats fp " + row.ShortID}, Attack: []string{"T1110.001"},
	}, nil
}

func (f *fake) WhyNot(_ context.Context, _ control.Peer, p control.WhyNotParams) (*control.WhyNot, error) {
	w := &control.WhyNot{
		IP: p.IP, Mode: "protect", MinScore: 0.6, Since: clock.Add(-3 * time.Hour), Sources: f.sources(),
		Verdict: "no line with " + p.IP.String() + " was read since the agent started, as far as is remembered",
		Hints:   []string{"if a log names the address: sentinelctl explain-line 'LINE'"},
	}
	if p.IP.String() == "192.0.2.9" {
		w.Verdict = "no rule has fired: the nearest, SSH_BRUTE_001, counts 3 of 5"
		w.Seen = &control.Seen{Source: "/var/log/auth.log", Last: clock.Add(-20 * time.Second), Lines: 3}
		w.Rules = []control.RuleStanding{{
			ID: "SSH_BRUTE_001", Name: "SSH brute force", Severity: sentinel.High, Count: 3, Threshold: 5,
			Window: control.Seconds(5 * time.Minute), Last: clock.Add(-20 * time.Second),
		}}
		w.Silenced = []control.SilencedRule{{ID: "WEB_SCANNER_001", Count: 2, Last: clock.Add(-time.Minute)}}
		w.Others = []string{"SSH_SPRAY_001"}
	}
	return w, nil
}

func (f *fake) SetThreatStatus(_ context.Context, _ control.Peer, p control.ThreatStatusParams) (*control.ThreatResult, error) {
	row, err := f.find(p.ID)
	if err != nil {
		return nil, err
	}
	f.tell("status " + row.ID + " " + string(p.Status) + " " + p.Reason)
	row.Status = p.Status
	return &control.ThreatResult{ThreatRow: row}, nil
}

func (f *fake) Tail(ctx context.Context, _ control.Peer, p control.TailParams, send func(control.LogEvent) error) error {
	sev := sentinel.High
	for _, ev := range []control.LogEvent{
		{Time: clock, Received: clock, Source: "/var/log/auth.log", SourceType: sentinel.TypeSSH, Parsed: true, Type: "auth_fail", IP: "203.0.113.42", User: "root\x1b[2J", Outcome: "failure", Method: "password", Rules: []string{"SSH_BRUTE_001"}, Fired: []string{"SSH_BRUTE_001"}, Severity: &sev, Missed: 3},
		{Received: clock, Source: "/var/log/app.log", SourceType: sentinel.TypeAuto, Raw: "what \x07 is this"},
	} {
		if p.Unparsed && ev.Parsed {
			continue
		}
		if err := send(ev); err != nil {
			return err
		}
	}
	return control.Errorf(control.CodeUnavailable, "the agent is stopping")
}

func (f *fake) Sources(context.Context, control.Peer) (*control.SourcesResult, error) {
	return &control.SourcesResult{Sources: f.sources()}, nil
}

func (f *fake) Discover(context.Context, control.Peer) (*control.DiscoverResult, error) {
	return &control.DiscoverResult{Logs: []control.DiscoveredLog{
		{Path: "journal", Type: sentinel.TypeJournal, By: []string{"systemd-journald runs"}, State: control.LogRead},
		{Path: "/var/log/auth.log", Type: sentinel.TypeSSH, By: []string{"usual place"}, State: control.LogCopy, Problem: "left out: the journal has all of it"},
		{Path: "/srv/shop/access.log", Type: sentinel.TypeNginx, By: []string{"/etc/nginx/sites-enabled/shop:12", "unit nginx.service"}, State: control.LogDenied,
			Problem: "permission denied", Hint: "usermod -aG adm sentinel, then restart the agent"},
	}, Notes: []string{"httpd.service runs, and none of its logs was found: name them in logs.sources"}}, nil
}

// anomaly is one log that is known and one that is being learned.
func (f *fake) anomaly() control.AnomalyStatus {
	return control.AnomalyStatus{Enabled: true, Clients: &control.AnomalyClients{
		Learning: true, Percent: 43, Judged: 3_812, Remembered: 1_024, Fitted: clock.Add(-9 * time.Hour),
	}, Sources: []control.AnomalySource{
		{Source: "/var/log/nginx/access.log", Percent: 100, Since: clock.Add(-30 * 24 * time.Hour), Bins: 8_512, Deviated: clock.Add(-5 * time.Hour)},
		{Source: "/var/log/auth.log", Learning: true, Percent: 43, Since: clock.Add(-3 * 24 * time.Hour), Bins: 860},
	}}
}

func (f *fake) Baselines(_ context.Context, _ control.Peer, p control.BaselinesParams) (*control.BaselinesResult, error) {
	out := &control.BaselinesResult{Anomaly: f.anomaly(), Source: p.Source}
	switch p.Source {
	case "":
	case "/var/log/nginx/access.log":
		m := control.BaselineMetric{Metric: "requests"}
		for i := range 168 {
			m.Hours = append(m.Hours, control.UsualHour{Weekday: i / 24, Hour: i % 24, Low: 20, High: float64(60 + i%24), Text: fmt.Sprintf("20-%d", 60+i%24), Samples: min(i, 48)})
		}
		out.Metrics = []control.BaselineMetric{m, {Metric: "unique_ips", Hours: m.Hours}}
	default:
		return nil, control.Errorf(control.CodeNotFound, "nothing has been learned of %s", p.Source)
	}
	return out, nil
}

func (f *fake) Forget(_ context.Context, _ control.Peer, p control.ForgetParams) (*control.ForgetResult, error) {
	if err := f.deny(); err != nil {
		return nil, err
	}
	f.tell("forget " + p.Source)
	return &control.ForgetResult{Sources: []string{p.Source}}, nil
}

func (f *fake) Unparsed(context.Context, control.Peer, control.UnparsedParams) (*control.UnparsedResult, error) {
	return &control.UnparsedResult{Lines: 142_947, Unparsed: 97, Shapes: []control.UnparsedShape{{Source: "/var/log/app.log", Shape: "# [worker-#] job # done in #ms", Sample: "x", Count: 96, Last: clock.Add(-5 * time.Minute)}}}, nil
}

func (f *fake) Block(_ context.Context, _ control.Peer, p control.BlockParams) (*control.BlockResult, error) {
	if err := f.deny(); err != nil {
		return nil, err
	}
	if p.IP.Addr().IsPrivate() && !p.Force {
		return nil, control.Errorf(control.CodeRefused, "%s is on the whitelist: private network", p.IP).WithHint("--force blocks it nevertheless")
	}
	d := p.Duration.Duration()
	if d == 0 {
		d = time.Hour
	}
	b := sentinel.BlockRecord{ID: "01B9", Prefix: p.IP.Entity(), Reason: p.Reason, Origin: sentinel.OriginCLI, Created: clock, Expires: clock.Add(d)}
	if p.Permanent {
		b.Expires = time.Time{}
	}
	if p.Confirm > 0 {
		b.Trial, b.Until, b.Expires = true, b.Expires, clock.Add(p.Confirm.Duration())
	}
	f.tell("block " + p.IP.String() + " " + p.Reason)
	if b.Trial {
		f.mu.Lock()
		f.blocks = append(f.blocks, b)
		f.mu.Unlock()
	}
	return &control.BlockResult{Block: b, New: true, Applied: true}, nil
}

func (f *fake) Unblock(_ context.Context, _ control.Peer, p control.UnblockParams) (*control.UnblockResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &control.UnblockResult{Unblocked: []sentinel.BlockRecord{}}
	var keep []sentinel.BlockRecord
	for _, b := range f.blocks {
		if p.IP.Overlaps(b.Prefix) {
			r.Unblocked = append(r.Unblocked, b)
		} else {
			keep = append(keep, b)
		}
	}
	f.blocks = keep
	if len(r.Unblocked) == 0 {
		return nil, control.Errorf(control.CodeNotFound, "%s is not blocked", p.IP).WithHint("sentinelctl blocklist shows what is")
	}
	return r, nil
}

func (f *fake) Confirm(_ context.Context, _ control.Peer, p control.ConfirmParams) (*control.BlockResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.blocks {
		if b := &f.blocks[i]; b.Prefix == p.IP.Entity() && b.Trial {
			b.Trial, b.Expires, b.Until = false, b.Until, time.Time{}
			return &control.BlockResult{Block: *b, Applied: true}, nil
		}
	}
	return nil, control.Errorf(control.CodeRefused, "%s is not blocked", p.IP).WithHint("one that was not confirmed in time is lifted")
}

func (f *fake) Blocks(_ context.Context, _ control.Peer, p control.BlocksParams) (*control.BlocksResult, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &control.BlocksResult{Blocks: []sentinel.BlockRecord{}}
	for _, b := range f.blocks {
		if (p.Origin == "" || b.Origin == p.Origin) && (p.IP.IsZero() || p.IP.Overlaps(b.Prefix)) {
			r.Blocks = append(r.Blocks, b)
		}
	}
	r.Total = len(r.Blocks)
	return r, nil
}

func (f *fake) Config(_ context.Context, _ control.Peer, p control.ConfigParams) (*control.ConfigResult, error) {
	r := &control.ConfigResult{File: "/etc/sentinel/config.yml", Generation: 1, Loaded: clock}
	switch p.Key {
	case "":
		r.YAML = "response:\n  max_blocks: 50000 # default\n"
	case "response":
		r.YAML = "response:\n  mode: observe # set at run time, over line 3\n"
	case "response.mode":
	case "response.whitelist":
		r.Values = []control.ConfigValue{{Key: p.Key, Value: "[127.0.0.1]"}}
		return r, nil
	default:
		return nil, control.Errorf(control.CodeNotFound, "there is no key %q", p.Key).WithHint("did you mean response.mode?")
	}
	r.Values = []control.ConfigValue{{Key: "response.mode", Value: "observe", Default: "protect", Origin: "runtime", Line: 3, Runtime: true}}
	if p.Key == "" {
		r.Values = append(r.Values, control.ConfigValue{Key: "response.max_blocks", Value: "50000", Default: "50000", Origin: "default", Runtime: true})
	}
	return r, nil
}

func (f *fake) SetConfig(_ context.Context, _ control.Peer, p control.ConfigSetParams) (*control.ConfigChange, error) {
	f.tell("config set " + p.Key + " " + p.Value)
	return &control.ConfigChange{Generation: 2, Changed: []string{p.Key}, Values: []control.ConfigValue{{Key: p.Key, Value: p.Value}}}, nil
}

func (f *fake) UnsetConfig(_ context.Context, _ control.Peer, p control.ConfigUnsetParams) (*control.ConfigChange, error) {
	f.tell("config unset " + p.Key)
	return &control.ConfigChange{Generation: 2, Changed: []string{"response.mode"}, Values: []control.ConfigValue{}}, nil
}

func (f *fake) Allow(_ context.Context, _ control.Peer, p control.AllowParams) (*control.AllowResult, error) {
	if err := f.deny(); err != nil {
		return nil, err
	}
	if p.Name != "" {
		f.tell("allow " + p.Name + " " + p.Reason)
		return &control.AllowResult{Changed: true, Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.42")}, Unblocked: f.blocks[:1]}, nil
	}
	f.tell("allow " + p.IP.String() + " " + p.Reason)
	return &control.AllowResult{Changed: true, Unblocked: f.blocks[:1]}, nil
}

func (f *fake) Disallow(_ context.Context, _ control.Peer, p control.AllowParams) (*control.AllowResult, error) {
	return nil, control.Errorf(control.CodeNotFound, "%s is not on the whitelist", p.IP)
}

func (f *fake) Allowed(context.Context, control.Peer) (*control.AllowListResult, error) {
	return &control.AllowListResult{Entries: []control.AllowEntry{
		{Prefix: control.Network{Prefix: netip.MustParsePrefix("127.0.0.0/8")}, Kind: "default", Reason: "loopback"},
		{Prefix: control.Network{Prefix: netip.MustParsePrefix("192.0.2.7/32")}, Kind: "user", Reason: "office", Actor: "root", Added: clock.Add(-72 * time.Hour), Removable: true},
	}, Names: []control.AllowName{
		{Name: "home.example.net", Kind: "user", Removable: true, Resolved: clock.Add(-time.Hour), Error: "the name server does not answer", Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.9")}},
		{Name: "office.example.net", Kind: "config", Resolved: clock.Add(-time.Minute), Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("2001:db8::10")}},
		{Name: "typo.example.net", Kind: "config", Error: "there is no such name"},
	}}, nil
}

func (f *fake) Suggest(context.Context, control.Peer) (*control.SuggestResult, error) {
	n := control.Network{Prefix: netip.MustParsePrefix("192.0.2.10/32")}
	return &control.SuggestResult{Suggestions: []control.Suggestion{{Prefix: n, Reason: "alice logged in with a key on 2026-02-08; logins in all: 12", Command: "sentinelctl whitelist add 192.0.2.10"}}}, nil
}

func (f *fake) Geo(_ context.Context, _ control.Peer, p control.GeoParams) (*control.GeoResult, error) {
	r := &control.GeoResult{GeoStatus: geoStatus()}
	for _, a := range p.Addresses {
		found := control.GeoFound{IP: a}
		if a == netip.MustParseAddr("203.0.113.42") {
			found.Country, found.ASN, found.Org = "NL", 64500, "Example"
		}
		r.Found = append(r.Found, found)
	}
	return r, nil
}

func geoStatus() control.GeoStatus {
	return control.GeoStatus{Enabled: true, Databases: []control.GeoDatabase{
		{Path: "/usr/share/GeoIP/GeoLite2-Country.mmdb", Type: "GeoLite2-Country", Built: clock.Add(-400 * 24 * time.Hour), Use: []string{"country"}, Size: 9_100_000, Licence: "includes GeoLite2 data"},
	}, Faults: []control.GeoFault{{Path: "/usr/share/GeoIP/GeoLite2-ASN.mmdb", Text: "the file is empty"}}}
}

func (f *fake) Address(_ context.Context, _ control.Peer, p control.AddressParams) (*control.Address, error) {
	r := &control.Address{IP: p.IP, Protections: []control.AllowEntry{}, Blocks: []sentinel.BlockRecord{}, Recent: []control.ThreatRow{}, Actions: []sentinel.Action{}}
	if p.IP.String() != "203.0.113.42" {
		return r, nil
	}
	r.Blocks, r.Recent = f.blocks[:1], threatRows()[:1]
	r.Protections = []control.AllowEntry{{Prefix: p.IP, Kind: "key", Reason: "alice logged in with a key on 2026-02-08"}}
	r.FirstSeen, r.LastSeen, r.Events, r.Threats, r.Score, r.Earlier = clock.Add(-90*24*time.Hour), clock.Add(-2*time.Minute), 1512, 3, 0.45, 2
	r.Good = sentinel.Regular{Logins: 12, Days: 9, Since: clock.Add(-20 * 24 * time.Hour), KeyLogin: clock.Add(-30 * time.Hour), KeyUser: "alice"}
	r.Country, r.ASN, r.Org = "NL", 64500, "Example"
	r.Graded = "alice logged in with a key on 2026-02-08"
	r.Network, r.Neighbours = control.Network{Prefix: netip.MustParsePrefix("203.0.113.0/24")}, 3
	r.Actions = []sentinel.Action{{ID: "01B2", Created: clock.Add(-2 * time.Minute), Type: "block", Status: "active", Origin: sentinel.OriginRule, Reason: "SSH_BRUTE_001: 12 failures"}}
	return r, nil
}

func (f *fake) Rules(context.Context, control.Peer, control.RulesParams) (*control.RulesResult, error) {
	return &control.RulesResult{Rules: []control.RuleRow{
		{ID: "SSH_BRUTE_001", Name: "SSH brute force", Type: "brute_force", Severity: sentinel.High, Confidence: 1, Sources: []string{"ssh"}, Enabled: true, File: "ssh.yml", Line: 1, Matches: 1412, Fired: 4},
		{ID: "MINE", Name: "My own", Type: "scanner", Severity: sentinel.Low, Confidence: 0.5, Sources: []string{"nginx"}, Custom: true, File: "/etc/sentinel/rules.d/mine.yml"},
	}, Problems: []control.RuleProblem{{File: "/etc/sentinel/rules.d/bad.yml", Line: 3, Column: 1, RuleID: "BAD", Message: "severity: \"HIHG\" is none"}}}, nil
}

func (f *fake) Rule(_ context.Context, _ control.Peer, p control.RuleParams) (*control.RuleResult, error) {
	all, _ := f.Rules(context.Background(), control.Peer{}, control.RulesParams{})
	for _, r := range all.Rules {
		if strings.EqualFold(r.ID, p.ID) {
			res := &control.RuleResult{RuleRow: r, Description: "Many failed logins from one address.", Tags: []string{"attack.t1110"}, MITRE: []string{"T1110"}, YAML: "id: " + r.ID + "\n"}
			if r.Custom {
				res.Origin = &control.RuleOrigin{Format: "Sigma", ID: "aaaaaaaa-0000", Author: "Ann Author", License: "DRL 1.1"}
			}
			return res, nil
		}
	}
	if p.ID == "BROKEN" {
		return nil, errors.New("a secret of the database")
	}
	return nil, control.Errorf(control.CodeNotFound, "there is no rule %q", p.ID)
}

// startAgent serves an agent on a socket until the test is over.
func startAgent(t interface {
	Fatal(...any)
	Cleanup(func())
}, agent control.Agent) string {
	dir, err := os.MkdirTemp("", "ctl")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s.sock")
	s, err := control.Listen(agent, control.Options{Path: path, LookupGroup: func(string) (uint32, bool) { return 0, false }})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = os.RemoveAll(dir)
	})
	return path
}

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}
