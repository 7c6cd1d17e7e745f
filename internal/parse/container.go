package parse

import (
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Container engines write what a container prints line by line into files of
// their own:
//
//	{"log":"TEXT\n","stream":"stdout","time":"2026-03-01T11:59:58.123456789Z"}
//	2026-03-01T11:59:58.123456789Z stdout F TEXT
//
// The first is Docker's json-file, the second what Kubernetes, containerd, CRI-O
// and Podman write. Both cut a line into pieces of 16 KiB; all but the last have
// no newline, or the letter P. The text is read as a line of the source; the time
// is the engine's, since a container may have another zone than the host.

const (
	dockerHead = `{"log":"`
	// A line of the second form is not shorter.
	minCRI = len("2006-01-02T15:04:05Z stdout F ")
)

// wrapper is what an engine wrote around a text.
type wrapper struct {
	text   string // JSON's escapes are in it still if json is set
	json   bool
	stderr bool
	whole  bool // nothing follows that belongs to the line
	stamp  string
}

// unwrap takes the text out of a line of a container engine.
func unwrap(line string) (w wrapper, ok bool) {
	switch {
	case strings.HasPrefix(line, dockerHead):
		return unwrapDocker(line)
	case len(line) >= minCRI && line[4] == '-' && line[10] == 'T':
		return unwrapCRI(line)
	}
	return w, false
}

// unwrapDocker reads keys in the order in which Docker writes them; of "attrs",
// which may stand before the time, nothing is of use.
func unwrapDocker(line string) (w wrapper, ok bool) {
	text, n := scalar(line[len(dockerHead)-1:])
	if n == 0 {
		return w, false
	}
	rest, ok := strings.CutPrefix(line[len(dockerHead)-1+n:], `,"stream":"`)
	if !ok {
		return w, false
	}
	stream, rest, ok := strings.Cut(rest, `",`)
	if !ok || stream != "stdout" && stream != "stderr" {
		return w, false
	}
	i := strings.LastIndex(rest, `"time":"`)
	if i < 0 {
		return w, false
	}
	stamp, ok := strings.CutSuffix(rest[i+len(`"time":"`):], `"}`)
	if !ok {
		return w, false
	}
	w = wrapper{text: text, json: true, stderr: stream == "stderr", stamp: stamp}
	if cut, ok := strings.CutSuffix(text, `\n`); ok && (len(cut)-len(strings.TrimRight(cut, `\`)))%2 == 0 {
		w.text, w.whole = cut, true
	}
	return w, true
}

func unwrapCRI(line string) (w wrapper, ok bool) {
	stamp, rest, _ := strings.Cut(line, " ")
	switch {
	case strings.HasPrefix(rest, "stdout "):
	case strings.HasPrefix(rest, "stderr "):
		w.stderr = true
	default:
		return w, false
	}
	// More tags may follow the first, behind colons.
	tags, text, ok := strings.Cut(rest[len("stdout "):], " ")
	tag, _, _ := strings.Cut(tags, ":")
	if !ok || tag != "F" && tag != "P" {
		return w, false
	}
	w.stamp, w.text, w.whole = stamp, text, tag == "F"
	return w, true
}

// contained reads a line of a container engine. A piece of a line is understood
// and says nothing; the last one is read with those before it.
func (p *Parser) contained(w *wrapper, line string, now time.Time, ev *sentinel.Event) bool {
	at, _ := p.isoStamp(w.stamp)
	text := w.text
	if w.json {
		text = plain(text)
	}
	part := &p.parts[0]
	if w.stderr {
		part = &p.parts[1]
	}
	if !w.whole || len(*part) > 0 {
		*part = append(*part, text[:min(len(text), sentinel.MaxLine-len(*part))]...)
	}
	if !w.whole {
		p.fill(line, now, ev)
		ev.Time = at
		return true
	}
	if len(*part) > 0 {
		text, *part = string(*part), nil
	}
	ok := p.line(strings.TrimSuffix(text, "\r"), now, now, ev)
	if !at.IsZero() {
		ev.Time = at
	}
	return ok
}
