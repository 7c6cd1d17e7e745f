package detect

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// One event may be held by several sources: auth.log and the journal, or
// kern.log, ufw.log, syslog and the journal. For each message of a process it is
// counted how often each source has said it, and an event is new by what it adds
// to the greatest of these counts. So it does not matter which source is ahead
// and how far, nor whether one of them folds ("message repeated 3 times"), and a
// message that one source says again is always new.
const (
	twinSlots   = 4096
	twinWays    = 4 // sources of one message
	twinSeconds = 30
)

type twins struct {
	slots []twin
}

type twin struct {
	tag, made uint32
	source    [twinWays]uint16 // hash of the source
	count     [twinWays]uint16 // 0: the place is free
}

// fresh returns how many of the n events with this key no other source has said
// within twinSeconds.
func (w *twins) fresh(key uint64, source uint16, n int, at uint32) int {
	if w.slots == nil {
		w.slots = make([]twin, twinSlots)
	}
	s, tag := &w.slots[key%twinSlots], uint32(key>>32)
	if s.tag != tag || at > s.made+twinSeconds || s.made > at+twinSeconds {
		*s = twin{tag: tag, made: at}
	}
	mine, most := -1, uint16(0)
	for i, c := range s.count {
		if c == 0 && mine < 0 || c > 0 && s.source[i] == source {
			mine = i
		}
		most = max(most, c)
	}
	if mine < 0 {
		return n // of more sources than are told apart
	}
	c := min(int(s.count[mine])+n, 1<<16-1)
	s.source[mine], s.count[mine] = source, uint16(c)
	if c == 1<<16-1 {
		*s = twin{tag: tag, made: at} // begin anew rather than stop counting
	}
	return min(max(c-int(most), 0), n)
}

// repeats says how often the event in hand happened that no other source has
// said. Only lines of processes, and of the kernel, are compared: the logs of
// two web servers may well hold the same line.
func (d *Detector) repeats(ev *sentinel.Event) int {
	n := max(ev.Repeat, 1)
	if ev.SourceType == sentinel.TypeAudit && ev.Message != "" {
		h := d.hash.Str(uint64(ev.Time.UnixMilli()), plainRecord(ev.Message))
		return d.twins.fresh(h, uint16(d.hash.Str(0, ev.Source)), n, d.now.sec)
	}
	if ev.Message == "" || ev.PID == 0 && ev.Program != "kernel" {
		return n
	}
	// The journal drops spaces at the end.
	h := d.hash.Str(uint64(ev.PID), strings.TrimRight(ev.Message, " "))
	h = d.hash.Str(h, hostLabel(ev.Host))
	return d.twins.fresh(h, uint16(d.hash.Str(0, ev.Source)), n, d.now.sec)
}

// plainRecord is an audit record without the names that the audit daemon adds
// and the journal does not have. Together with its stamp it says the same
// wherever it stands, the host's name does not.
func plainRecord(s string) string {
	s, _, _ = strings.Cut(s, "\x1d")
	s, _, _ = strings.Cut(s, "#035")
	return strings.TrimRight(s, " ")
}

// hostLabel is the name of a host without its domain, which syslog drops and
// the journal keeps. An address stays whole.
func hostLabel(host string) string {
	label, _, ok := strings.Cut(host, ".")
	if !ok || host[len(host)-1]-'0' <= 9 && host[0]-'0' <= 9 {
		return host
	}
	return label
}
