package agent

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// requests appends harmless requests of n shapes and one attack that only the
// model knows.
func (r *seriesRig) requests(n int) {
	r.t.Helper()
	var b strings.Builder
	stamp := time.Now().Format("02/Jan/2006:15:04:05 -0700")
	for i := range n {
		fmt.Fprintf(&b, "192.0.2.%d - - [%s] \"GET /search?q=two+words%c%c HTTP/1.1\" 200 612 \"-\" \"Mozilla/5.0\"\n", i%200+1, stamp, 'a'+i%26, 'a'+i/26)
	}
	fmt.Fprintf(&b, "203.0.113.9 - - [%s] \"GET /search?var=%%27%%20or%%20homer%%209 HTTP/1.1\" 200 612 \"-\" \"Mozilla/5.0\"\n", stamp)
	f, err := os.OpenFile(r.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteString(b.String()); err != nil {
		r.t.Fatal(err)
	}
}

// TestPayload: what the model of requests finds is told and blocks nobody, and
// what it learns of the host outlives the agent.
func TestPayload(t *testing.T) {
	r := newSeriesRig(t)
	r.cfg.Logs.Sources[0].Type = "nginx"
	r.requests(100)
	r.start()
	st := r.wait("learned", func(st *control.Status) bool {
		return st.Payload != nil && st.Payload.Learned >= 90 && st.Payload.Found == 1
	})
	if !st.Payload.Enabled || st.Payload.Threshold != st.Payload.Shipped || st.Blocks+st.Simulated > 0 {
		t.Errorf("the status is %+v", st.Payload)
	}
	r.stop()
	r.start()
	r.wait("known after a restart", func(st *control.Status) bool { return st.Payload != nil && st.Payload.Learned >= 90 })
	if _, err := (*api)(r.a).SetConfig(t.Context(), control.Peer{}, control.ConfigSetParams{Key: "detection.payload.enabled", Value: "false"}); err != nil {
		t.Fatal(err)
	}
	r.wait("off", func(st *control.Status) bool {
		return st.Payload != nil && !st.Payload.Enabled && st.Payload.Error == ""
	})
}

// TestFaultPayloadMemory: damaged memory is forgotten, and the model works on.
func TestFaultPayloadMemory(t *testing.T) {
	t.Run("corrupt memory of the model of requests", func(t *testing.T) {
		r := newSeriesRig(t)
		r.cfg.Logs.Sources[0].Type = "nginx"
		r.requests(50)
		r.start()
		r.wait("learned", func(st *control.Status) bool { return st.Payload != nil && st.Payload.Learned >= 40 })
		r.stop()
		r.sql("UPDATE anomaly_state SET data = x'00' WHERE kind = 'payload'")
		r.start()
		r.wait("on", func(st *control.Status) bool { return st.Payload != nil && st.Payload.Learned == 0 })
		r.requests(5)
		if st := r.wait("found", func(st *control.Status) bool { return st.Payload.Found == 1 }); st.Payload.Error != "" {
			t.Errorf("%q", st.Payload.Error)
		}
	})
}
