package ctl

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/drill"
	"github.com/sentinel-ai/sentinel-ai/internal/enforce"
)

// screen is where output goes. Writes are buffered until flush.
type screen struct {
	w *bufio.Writer
	// tty: a person looks at it; width is then its columns, else 0.
	tty    bool
	width  int
	colour bool
}

// newScreen looks at what f is. Colours are for terminals only.
func newScreen(f *os.File) *screen {
	s := &screen{w: bufio.NewWriterSize(f, 64<<10)}
	if fd := int(f.Fd()); term.IsTerminal(fd) {
		s.tty, s.width = true, 80
		if w, _, err := term.GetSize(fd); err == nil && w > 0 {
			s.width = w
		}
		s.colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return s
}

// newApp is sentinelctl on this host.
func newApp(version string) *app {
	return &app{
		version: version, stdin: os.Stdin, out: newScreen(os.Stdout), err: newScreen(os.Stderr),
		now: time.Now, euid: os.Geteuid(), env: os.Getenv, removeTable: enforce.RemoveAll, inspect: drill.Inspect,
		defaultConfig: config.DefaultPath,
	}
}

// Write implements io.Writer.
func (s *screen) Write(p []byte) (int, error) { return s.w.Write(p) }

func (s *screen) printf(format string, args ...any) { fmt.Fprintf(s.w, format, args...) }

func (s *screen) flush() error { return s.w.Flush() }

var _ io.Writer = (*screen)(nil)

// style is an SGR sequence without its frame; empty is plain.
type style string

// The styles. Colours come from the terminal's own sixteen, so that they fit
// light and dark backgrounds.
const (
	stylePlain    style = ""
	styleBold     style = "1"
	styleDim      style = "2"
	styleGood     style = "32"
	styleWarn     style = "33"
	styleBad      style = "31"
	styleHit      style = "1;31"
	styleCritical style = "1;97;41"
	styleHigh     style = "1;31"
	styleMedium   style = "33"
	styleLow      style = "36"
)

// paint puts text, which must be clean, in a style where there are colours.
func (s *screen) paint(st style, text string) string {
	if !s.colour || st == stylePlain || text == "" {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

func severityStyle(sev sentinel.Severity) style {
	switch sev {
	case sentinel.Critical:
		return styleCritical
	case sentinel.High:
		return styleHigh
	case sentinel.Medium:
		return styleMedium
	case sentinel.Low:
		return styleLow
	}
	return styleDim
}
