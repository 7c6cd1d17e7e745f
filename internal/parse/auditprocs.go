package parse

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Bounds of what is remembered of processes.
const (
	maxProcs       = 16384
	maxProcText    = 4 << 20 // bytes of all texts
	maxProcCmdline = 512     // bytes of one command line
	maxProcImage   = 256
)

// procs remembers which program a process runs, by its number: the audit log
// names the parent of a process by that alone. The process that was named
// longest ago is forgotten first. The log does not say when processes end, so
// that a number which came into use again may for a while have its old name.
type procs struct {
	byID map[procID]*proc
	// first and last of a list, the latest first
	first, last *proc
	text        int
}

type procID struct {
	node string
	pid  int
}

type proc struct {
	id             procID
	image, cmdline string
	prev, next     *proc
}

// parent returns what the process pid runs, empty if it is not known.
func (p *procs) parent(node string, pid int) (image, cmdline string) {
	x := p.byID[procID{node, pid}]
	if x == nil {
		return "", ""
	}
	p.front(x)
	return x.image, x.cmdline
}

// ran notes that a process runs another program from now on.
func (p *procs) ran(node string, e *sentinel.Exec) {
	if e.PID != 0 && e.Image != "" {
		p.set(node, e.PID, e.Image, e.Cmdline)
	}
}

// is notes which program a process runs, by another record of it. A command line
// that is known is kept.
func (p *procs) is(node string, pid int, image string) {
	if pid == 0 || image == "" || image == "(null)" {
		return
	}
	if x := p.byID[procID{node, pid}]; x != nil && x.image == image[:min(len(image), maxProcImage)] {
		p.front(x)
		return
	}
	p.set(node, pid, image, "")
}

func (p *procs) set(node string, pid int, image, cmdline string) {
	image, cmdline = image[:min(len(image), maxProcImage)], cmdline[:min(len(cmdline), maxProcCmdline)]
	x := p.byID[procID{node, pid}]
	if x == nil {
		x = &proc{id: procID{strings.Clone(node), pid}}
		if p.byID == nil {
			p.byID = make(map[procID]*proc)
		}
		p.byID[x.id] = x
		p.text += len(node)
	} else {
		p.cut(x)
	}
	p.text += len(image) + len(cmdline) - len(x.image) - len(x.cmdline)
	if x.image != image {
		x.image = strings.Clone(image)
	}
	x.cmdline = strings.Clone(cmdline)
	p.push(x)
	for len(p.byID) > maxProcs || p.text > maxProcText {
		old := p.last
		p.cut(old)
		delete(p.byID, old.id)
		p.text -= len(old.id.node) + len(old.image) + len(old.cmdline)
	}
}

func (p *procs) front(x *proc) {
	p.cut(x)
	p.push(x)
}

func (p *procs) push(x *proc) {
	x.prev, x.next = nil, p.first
	if p.first != nil {
		p.first.prev = x
	} else {
		p.last = x
	}
	p.first = x
}

func (p *procs) cut(x *proc) {
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		p.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	} else {
		p.last = x.prev
	}
}
