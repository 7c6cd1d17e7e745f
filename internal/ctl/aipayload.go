package ctl

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload/benign"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// labelled is one request out of labelled cases.
type labelled struct {
	line        string
	kind        sentinel.SourceType
	path, query string
	attack      bool
	source      string
}

// requests reads the requests out of the labelled cases (*.jsonl) of a folder:
// harmless ones of single lines and of sequences, attacks of single lines only,
// since not every line of an attack is one.
func requests(dir string) ([]labelled, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s has no *.jsonl files with labelled cases", dir)
	}
	slices.Sort(paths)
	var out []labelled
	for _, p := range paths {
		if out, err = requestsOf(out, p); err != nil {
			return nil, err
		}
	}
	bySource := map[string]int{}
	for i := range out {
		bySource[out[i].source]++
	}
	return slices.DeleteFunc(out, func(l labelled) bool { return bySource[l.source] < leastCases }), nil
}

// leastCases is how many requests a source must have to count as one.
const leastCases = 20

func requestsOf(out []labelled, path string) ([]labelled, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 64<<20)
	mod := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC) // the stamps do not matter
	for n := 1; sc.Scan(); n++ {
		var c struct {
			Suite, Source, Line string
			Lines               []string
			Expect              struct {
				Attack *bool
			}
		}
		if len(sc.Bytes()) == 0 {
			continue
		}
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if c.Expect.Attack == nil || *c.Expect.Attack && c.Lines != nil {
			continue
		}
		kind, err := parse.ParseType(c.Source)
		if err != nil {
			kind = sentinel.TypeAuto
		}
		parser := parse.New(parse.Config{Type: kind})
		if c.Lines == nil {
			c.Lines = []string{c.Line}
		}
		for _, line := range c.Lines {
			var ev sentinel.Event
			if !parser.Parse(line, mod, mod, &ev) || ev.Type != sentinel.EventHTTPAccess || ev.HTTP.Malformed || !payload.Worth(&ev.HTTP) {
				continue
			}
			out = append(out, labelled{
				line: line, kind: kind, path: strings.Clone(ev.HTTP.Path), query: strings.Clone(ev.HTTP.Query),
				attack: *c.Expect.Attack, source: sourceOf(c.Suite),
			})
		}
	}
	return out, sc.Err()
}

// sourceOf names where the cases of a suite are from: suites that differ in how
// they place the same payloads are one source.
func sourceOf(suite string) string {
	s := strings.TrimPrefix(strings.TrimPrefix(suite, "payloads_"), "benign_")
	return strings.TrimSuffix(s, "_moved")
}

// canonical is what the model reads of a request.
func canonical(path, query string) string {
	b, _ := norm.Append(nil, path, norm.Path)
	if query != "" {
		b = append(b, '?')
		b, _ = norm.Append(b, query, norm.Query)
	}
	return string(b)
}

// reframed puts the values of a request into a harmless path and parameters, so
// that the model cannot learn where somebody put payloads.
func (l *labelled) reframed(g *benign.Generator, r *rand.Rand) string {
	if l.query == "" {
		return canonical(l.path, "")
	}
	var b strings.Builder
	for i, p := range strings.Split(l.query, "&") {
		if i > 0 {
			b.WriteByte('&')
		}
		if _, v, ok := strings.Cut(p, "="); ok && v != "" {
			b.WriteString(g.Name() + "=" + v)
			continue
		}
		b.WriteString(p)
	}
	return canonical(g.Path(), b.String())
}
