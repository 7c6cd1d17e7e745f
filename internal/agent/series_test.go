package agent

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// series runs agents one after the other over one database and one log.
type seriesRig struct {
	t    *testing.T
	cfg  *config.Config
	log  string
	stop func()
	a    *Agent
}

func newSeriesRig(t *testing.T) *seriesRig {
	dir, err := os.MkdirTemp("", "agent") // a socket's path may not be long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r := &seriesRig{t: t, cfg: config.Default(), log: filepath.Join(dir, "auth.log")}
	r.cfg.Agent.Socket = filepath.Join(dir, "s")
	r.cfg.Agent.Sandbox = config.SandboxOff
	r.cfg.Logs.Discovery = false
	source := config.DefaultSource()
	source.Path, source.Type, source.FromStart = r.log, "ssh", true
	r.cfg.Logs.Sources = []config.Source{source}
	r.cfg.Detection.Rules.CustomDir = filepath.Join(dir, "rules")
	r.cfg.Response.Firewall.Backend = config.BackendDryRun
	r.cfg.Database.Path = filepath.Join(dir, "db")
	return r
}

func (r *seriesRig) start() {
	r.t.Helper()
	a, err := New(r.t.Context(), Options{Config: r.cfg, Utmp: filepath.Join(filepath.Dir(r.log), "utmp")})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stopped := false
	r.a, r.stop = a, func() {
		if !stopped {
			stopped = true
			cancel()
			if err := <-done; err != nil {
				r.t.Error(err)
			}
		}
	}
	r.t.Cleanup(r.stop)
}

// write appends a line for each stretch of five minutes from hours ago on.
func (r *seriesRig) write(from, to time.Duration) {
	r.t.Helper()
	var b strings.Builder
	now := time.Now()
	for at := now.Add(-from); at.Before(now.Add(-to)); at = at.Add(time.Minute) {
		fmt.Fprintf(&b, "%s web01 sshd[%d]: Accepted publickey for ann from 192.0.2.7 port 4242 ssh2: ED25519 SHA256:x\n", at.Format(time.RFC3339), at.Unix()%30000)
	}
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(b.String()); err != nil {
		r.t.Fatal(err)
	}
}

// wait asks for the status until it is as wanted.
func (r *seriesRig) wait(what string, ok func(*control.Status) bool) *control.Status {
	r.t.Helper()
	for limit := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		st, err := (*api)(r.a).Status(r.t.Context(), control.Peer{})
		if err != nil {
			r.t.Fatal(err)
		}
		if ok(st) {
			return st
		}
		if time.Now().After(limit) {
			r.t.Fatalf("%s: the status is %+v, %q", what, st.Anomaly, st.Reasons)
		}
	}
}

func bins(n int) func(*control.Status) bool {
	return func(st *control.Status) bool {
		return st.Anomaly != nil && len(st.Anomaly.Sources) == 1 && st.Anomaly.Sources[0].Bins >= n
	}
}

func (r *seriesRig) sql(query string, args ...any) {
	r.t.Helper()
	db, err := sql.Open("sqlite", "file:"+r.cfg.Database.Path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	res, err := db.Exec(query, args...)
	if err != nil {
		r.t.Fatal(err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		r.t.Fatalf("%s: %d rows, %v", query, n, err)
	}
}

// TestSeries: what is learned of a log is shown, stored, taken up again after a
// restart, and forgotten when told.
func TestSeries(t *testing.T) {
	r := newSeriesRig(t)
	r.write(5*time.Hour, 2*time.Hour)
	r.start()
	st := r.wait("three hours", bins(34))
	src := st.Anomaly.Sources[0]
	if !st.Anomaly.Enabled || !src.Learning || src.Percent > 5 || src.Source != r.log || time.Since(src.Since) > 6*time.Hour {
		t.Errorf("the status is %+v", st.Anomaly)
	}
	p := (*api)(r.a)
	got, err := p.Baselines(t.Context(), control.Peer{}, control.BaselinesParams{Source: r.log})
	if err != nil || len(got.Metrics) == 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, m := range got.Metrics {
		if len(m.Hours) != 168 {
			t.Errorf("%s has %d hours", m.Metric, len(m.Hours))
		}
	}
	if _, err := p.Baselines(t.Context(), control.Peer{}, control.BaselinesParams{Source: "/none"}); err == nil {
		t.Error("something is known of a log that is not there")
	}
	r.stop()
	before := src

	r.write(2*time.Hour, time.Hour)
	r.start()
	st = r.wait("an hour more, after the restart", bins(before.Bins+10))
	if src := st.Anomaly.Sources[0]; !src.Since.Equal(before.Since) || src.Bins > before.Bins+14 {
		t.Errorf("after the restart %+v, before it %+v", src, before)
	}
	out, err := (*api)(r.a).Forget(t.Context(), control.Peer{}, control.ForgetParams{Source: r.log})
	if err != nil || len(out.Sources) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	r.wait("forgotten", func(st *control.Status) bool { return len(st.Anomaly.Sources) == 0 })
	r.stop()
	r.start()
	r.wait("forgotten for good", func(st *control.Status) bool { return st.Anomaly != nil && len(st.Anomaly.Sources) == 0 })

	// Switched off at run time, nothing is watched.
	if _, err := (*api)(r.a).SetConfig(t.Context(), control.Peer{}, control.ConfigSetParams{Key: "detection.anomaly.enabled", Value: "false"}); err != nil {
		t.Fatal(err)
	}
	r.wait("off", func(st *control.Status) bool { return !st.Anomaly.Enabled && st.Anomaly.Error == "" })
}

// TestFaultBaselines: what was learned and cannot be read switches the stage off,
// by name, and nothing else.
func TestFaultBaselines(t *testing.T) {
	for _, c := range []struct{ name, query, want string }{
		{"a corrupt row of a baseline", "UPDATE baselines SET mean = 1e99", "mean 1e+99"},
		{"text where a number should be", "UPDATE baselines SET sample_count = 'many'", "reading baselines"},
		{"a corrupt state of a log", "UPDATE anomaly_state SET data = x'00' WHERE kind = 'series'", "the state of "},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newSeriesRig(t)
			r.write(3*time.Hour, 2*time.Hour)
			r.start()
			r.wait("learned", bins(10))
			r.stop()
			r.sql(c.query)
			r.start()
			st := r.wait("off", func(st *control.Status) bool { return st.Anomaly != nil && st.Anomaly.Error != "" })
			if !strings.Contains(st.Anomaly.Error, c.want) || st.Health != control.HealthDegraded || !strings.Contains(strings.Join(st.Reasons, "\n"), "nothing unusual is told: ") {
				t.Errorf("%q, %q", st.Anomaly.Error, st.Reasons)
			}
			if len(st.Alarms) == 0 || st.Alarms[0].Kind != "anomaly" {
				t.Errorf("alarms %+v", st.Alarms)
			}
			// Rules work on.
			var b strings.Builder
			for i := range 6 {
				fmt.Fprintf(&b, "%s web01 sshd[%d]: Failed password for root from 203.0.113.42 port 4242 ssh2\n", time.Now().Format(time.RFC3339), 100+i)
			}
			if err := os.WriteFile(r.log, []byte(b.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			r.wait("blocked", func(st *control.Status) bool { return st.Blocks+st.Simulated > 0 })
			if _, err := (*api)(r.a).Forget(t.Context(), control.Peer{}, control.ForgetParams{All: true}); err != nil {
				t.Fatal(err)
			}
			r.wait("on again", func(st *control.Status) bool { return st.Anomaly.Error == "" })
		})
	}
}
