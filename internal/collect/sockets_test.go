package collect

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// freePort is one that nobody uses just now.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// receive starts a collector on sockets.
func receive(t *testing.T, paths ...string) (*rig, *Sockets) {
	t.Helper()
	s := NewSockets(nil)
	t.Cleanup(s.Close)
	s.Keep(paths)
	var sources []Source
	for _, p := range paths {
		sources = append(sources, Source{Path: p, Type: sentinel.TypeSyslog})
	}
	r := follow(t, Config{Sources: sources, Sockets: s}, nil)
	for _, p := range paths {
		r.until(p+" is open", func() bool { return r.status(p).State == StateActive })
	}
	return r, s
}

const failedLogin = "Failed password for root from 203.0.113.42 port 4242 ssh2"

// seesLogin reads lines as the agent would and looks for the attacker's address.
func seesLogin(lines []string) bool {
	p := parse.New(parse.Config{Type: sentinel.TypeSyslog})
	for _, line := range lines {
		var ev sentinel.Event
		now := time.Now()
		if p.Parse(line, now, now, &ev) && ev.Type == sentinel.EventAuthFail && ev.SrcIP.String() == "203.0.113.42" && ev.Program == "sshd" {
			return true
		}
	}
	return false
}

// The real logger and the real rsyslog send over each kind of socket, in each
// form and framing.
func TestSocketsRealSenders(t *testing.T) {
	dir := t.TempDir()
	port, udp, path, stream := freePort(t), freePort(t), filepath.Join(dir, "log.sock"), filepath.Join(dir, "stream.sock")
	paths := []string{"tcp://127.0.0.1:" + port, "udp://127.0.0.1:" + udp, "unix://" + path, "unixstream://" + stream}
	send := func(args ...string) func(t *testing.T) {
		return func(t *testing.T) {
			if out, err := exec.Command("logger", append(args, "-t", "sshd", "-p", "auth.info", "--id=77", failedLogin)...).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	for name, write := range map[string]func(t *testing.T){
		"udp, RFC 3164":                send("-n", "127.0.0.1", "-P", udp, "-d", "--rfc3164"),
		"udp, RFC 5424":                send("-n", "127.0.0.1", "-P", udp, "-d", "--rfc5424"),
		"tcp, newlines":                send("-n", "127.0.0.1", "-P", port, "-T", "--rfc3164"),
		"tcp, octets counted":          send("-n", "127.0.0.1", "-P", port, "-T", "--rfc5424", "--octet-count"),
		"local datagrams":              send("-u", path, "-d"),
		"rsyslog, tcp, octets counted": rsyslog(`action(type="omfwd" target="127.0.0.1" port="` + port + `" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format")`),
		"rsyslog, tcp, newlines":       rsyslog(`action(type="omfwd" target="127.0.0.1" port="` + port + `" protocol="tcp")`),
		"rsyslog, udp":                 rsyslog(`action(type="omfwd" target="127.0.0.1" port="` + udp + `" protocol="udp" template="RSYSLOG_ForwardFormat")`),
		"rsyslog, local datagrams":     rsyslog(`module(load="omuxsock") $OMUxSockSocket ` + path + "\n*.* :omuxsock:"),
		"nothing but text, local stream": func(t *testing.T) {
			c, err := net.Dial("unix", stream)
			must(t, err)
			fmt.Fprintf(c, "Feb  9 14:00:00 h sshd[81]: %s\n", failedLogin)
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := receive(t, paths...)
			write(t)
			r.until("the login is seen", func() bool { return seesLogin(r.got()) })
		})
	}
}

// rsyslog runs the real one with an action of its configuration, and gives it a
// message.
func rsyslog(action string) func(t *testing.T) {
	return func(t *testing.T) {
		dir := t.TempDir()
		in, conf := filepath.Join(dir, "in"), filepath.Join(dir, "conf")
		must(t, os.WriteFile(conf, []byte(`module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="`+in+`")
`+strings.Replace(action, ") $", ")\n$", 1)+"\n"), 0o644))
		cmd := exec.Command("rsyslogd", "-n", "-f", conf, "-i", filepath.Join(dir, "pid"))
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		must(t, cmd.Start())
		t.Cleanup(func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			_ = cmd.Wait()
			if t.Failed() {
				t.Logf("rsyslogd: %s", out.String())
			}
		})
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			// logger is content where nobody listens.
			if _, err := os.Stat(in); err == nil {
				must(t, exec.Command("logger", "-u", in, "-t", "sshd", "-p", "auth.info", "--id=77", failedLogin).Run())
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("rsyslogd does not listen")
			}
		}
	}
}

