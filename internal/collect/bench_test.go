package collect

import (
	"context"
	"os"
	"path/filepath"
	"sort"
	"syscall"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// BenchmarkRead reads a large file: lines a second through the channel.
func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "app.log")
	const n = 1_000_000
	block := text(numbered(0, n/100))
	f, err := os.Create(path)
	must(b, err)
	for range 100 {
		_, err = f.WriteString(block)
		must(b, err)
	}
	must(b, f.Close())
	b.ReportAllocs()
	b.SetBytes(int64(100 * len(block)))
	lines := 0
	cpu := cpuTime()
	for b.Loop() {
		cfg := one(path)
		c, err := New(cfg, nil)
		must(b, err)
		ctx, cancel := context.WithCancel(context.Background())
		out, done := make(chan sentinel.Batch, 4), make(chan struct{})
		go func() { defer close(done); _ = c.Run(ctx, out) }()
		for got := 0; got < n; {
			got += len((<-out).Lines)
		}
		lines += n
		cancel()
		<-done
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(lines)/(cpuTime()-cpu).Seconds(), "lines/cpu-s")
}

// BenchmarkWake measures from before the write of a line to its arrival in the
// channel, with a pause between lines as on a quiet host.
func BenchmarkWake(b *testing.B) {
	path := filepath.Join(b.TempDir(), "app.log")
	f, err := os.Create(path)
	must(b, err)
	defer f.Close()
	out, stop := start(b, path)
	defer stop()
	var took []time.Duration
	for b.Loop() {
		time.Sleep(5 * time.Millisecond) // not timed: latency is reported apart
		begun := time.Now()
		_, err := f.WriteString("a line\n")
		must(b, err)
		<-out
		took = append(took, time.Since(begun))
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkBusy writes 20,000 lines a second in chunks of 10 ms and says how
// much of one core that takes, the writer included.
func BenchmarkBusy(b *testing.B) {
	path := filepath.Join(b.TempDir(), "app.log")
	f, err := os.Create(path)
	must(b, err)
	defer f.Close()
	out, stop := start(b, path)
	defer stop()
	block := text(numbered(0, 200))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	cpu, begun := cpuTime(), time.Now()
	for b.Loop() {
		<-tick.C
		_, err := f.WriteString(block)
		must(b, err)
		for got := 0; got < 200; {
			got += len((<-out).Lines)
		}
	}
	b.ReportMetric(100*float64(cpuTime()-cpu)/float64(time.Since(begun)), "%core")
}

// BenchmarkIdle says how much of one core three quiet files take.
func BenchmarkIdle(b *testing.B) {
	dir := b.TempDir()
	var cfg Config
	for _, name := range []string{"a", "b", "c"} {
		path := filepath.Join(dir, name)
		write(b, path, "")
		cfg.Sources = append(cfg.Sources, Source{Path: path})
	}
	c, err := New(cfg, nil)
	must(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan sentinel.Batch, 4), make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx, out) }()
	for range 3 {
		<-out
	}
	cpu, begun := cpuTime(), time.Now()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	b.ReportMetric(100*float64(cpuTime()-cpu)/float64(time.Since(begun)), "%core")
	cancel()
	<-done
}

func start(b *testing.B, path string) (<-chan sentinel.Batch, func()) {
	b.Helper()
	c, err := New(one(path), nil)
	must(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	out, done := make(chan sentinel.Batch, 4), make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx, out) }()
	<-out // its position: it is followed
	return out, func() { cancel(); <-done }
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
