package main

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// logHost is the host name in the logs.
const logHost = "web01"

// generator writes log lines. The same generator writes the same lines; only
// the time stamps are the caller's.
type generator interface {
	// line appends a line, with its newline, that was written at t.
	line(buf []byte, t time.Time) []byte
}

// first is when the logs that are replayed begin.
var first = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// span is how much time the logs cover that are replayed; recent that of logs
// that the agent reads, which are to be about what happens now.
const (
	span   = 4 * time.Hour
	recent = 8 * time.Minute
)

func (b *bench) lines() int {
	if b.short {
		return 200_000
	}
	return 1_000_000
}

// replayLog returns the path of a log that is the same each time.
func (b *bench) replayLog(kind string) (string, error) {
	if path, ok := b.logs[kind]; ok {
		return path, nil
	}
	path := filepath.Join(b.dir, kind+".log")
	if err := write(path, newGenerator(kind), b.lines(), first, span); err != nil {
		return "", err
	}
	b.logs[kind] = path
	return path, nil
}

// recentLog writes the same lines with stamps that end now.
func (b *bench) recentLog(name, kind string) (string, error) {
	path := filepath.Join(b.dir, name)
	return path, write(path, newGenerator(kind), b.lines(), time.Now().Add(-recent), recent)
}

func newGenerator(kind string) generator {
	if kind == "nginx" {
		return newWeb()
	}
	return newLogins()
}

// write fills a file with n lines whose stamps are spread evenly.
func write(path string, g generator, n int, from time.Time, over time.Duration) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	var buf []byte
	for i := range n {
		buf = g.line(buf[:0], from.Add(over*time.Duration(i)/time.Duration(n)))
		if _, err := w.Write(buf); err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return f.Close()
}

// random returns the source of chance of a generator.
func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 20260302)) }

// public reports whether an IPv4 address is one that attackers have: not of the
// ranges that are private, special or protected.
func public(v uint32) bool {
	switch a := byte(v >> 24); a {
	case 0, 10, 100, 127, 168, 169, 172, 192, 198, 203:
		return false
	default:
		last := byte(v)
		return a < 224 && last != 0 && last != 255
	}
}

func v4(v uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
}

// randomAddr returns an IPv4 address, or in a share of all an IPv6 one, as text.
func randomAddr(r *rand.Rand, six float64) string {
	if r.Float64() < six {
		return fmt.Sprintf("2a%02x:%x:%x:%x::%x", r.IntN(256), 1+r.IntN(0xfffe), 1+r.IntN(0xfffe), 1+r.IntN(0xfffe), 1+r.IntN(0xfffe))
	}
	for {
		if v := r.Uint32(); public(v) {
			return v4(v).String()
		}
	}
}

func randomAddrs(r *rand.Rand, n int, six float64) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = randomAddr(r, six)
	}
	return out
}

func pick(r *rand.Rand, list []string) string { return list[r.IntN(len(list))] }

// stamp writes times, each second once.
type stamp struct {
	layout string
	sec    int64
	text   string
}

func (s *stamp) of(t time.Time) string {
	if sec := t.Unix(); sec != s.sec || s.text == "" {
		s.sec, s.text = sec, t.Format(s.layout)
	}
	return s.text
}

// strangers are failed logins, each of another address; among them are some who
// come back.
type strangers struct {
	stamp  stamp
	next   uint32
	i, n   int
	forced []string // who comes back
	due    map[int][]int
}

// comeBack is how many lines each of those has who come back.
const comeBack = 12

// newStrangers makes n lines. The k-th of those who come back does so after
// 500 to 12,000 lines of others.
func newStrangers(n, forcers int) *strangers {
	s := &strangers{stamp: stamp{layout: time.Stamp}, n: n, due: map[int][]int{}}
	r := random(3)
	for k := range forcers {
		s.forced = append(s.forced, fmt.Sprintf("203.0.113.%d", 1+k))
		gap := 500 + r.IntN(max(1, min(11_500, n/comeBack-500)))
		start := r.IntN(max(1, n-gap*comeBack))
		for j := range comeBack {
			s.due[start+j*gap] = append(s.due[start+j*gap], k)
		}
	}
	return s
}

func (s *strangers) line(buf []byte, t time.Time) []byte {
	var from string
	if due := s.due[s.i]; len(due) > 0 {
		from = s.forced[due[0]]
		if len(due) > 1 {
			s.due[s.i+1] = append(s.due[s.i+1], due[1:]...)
		}
	} else {
		for {
			s.next += 2654435761 // odd: comes to every address once
			if public(s.next) {
				break
			}
		}
		from = v4(s.next).String()
	}
	s.i++
	return failed(buf, s.stamp.of(t), 1000+s.i%60000, "root", from, 1024+s.i%60000)
}

// failed appends a failed login.
func failed(buf []byte, at string, pid int, user, from string, port int) []byte {
	return fmt.Appendf(buf, "%s %s sshd[%d]: Failed password for %s from %s port %d ssh2\n", at, logHost, pid, user, from, port)
}