func TestSocketsBounds(t *testing.T) {
	port := freePort(t)
	path := "tcp://127.0.0.1:" + port
	r, s := receive(t, path)
	var conns []net.Conn
	for range maxStreams {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		must(t, err)
		defer c.Close()
		conns = append(conns, c)
	}
	r.until("all are taken", func() bool {
		k := s.get(path)
		k.streams.Lock()
		defer k.streams.Unlock()
		return len(k.streams.all) == maxStreams
	})
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	must(t, err)
	defer c.Close()
	must(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := c.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Errorf("one more than %d: %v", maxStreams, err)
	}
	r.until("status says so", func() bool { return strings.HasPrefix(r.status(path).Note, "1 connections were closed") })
	// Half a message keeps nobody waiting.
	fmt.Fprint(conns[0], "<1>half")
	fmt.Fprint(conns[1], "<1>whole\n<1>half")
	r.want("<1>whole")
	// What was read while no collector runs comes with the next.
	r.stop()
	fmt.Fprint(conns[2], "<1>later\n")
	r = follow(t, Config{Sources: []Source{{Path: path}}, Sockets: s}, nil)
	r.want("<1>later")
	if p := r.positions()[path]; p != (sentinel.Position{}) {
		t.Errorf("a socket has the position %+v", p)
	}
	s.Keep(nil)
	if _, err := conns[0].Read(make([]byte, 1)); err == nil {
		t.Error("a socket that was closed keeps its connections")
	}
}

// Datagrams that come faster than anybody takes them are counted.
func TestSocketsDrops(t *testing.T) {
	path := "udp://127.0.0.1:" + freePort(t)
	s := NewSockets(nil)
	t.Cleanup(s.Close)
	s.Keep([]string{path})
	c, err := net.Dial("udp", strings.TrimPrefix(path, "udp://"))
	must(t, err)
	defer c.Close()
	text := "<1>" + strings.Repeat("x", 60000)
	for range 2 * receiveBuffer / 60000 * 4 { // nobody takes them
		_, _ = c.Write([]byte(text))
	}
	r := follow(t, Config{Sources: []Source{{Path: path}}, Sockets: s}, nil)
	r.until("the drops are seen", func() bool {
		_, _ = c.Write([]byte("<1>more"))
		st := r.status(path)
		return st.Losses > 0 && strings.Contains(st.Note, "datagrams were dropped")
	})
}

func TestSocketsInTheWay(t *testing.T) {
	dir := t.TempDir()
	file, stale := filepath.Join(dir, "file"), filepath.Join(dir, "stale")
	must(t, os.WriteFile(file, nil, 0o644))
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: stale, Net: "unixgram"})
	must(t, err)
	s := NewSockets(nil)
	t.Cleanup(s.Close)
	paths := []string{"unix://" + file, "unix://" + stale, "tcp://127.0.0.1:1"}
	s.Keep(paths)
	if got := s.get(paths[0]).fault; got == nil || !strings.Contains(got.Error(), "is no socket") {
		t.Errorf("a file in the way: %v", got)
	}
	if got := s.get(paths[1]).fault; got == nil || !strings.Contains(got.Error(), "in use by another program") {
		t.Errorf("a socket in use: %v", got)
	}
	must(t, l.Close()) // its name stays
	r := follow(t, Config{Sources: []Source{{Path: paths[1]}, {Path: paths[0]}}, Sockets: s}, nil)
	if st := r.status(paths[0]); st.State != StateFailing || st.Error == "" {
		t.Errorf("status %+v", st)
	}
	s.retry(paths[1])
	r.until("the socket is taken over", func() bool { return r.status(paths[1]).State == StateActive })
	if info, err := os.Stat(stale); err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("%v, %v", info, err)
	}
	s.Close()
	if _, err := os.Lstat(stale); err == nil {
		t.Error("the socket is still there")
	}
	if _, err := New(Config{Sources: []Source{{Path: "udp://127.0.0.1:1"}}}, nil); err == nil {
		t.Error("a socket without Sockets was taken")
	}
}
