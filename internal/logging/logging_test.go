package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostile is what an attacker may call himself.
const hostile = "root\n<0>sentinel-agent: all is well\r\x1b]0;x\x07\u009b2J\u202e\x7f\U000e0001"

// Whatever the format, a record is one line without anything that a terminal
// or the journal would obey, and the text is still there.
func TestInjection(t *testing.T) {
	for _, format := range []Format{FormatText, FormatJSON, FormatJournal} {
		t.Run(string(format), func(t *testing.T) {
			var b bytes.Buffer
			New(&b, format, slog.LevelInfo).With("part", hostile).Warn("alarm "+hostile, "user", hostile, hostile, 1)
			line := b.String()
			if strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") {
				t.Errorf("more than a line: %q", line)
			}
			if i := strings.IndexFunc(line, hidden); i >= 0 {
				t.Errorf("%q at %d of %q", line[i], i, line)
			}
			if !strings.Contains(line, "all is well") {
				t.Errorf("the text is gone: %q", line)
			}
			if format == FormatJournal && (!strings.HasPrefix(line, "<4>") || strings.Contains(line, "time=") || strings.Contains(line, "level=")) {
				t.Errorf("not for the journal: %q", line)
			}
			if format == FormatJSON {
				var doc map[string]any
				if err := json.Unmarshal([]byte(line), &doc); err != nil || doc["user"] != hostile {
					t.Errorf("%v: %q", err, doc["user"])
				}
			}
		})
	}
}

func FuzzEscape(f *testing.F) {
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range []Format{FormatText, FormatJSON, FormatJournal} {
			var b bytes.Buffer
			New(&b, format, slog.LevelInfo).Warn(text, "k", text)
			if i := strings.IndexFunc(b.String(), hidden); i >= 0 || strings.Count(b.String(), "\n") != 1 {
				t.Fatalf("%s: %q", format, b.String())
			}
		}
	})
}

func TestLevels(t *testing.T) {
	var b bytes.Buffer
	log := New(&b, FormatJournal, slog.LevelDebug)
	log.Debug("a")
	log.Info("b", "n", 1)
	log.With("part", "x").Warn("c d")
	log.Error("e")
	want := "<7>a\n<6>b n=1\n<4>\"c d\" part=x\n<3>e\n"
	if b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	New(&b, FormatText, slog.LevelError).Warn("quiet")
	if b.Len() > 0 {
		t.Errorf("a warning at level error: %q", b.String())
	}
}

// Systemd's variable counts only if it names the stream that is written to.
func TestDetect(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	ours := fmt.Sprintf("%d:%d", st.Dev, st.Ino)
	for stream, want := range map[string]Format{ours: FormatJournal, "": FormatText, "1:2": FormatText, "x": FormatText} {
		if got := detect(stream, f); got != want {
			t.Errorf("%q: %s, want %s", stream, got, want)
		}
	}
	if got := detect(ours, &bytes.Buffer{}); got != FormatText {
		t.Errorf("a buffer is %s", got)
	}
}

func TestRepeatedWarnings(t *testing.T) {
	var b bytes.Buffer
	h := newLimiter(slog.NewTextHandler(&b, nil))
	now := time.Now()
	h.all.now = func() time.Time { return now }
	log := slog.New(h)
	for i := range 100 {
		log.Warn("refused", "peer", i) // what differs does not make it another one
	}
	if n := strings.Count(b.String(), "refused"); n != limitBurst {
		t.Errorf("%d of 100 were written", n)
	}
	// Others are written, and so is what is no warning.
	b.Reset()
	log.Warn("alarm", "kind", "database")
	log.With("part", "control").Warn("refused")
	for range 100 {
		log.Info("refused")
	}
	if n := strings.Count(b.String(), "\n"); n != 102 {
		t.Errorf("%d lines, want 102", n)
	}
	b.Reset()
	now = now.Add(limitWindow)
	log.Warn("refused")
	if want := fmt.Sprintf("left_out_before=%d", 100-limitBurst); !strings.Contains(b.String(), want) {
		t.Errorf("%q has no %s", b.String(), want)
	}
}

func TestKindsAreBounded(t *testing.T) {
	h := newLimiter(slog.NewTextHandler(&bytes.Buffer{}, nil))
	for i := range 10 * limitKinds {
		slog.New(h).Warn(fmt.Sprint(i))
	}
	if n := len(h.all.of); n > limitKinds {
		t.Errorf("%d kinds are remembered", n)
	}
}
