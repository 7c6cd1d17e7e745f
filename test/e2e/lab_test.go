package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// lab is a victim, and the rest of the world at the other end of a cable. The
// world has many addresses on the victim's network; one of them is its gateway.
type lab struct {
	victim, world *netnstest.Namespace
}

var (
	victim4 = addr("203.0.113.1")
	victim6 = addr("2001:db8:1::1")
	gateway = addr("203.0.113.254")
	good    = addr("203.0.113.77") // never does anything wrong
	admin   = addr("203.0.113.88")
	// evil are attackers, one for each story told in the same lab.
	evil = func() (list []netip.Addr) {
		for i := range 20 {
			list = append(list, netip.AddrFrom4([4]byte{203, 0, 113, byte(10 + i)}))
		}
		return list
	}()
)

// echoPort is where the victim echoes what it gets.
const echoPort = 7

func newLab(t *testing.T) *lab {
	t.Helper()
	need(t, "nft")
	l := &lab{victim: netnstest.New(t), world: netnstest.New(t)}
	far := []netip.Prefix{netip.MustParsePrefix("2001:db8:1::77/64")}
	for _, a := range append([]netip.Addr{gateway, good, admin}, evil...) {
		far = append(far, netip.PrefixFrom(a, 24))
	}
	near := []netip.Prefix{netip.PrefixFrom(victim4, 24), netip.PrefixFrom(victim6, 64)}
	netnstest.Connect(l.victim, "eth0", near, l.world, "eth0", far)
	l.victim.Route(netip.MustParsePrefix("0.0.0.0/0"), gateway)
	l.victim.Echo(netip.AddrPortFrom(victim4, echoPort))
	l.open(t, good)
	return l
}

// reaches reports whether a packet of the address comes through to the victim
// and back.
func (l *lab) reaches(from netip.Addr) bool {
	return l.world.Reaches(from, netip.AddrPortFrom(victim4, echoPort))
}

// open waits until an address comes through.
func (l *lab) open(t *testing.T, from netip.Addr) {
	t.Helper()
	until(t, from.String()+" comes through", func() bool { return l.reaches(from) })
}

// cut waits until an address does not.
func (l *lab) cut(t *testing.T, from netip.Addr) {
	t.Helper()
	until(t, from.String()+" is cut off", func() bool { return !l.reaches(from) })
}

// isCut reports whether the kernel drops an address, by its word and by a probe.
func (l *lab) isCut(t *testing.T, from netip.Addr) bool {
	t.Helper()
	return slices.Contains(l.kernel(t), from.String()) && !l.reaches(from)
}

// tool runs a program in the victim's namespace and returns what it printed.
func (l *lab) tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := lookPath(name)
	must(t, err)
	var out []byte
	l.victim.Do(func() { out, err = exec.Command(path, args...).CombinedOutput() })
	if err != nil {
		t.Fatalf("running %s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// kernel returns what the kernel drops: addresses, and networks by their
// prefix. An IPv6 address stands for its /64. No table is nothing.
func (l *lab) kernel(t *testing.T) []string {
	t.Helper()
	path, err := lookPath("nft")
	must(t, err)
	var out []byte
	l.victim.Do(func() { out, err = exec.Command(path, "-j", "list", "table", "inet", "sentinel").Output() })
	if err != nil {
		return nil
	}
	return dropped(t, out)
}

// dropped reads the elements of our block sets from nft's JSON.
func dropped(t *testing.T, list []byte) (found []string) {
	t.Helper()
	var doc struct {
		NFTables []struct {
			Set *struct {
				Name string            `json:"name"`
				Elem []json.RawMessage `json:"elem"`
			} `json:"set"`
		} `json:"nftables"`
	}
	must(t, json.Unmarshal(list, &doc))
	for _, o := range doc.NFTables {
		if o.Set == nil || strings.HasPrefix(o.Set.Name, "allow") {
			continue
		}
		for _, raw := range o.Set.Elem {
			found = append(found, element(t, raw))
		}
	}
	slices.Sort(found)
	return found
}

// element reads "1.2.3.4", {"elem":{"val":...}} or {"prefix":{...}}.
func element(t *testing.T, raw json.RawMessage) string {
	t.Helper()
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var e struct {
		Elem   *struct{ Val json.RawMessage }
		Prefix *struct {
			Addr string
			Len  int
		}
	}
	must(t, json.Unmarshal(raw, &e))
	switch {
	case e.Elem != nil:
		return element(t, e.Elem.Val)
	case e.Prefix != nil:
		return fmt.Sprintf("%s/%d", e.Prefix.Addr, e.Prefix.Len)
	}
	return string(raw)
}

// proc is a program that a test started; it ends with the test.
type proc struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// start runs a program in a namespace until the test ends.
func start(t *testing.T, ns *netnstest.Namespace, cmd *exec.Cmd) *proc {
	t.Helper()
	p := &proc{cmd: cmd, done: make(chan struct{})}
	var err error
	ns.Do(func() { err = cmd.Start() })
	must(t, err)
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

func (p *proc) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// kill ends the program as a crash would and waits until it is gone.
func (p *proc) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// running reports whether the program has not ended.
func (p *proc) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// logFile is a log that a program of the test writes.
type logFile struct {
	path string
	f    *os.File
	w    *bufio.Writer
}

func newLog(t *testing.T, path string) *logFile {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return &logFile{path: path, f: f, w: bufio.NewWriterSize(f, 64<<10)}
}

// write appends whole lines.
func (l *logFile) write(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		_, err := l.w.WriteString(line + "\n")
		must(t, err)
	}
	must(t, l.w.Flush())
}

// talk sends text to a port of the victim from an address of the world and
// returns what comes back until the victim closes or is silent.
func (l *lab) talk(from netip.Addr, port int, text string) (string, error) {
	c, err := l.dial(from, port)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := c.Write([]byte(text)); err != nil {
		return "", err
	}
	return readAll(c)
}

func (l *lab) dial(from netip.Addr, port int) (net.Conn, error) {
	return l.world.Dial(from, netip.AddrPortFrom(victim4, uint16(port)))
}
