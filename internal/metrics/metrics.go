// Package metrics writes figures in the text format of Prometheus (0.0.4) and
// serves them on a loopback address.
package metrics

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// ContentType is that of the text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kind is the kind of a family of figures.
type Kind string

// The kinds.
const (
	Counter Kind = "counter"
	Gauge   Kind = "gauge"
)

// Writer writes families of figures. The zero value is ready to use.
type Writer struct {
	b    bytes.Buffer
	name string
}

// Family begins a family: its name, which may hold letters, digits and
// underscores, and what it tells. Each family is begun once.
func (w *Writer) Family(name string, kind Kind, help string) {
	w.head(name, string(kind), help)
}

func (w *Writer) head(name, kind, help string) {
	w.name = name
	w.b.WriteString("# HELP " + name + " " + helpEscaper.Replace(valid(help)) + "\n# TYPE " + name + " " + kind + "\n")
}

// Sample writes a figure of the family that was begun last. Labels are names and
// values in turn; a value may be any text.
func (w *Writer) Sample(value float64, labels ...string) { w.sample(w.name, value, labels...) }

func (w *Writer) sample(name string, value float64, labels ...string) {
	w.b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		if i == 0 {
			w.b.WriteByte('{')
		} else {
			w.b.WriteByte(',')
		}
		w.b.WriteString(labels[i] + `="` + valueEscaper.Replace(valid(labels[i+1])) + `"`)
	}
	if len(labels) > 1 {
		w.b.WriteByte('}')
	}
	w.b.WriteByte(' ')
	w.b.WriteString(number(value))
	w.b.WriteByte('\n')
}

// One is a family with one figure.
func (w *Writer) One(name string, kind Kind, help string, value float64) {
	w.Family(name, kind, help)
	w.Sample(value)
}

// Histogram writes a histogram as a family.
func (w *Writer) Histogram(name, help string, h *Histogram) {
	w.head(name, "histogram", help)
	sum := uint64(0)
	for i := range h.counts {
		sum += h.counts[i].Load()
		bound := math.Inf(1)
		if i < len(h.bounds) {
			bound = h.bounds[i].Seconds()
		}
		w.sample(name+"_bucket", float64(sum), "le", number(bound))
	}
	w.sample(name+"_sum", time.Duration(h.sum.Load()).Seconds())
	w.sample(name+"_count", float64(sum))
}

// String returns the text so far.
func (w *Writer) String() string { return w.b.String() }

var (
	helpEscaper  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	valueEscaper = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// valid replaces what is not UTF-8, which the format does not know.
func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

func number(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		return strconv.FormatInt(int64(v), 10)
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// Histogram counts durations in buckets. It may be used by many goroutines.
type Histogram struct {
	bounds []time.Duration // ascending
	counts []atomic.Uint64 // one more
	sum    atomic.Int64
}

// NewHistogram has a bucket up to each bound, ascending, and one above.
func NewHistogram(bounds ...time.Duration) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// Observe counts a duration.
func (h *Histogram) Observe(d time.Duration) {
	i := 0
	for i < len(h.bounds) && d > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}
