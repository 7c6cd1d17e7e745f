package metrics

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// parse reads a text as Prometheus does.
func parse(t testing.TB, text string) map[string]*dto.MetricFamily {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	families, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return families
}

func TestText(t *testing.T) {
	var w Writer
	hostile := "/var/log/\"} 7\nevil_total 9\\n\xff\u2028"
	w.Family("sentinel_lines_total", Counter, "Lines that were read.\nIn \\ all.")
	w.Sample(12, "source", hostile, "type", "ssh")
	w.Sample(0, "source", "")
	w.One("sentinel_load", Gauge, "A share.", 0.25)
	w.One("sentinel_big", Gauge, "Bytes.", 1<<40)
	w.One("sentinel_odd", Gauge, "Not a number.", math.NaN())
	h := NewHistogram(time.Millisecond, time.Second)
	for _, d := range []time.Duration{time.Microsecond, time.Millisecond, 2 * time.Millisecond, time.Minute} {
		h.Observe(d)
	}
	w.Histogram("sentinel_commit_duration_seconds", "How long.", h)

	got := parse(t, w.String())
	lines := got["sentinel_lines_total"]
	if lines == nil || lines.GetType() != dto.MetricType_COUNTER || lines.GetHelp() != "Lines that were read.\nIn \\ all." {
		t.Fatalf("%+v", lines)
	}
	m := lines.Metric[0]
	if m.GetCounter().GetValue() != 12 || m.Label[0].GetValue() != strings.ToValidUTF8(hostile, "\ufffd") || m.Label[1].GetValue() != "ssh" {
		t.Errorf("%+v", m)
	}
	if len(got) != 5 {
		t.Errorf("%d families: the text was broken out of\n%s", len(got), w.String())
	}
	if v := got["sentinel_load"].Metric[0].GetGauge().GetValue(); v != 0.25 {
		t.Error(v)
	}
	if v := got["sentinel_big"].Metric[0].GetGauge().GetValue(); v != 1<<40 {
		t.Error(v)
	}
	hist := got["sentinel_commit_duration_seconds"].Metric[0].GetHistogram()
	if hist.GetSampleCount() != 4 || hist.GetSampleSum() != 60.003001 || len(hist.Bucket) != 3 ||
		hist.Bucket[0].GetCumulativeCount() != 2 || hist.Bucket[1].GetCumulativeCount() != 3 || hist.Bucket[2].GetCumulativeCount() != 4 {
		t.Errorf("%+v", hist)
	}
}

// Whatever a label is, Prometheus reads it back.
func FuzzLabel(f *testing.F) {
	f.Add("a\"b\\c\nd", 1.5)
	f.Fuzz(func(t *testing.T, value string, v float64) {
		var w Writer
		w.Family("x_total", Gauge, value)
		w.Sample(v, "l", value)
		got := parse(t, w.String())["x_total"]
		want := strings.ToValidUTF8(value, "\ufffd")
		if len(got.Metric) != 1 || got.Metric[0].Label[0].GetValue() != want {
			t.Fatalf("%q became %+v", value, got)
		}
		if x := got.Metric[0].GetGauge().GetValue(); x != v && !(math.IsNaN(x) && math.IsNaN(v)) {
			t.Fatalf("%v became %v", v, x)
		}
	})
}

func TestListenRefusesOtherAddresses(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", "[::]:0", ":9464", "192.0.2.1:1", "localhost:0", "off", ""} {
		if s, err := Listen(address, nil, slog.New(slog.DiscardHandler)); err == nil {
			_ = s.Close()
			t.Errorf("%q is listened on", address)
		}
	}
}

func TestServe(t *testing.T) {
	s, err := Listen("127.0.0.1:0", func() string { return "x_total 1\n" }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.http.ReadTimeout = 100 * time.Millisecond
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	ask := func(method, path, host string) (int, string, string) {
		r, err := http.NewRequest(method, "http://"+s.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		res, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, res.Header.Get("Content-Type"), string(body)
	}
	if code, kind, body := ask("GET", "/metrics", ""); code != 200 || kind != ContentType || body != "x_total 1\n" {
		t.Errorf("%d %s %q", code, kind, body)
	}
	if code, _, _ := ask("GET", "/metrics", "localhost:9464"); code != 200 {
		t.Errorf("localhost: %d", code)
	}
	for what, want := range map[[3]string]int{
		{"POST", "/metrics", ""}:                   405,
		{"GET", "/", ""}:                           404,
		{"GET", "/metrics/../etc/passwd", ""}:      404,
		{"GET", "/metrics", "evil.example:9464"}:   403,
		{"GET", "/metrics", "127.0.0.1.evil.test"}: 403,
	} {
		if code, _, body := ask(what[0], what[1], what[2]); code != want || strings.Contains(body, "x_total") {
			t.Errorf("%v: %d, want %d", what, code, want)
		}
	}
	// Callers that say nothing are given up, and do not keep others out.
	for range 2 * maxConns {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if code, _, _ := ask("GET", "/metrics", ""); code != 200 {
		t.Errorf("among idle callers: %d", code)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
