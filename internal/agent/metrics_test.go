package agent

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// figuresOf reads the figures as Prometheus does.
func figuresOf(t *testing.T, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	out, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// figure is the value with a label, or the only one.
func figure(f *dto.MetricFamily, label string) float64 {
	for _, m := range f.GetMetric() {
		if label == "" || len(m.Label) > 0 && m.Label[0].GetValue() == label {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

// An attack shows in the figures, over HTTP and over the socket.
func TestMetrics(t *testing.T) {
	a, log := runTestAgent(t, func(c *config.Config) { c.Metrics.Listen = "127.0.0.1:0" })
	var text strings.Builder
	for i := range 12 {
		fmt.Fprintf(&text, "%s host sshd[%d]: Failed password for root from 203.0.113.9 port %d ssh2\n", time.Now().Format(time.Stamp), 100+i, 1000+i)
	}
	text.WriteString("what is this\n")
	if err := os.WriteFile(log, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var got map[string]*dto.MetricFamily
	for limit := time.Now().Add(60 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get("http://" + a.metrics.Addr() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		got = figuresOf(t, string(body))
		if figure(got["sentinel_blocks_in_force"], "false") == 1 && figure(got["sentinel_commit_duration_seconds"], "") > 0 &&
			figure(got["sentinel_firewall_healthy"], "dryrun") == 1 {
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("the attack does not show\n%s", body)
		}
	}
	for _, test := range []struct {
		name, label string
		want        float64
	}{
		{"sentinel_lines_total", log, 13}, {"sentinel_lines_parsed_total", log, 12}, {"sentinel_lines_unparsed_total", log, 1},
		{"sentinel_source_active", log, 1}, {"sentinel_tail_lag_bytes", log, 0}, {"sentinel_tail_truncations_total", log, 0},
		{"sentinel_blocks_total", "rule", 1}, {"sentinel_blocks_total", "cli", 0}, {"sentinel_firewall_healthy", "dryrun", 1},
		{"sentinel_database_healthy", "", 1}, {"sentinel_config_last_reload_successful", "", 1}, {"sentinel_observe_mode", "", 0},
	} {
		if v := figure(got[test.name], test.label); v != test.want {
			t.Errorf("%s{%s} is %v, want %v", test.name, test.label, v, test.want)
		}
	}
	for _, name := range []string{
		"sentinel_build_info", "process_resident_memory_bytes", "process_cpu_seconds_total", "go_goroutines", "process_start_time_seconds",
		"sentinel_rules_loaded", "sentinel_rule_matches_total", "sentinel_detections_total", "sentinel_state_entries", "sentinel_database_size_bytes",
	} {
		if figure(got[name], "") <= 0 {
			t.Errorf("%s: %v", name, got[name])
		}
	}
	opened := 0.0
	for _, sev := range []string{"INFO", "LOW", "MEDIUM", "HIGH", "CRITICAL"} {
		opened += figure(got["sentinel_threats_total"], sev)
	}
	if opened != 1 {
		t.Errorf("%v threats", opened)
	}
	r, err := (*api)(a).Metrics(t.Context(), control.Peer{})
	if err != nil || figure(figuresOf(t, r.Text)["sentinel_lines_total"], log) != 13 {
		t.Errorf("over the socket: %v\n%s", err, r.Text)
	}
}

// Labels are bounded, whoever names files, rules and alarms.
func TestMetricLabelsAreBounded(t *testing.T) {
	tl := newTally()
	for i := range 10 * maxMetricKinds {
		tl.alarm(fmt.Sprint(i))
	}
	if len(tl.alarms) > maxMetricKinds+1 || tl.alarms[otherLabel] == 0 {
		t.Errorf("%d kinds of alarms", len(tl.alarms))
	}
}

// A port that is taken does not keep the agent from protecting.
func TestMetricsPortTaken(t *testing.T) {
	first, _ := runTestAgent(t, func(c *config.Config) { c.Metrics.Listen = "127.0.0.1:0" })
	second, _ := runTestAgent(t, func(c *config.Config) { c.Metrics.Listen = first.metrics.Addr() })
	if second.metrics != nil {
		t.Error("it listens all the same")
	}
	second.mu.Lock()
	defer second.mu.Unlock()
	if len(second.alarms) == 0 || second.alarms[0].Kind != "metrics" {
		t.Errorf("alarms: %v", second.alarms)
	}
}
