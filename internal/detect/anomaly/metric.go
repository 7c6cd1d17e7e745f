package anomaly

import (
	"fmt"
	"math"
	"slices"
)

// Metric is one thing that is watched of a source, bin by bin.
type Metric uint8

// The metrics.
const (
	// Requests are the lines of the log, each as often as it stands for.
	Requests Metric = iota
	// Errors4xx and Errors5xx are the shares of answers with such a status.
	Errors4xx
	Errors5xx
	// UniqueIPs are different addresses; NewIPShare is the share of them that the
	// source had never seen.
	UniqueIPs
	NewIPShare
	// PathEntropy is how evenly requests spread over paths, in bits.
	PathEntropy
	// Bytes of answers.
	Bytes
	// AuthFail are login attempts that failed.
	AuthFail
	// GeoDivergence is how far the day's countries are from the usual ones, 0..1.
	GeoDivergence
	// Top1Share is the share of the busiest address.
	Top1Share
	// AuthFailHour are login attempts that failed within the last hour: what comes
	// too slowly to be seen in five minutes.
	AuthFailHour
	NumMetrics
)

type metricKind uint8

const (
	kindCount metricKind = iota
	kindRatio
	kindBytes
	kindBits
	kindHour // a count, of an hour
)

// metrics have the name that is stored and shown; the words of explanations; and
// the least value at which a rise matters at all, however rare.
var metrics = [NumMetrics]struct {
	name, words string
	kind        metricKind
	least       float64
}{
	Requests:      {"requests", "requests", kindCount, 30},
	Errors4xx:     {"error_4xx", "answers 4xx", kindRatio, 0.1},
	Errors5xx:     {"error_5xx", "answers 5xx", kindRatio, 0.05},
	UniqueIPs:     {"unique_ips", "addresses", kindCount, 15},
	NewIPShare:    {"new_ip_share", "addresses never seen before", kindRatio, 0.2},
	PathEntropy:   {"path_entropy", "spread over paths", kindBits, 2},
	Bytes:         {"bytes", "bytes sent", kindBytes, 10 << 20},
	AuthFail:      {"auth_fail", "failed logins", kindCount, 5},
	GeoDivergence: {"geo_divergence", "countries unlike usual", kindRatio, 0.1},
	Top1Share:     {"top1_ip_share", "of one address", kindRatio, 0.3},
	AuthFailHour:  {"auth_fail_hour", "failed logins", kindHour, 20},
}

// String returns the name under which the metric is stored and shown.
func (m Metric) String() string {
	if m < NumMetrics {
		return metrics[m].name
	}
	return fmt.Sprintf("Metric(%d)", uint8(m))
}

// ParseMetric reads the name of a metric.
func ParseMetric(name string) (Metric, error) {
	for m := range NumMetrics {
		if metrics[m].name == name {
			return m, nil
		}
	}
	return 0, fmt.Errorf("%q is no metric", name)
}

// transform makes counts and shares comparable: y = ln(1+x), or asin(sqrt x).
func (m Metric) transform(x float64) float64 {
	if metrics[m].kind == kindRatio {
		return math.Asin(math.Sqrt(min(max(x, 0), 1)))
	}
	return math.Log1p(max(x, 0))
}

// undo is transform the other way round.
func (m Metric) undo(y float64) float64 {
	y = max(y, 0)
	if metrics[m].kind == kindRatio {
		s := math.Sin(min(y, math.Pi/2))
		return s * s
	}
	return math.Expm1(y)
}

// format writes a value for people, without its unit.
func (m Metric) format(x float64) string {
	switch metrics[m].kind {
	case kindRatio:
		return fmt.Sprintf("%.0f %%", 100*x)
	case kindBits:
		return fmt.Sprintf("%.1f", x)
	case kindBytes:
		units := []string{"B", "KB", "MB", "GB", "TB"}
		i := 0
		for x >= 1000 && i < len(units)-1 {
			x, i = x/1000, i+1
		}
		return fmt.Sprintf("%.3g %s", x, units[i])
	}
	return fmt.Sprintf("%.0f", x)
}

// Format writes a range of values for people: "20-60", "2-9 %".
func (m Metric) Format(low, high float64) string {
	a, b := m.format(low), m.format(high)
	if a == b {
		return a
	}
	if metrics[m].kind == kindRatio {
		return fmt.Sprintf("%.0f-%.0f %%", 100*low, 100*high)
	}
	return a + "-" + b
}

// MetricNames lists the names of all metrics.
func MetricNames() []string {
	out := make([]string, NumMetrics)
	for m := range NumMetrics {
		out[m] = m.String()
	}
	slices.Sort(out)
	return out
}
