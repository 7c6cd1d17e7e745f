package ctl

import (
	"fmt"
	"strings"
	"time"
)

// progress is a bar on the error stream, where that is a terminal.
type progress struct {
	s       *screen
	streams []*stream
	total   int64 // bytes, 0 if unknown
	next    time.Time
	began   time.Time
	drawn   bool
}

// progressEvery is how often the bar moves.
const progressEvery = 100 * time.Millisecond

func newProgress(a *app, streams []*stream) *progress {
	p := &progress{s: a.err, streams: streams, began: time.Now()}
	for _, s := range streams {
		if s.in.size == 0 {
			p.total = 0
			break
		}
		p.total += s.in.size
	}
	p.next = p.began.Add(3 * progressEvery)
	return p
}

// show draws the bar if it is time to.
func (p *progress) show() {
	if !p.s.tty {
		return
	}
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(progressEvery)
	var done int64
	var lines uint64
	for _, s := range p.streams {
		done += s.in.raw.n.Load()
		lines += s.file.Lines
	}
	speed := float64(lines) / now.Sub(p.began).Seconds()
	text := fmt.Sprintf("%s lines, %s/s", thousands(lines), thousands(uint64(speed)))
	if p.total > 0 {
		share := min(1, float64(done)/float64(p.total))
		const columns = 30
		full := int(share * columns)
		text = fmt.Sprintf("%s%s %3.0f%%  %s", strings.Repeat("█", full), strings.Repeat("░", columns-full), 100*share, text)
	}
	p.s.printf("\r  %s\x1b[K", truncate(text, p.s.width-3))
	_ = p.s.flush()
	p.drawn = true
}

// clear takes the bar away; it comes back with the next show.
func (p *progress) clear() {
	if p.drawn {
		p.s.printf("\r\x1b[K")
		_ = p.s.flush()
		p.drawn = false
	}
}

// end takes the bar away for good.
func (p *progress) end() {
	p.clear()
	p.next = time.Now().Add(24 * time.Hour)
}
