package anomaly

import (
	"fmt"
	"math"
	"slices"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// reasons says in words which features make a window unusual: those whose
// replacement by what is usual lowers its score most.
func reasons(score func(*Vector) float64, v, usual *Vector) []string {
	type drop struct {
		feature int
		by      float64
	}
	base := score(v)
	var drops []drop
	for f := range NumFeatures {
		other := *v
		other[f] = usual[f]
		if by := base - score(&other); by > 1e-3 {
			drops = append(drops, drop{f, by})
		}
	}
	slices.SortStableFunc(drops, func(a, b drop) int {
		switch {
		case a.by > b.by:
			return -1
		case a.by < b.by:
			return 1
		}
		return 0
	})
	var out []string
	for _, d := range drops {
		if len(out) == sentinel.MaxReasons {
			break
		}
		if text := reason(d.feature, v, usual); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// reason says what a feature is and what is usual.
func reason(f int, v, usual *Vector) string {
	x, u := float64(v[f]), float64(usual[f])
	n, m := math.Expm1(float64(v[featRequests])), math.Expm1(float64(usual[featRequests]))
	share := func(what string) string {
		return fmt.Sprintf("%s %s, usual %s", percent(x), what, percent(u))
	}
	of := func(what string) string { // the share of n, where the feature is that of n+2
		return fmt.Sprintf("%s %s, usual %s", percent(x*(n+2)/max(n, 1)), what, percent(u*(m+2)/max(m, 1)))
	}
	number := func(format string) string {
		return fmt.Sprintf(format, amount(math.Expm1(x)), amount(math.Expm1(u)))
	}
	switch f {
	case featRequests:
		return number("%s requests, usual %s")
	case feat4xx:
		return of("of the answers are 4xx")
	case feat5xx:
		return of("of the answers are 5xx")
	case featPaths:
		return number("%s different paths, usual %s")
	case featEntropy:
		return fmt.Sprintf("its paths are %s evenly spread (%.1f bits, usual %.1f)", word(x > u, "more", "less"), x, u)
	case featSpread:
		return of("of the requests are for new paths")
	case featAgents:
		return number("%s user agents, usual %s")
	case featPause:
		return number("%s s between requests, usual %s s")
	case featRhythm:
		return fmt.Sprintf("its pauses are %s even (variation %.2f, usual %.2f)", word(x < u, "more", "less"), x, u)
	case featDynamic:
		return share("of the requests are not for static files")
	case featPost:
		return share("of the requests are POST")
	case featLength:
		return number("targets of %s characters, usual %s")
	case featSpecial:
		return share("of the targets are special characters")
	case featNoReferer:
		return share("of the requests name no page they come from")
	}
	return ""
}

func word(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

func percent(x float64) string { return fmt.Sprintf("%.0f %%", 100*min(max(x, 0), 1)) }

// amount writes a number with the digits that matter.
func amount(x float64) string {
	if x < 10 {
		return strings.TrimSuffix(fmt.Sprintf("%.1f", x), ".0")
	}
	return fmt.Sprintf("%.0f", x)
}
