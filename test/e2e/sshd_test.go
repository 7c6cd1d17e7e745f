package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// sshServer is a real sshd in the victim's namespace. It logs to syslog, as on
// every host; a syslog daemon of a few lines takes that and writes auth.log.
type sshServer struct {
	lab  *lab
	dir  string
	log  string // auth.log
	port int
	mu   sync.Mutex        // of the log file, which tests write to as well, and of sink
	sink func(line string) // gets what sshd says, instead of the log
}

// divert has f get what sshd says, instead of the log.
func (s *sshServer) divert(f func(line string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sink = f
}

func (s *sshServer) diverted() func(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sink
}

// sshMounts gives sshd an own /dev/log, user list and state, so that nothing of
// the host is written.
const sshMounts = `
for f in null zero full random urandom tty; do : > $D/dev/$f; mount --bind /dev/$f $D/dev/$f; done
mount --rbind $D/dev /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/log
mkdir -p -m 755 /run/sshd
mount --bind $D/passwd /etc/passwd
mount --bind $D/shadow /etc/shadow
exec $D/sshd -D -f $D/sshd_config
`

// sshUser may log in with a key.
const sshUser = "operator"

func startSSHD(t *testing.T, l *lab) *sshServer {
	t.Helper()
	need(t, "sshd", "ssh", "sshpass", "ssh-keygen", "mount")
	s := &sshServer{lab: l, dir: tempDir(t), port: 22}
	s.log = filepath.Join(s.dir, "auth.log")
	must(t, os.Mkdir(s.path("dev"), 0o755))
	for _, key := range []string{"host_key", "user_key"} {
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", s.path(key)).CombinedOutput()
		if err != nil {
			t.Fatalf("making a key: %v\n%s", err, out)
		}
	}
	for file, line := range map[string]string{
		"passwd": sshUser + ":x:60999:60999::/:/bin/sh\n",
		"shadow": sshUser + ":*:19000::::::\n",
	} {
		data, err := os.ReadFile("/etc/" + file)
		must(t, err)
		must(t, os.WriteFile(s.path(file), append(data, line...), 0o600))
	}
	must(t, os.Chmod(s.path("passwd"), 0o644))
	config := fmt.Sprintf(`Port %d
ListenAddress %s
HostKey %s
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PasswordAuthentication yes
PermitRootLogin yes
LogLevel INFO
PidFile none
MaxStartups 100
`, s.port, victim4, s.path("host_key"), s.path("user_key.pub"))
	must(t, os.WriteFile(s.path("sshd_config"), []byte(config), 0o600))
	sshd, err := lookPath("sshd")
	must(t, err)
	must(t, os.Symlink(sshd, s.path("sshd")))
	// Newer ones have penalties of their own, which would beat us to it.
	if exec.Command(sshd, "-t", "-f", s.path("sshd_config"), "-o", "PerSourcePenalties=no").Run() == nil {
		must(t, os.WriteFile(s.path("sshd_config"), []byte(config+"PerSourcePenalties no\n"), 0o600))
	}
	s.syslog(t)
	// Not through the link: sshd wants its absolute path to run itself again.
	script := strings.ReplaceAll(sshMounts, "$D/sshd ", sshd+" ")
	var errs bytes.Buffer
	cmd := exec.Command("/bin/sh", "-ec", script)
	cmd.Env = append(os.Environ(), "D="+s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	cmd.Stdout, cmd.Stderr = &errs, &errs
	p := start(t, l.victim, cmd)
	until(t, "sshd listens", func() bool {
		if !p.running() {
			t.Fatalf("sshd ended: %s", errs.String())
		}
		c, err := l.dial(good, s.port)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of auth.log:\n%s", lastLines(s.log, 30))
		}
	})
	return s
}

func (s *sshServer) path(name string) string { return filepath.Join(s.dir, name) }

// syslog takes what sshd sends to /dev/log and writes it as rsyslog does.
func (s *sshServer) syslog(t *testing.T) {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.path("dev/log"), Net: "unixgram"})
	must(t, err)
	must(t, os.Chmod(s.path("dev/log"), 0o666))
	must(t, os.WriteFile(s.log, nil, 0o644))
	done := make(chan struct{})
	t.Cleanup(func() { _ = conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			// "<38>Nov 23 21:12:19 sshd[123]: text"
			_, text, ok := strings.Cut(string(buf[:n]), ">")
			const stamp = len("Nov 23 21:12:19 ")
			if !ok || len(text) < stamp {
				continue
			}
			if sink := s.diverted(); sink != nil {
				sink(escape(text[stamp:]))
				continue
			}
			s.append(text[:stamp] + "victim " + escape(text[stamp:]))
		}
	}()
}

// escape writes control characters as rsyslog does: #012.
func escape(text string) string {
	var b strings.Builder
	for _, c := range []byte(strings.TrimRight(text, "\n\x00")) {
		if c < 32 || c == 127 {
			fmt.Fprintf(&b, "#%03o", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// append writes lines to auth.log.
func (s *sshServer) append(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := os.OpenFile(s.log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	_, _ = f.WriteString(strings.Join(lines, "\n") + "\n")
}

// logged waits until auth.log holds a text.
func (s *sshServer) logged(t *testing.T, text string) {
	t.Helper()
	until(t, "sshd has logged "+text, func() bool {
		data, err := os.ReadFile(s.log)
		return err == nil && strings.Contains(string(data), text)
	})
}

// ssh prepares a client in the world that comes from an address.
func (s *sshServer) ssh(ctx context.Context, from netip.Addr, user string, args ...string) *exec.Cmd {
	all := []string{
		"-F", "/dev/null", "-b", from.String(), "-p", fmt.Sprint(s.port), "-l", user, "-T",
		"-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
		"-o", "ConnectTimeout=1", "-o", "NumberOfPasswordPrompts=1",
	}
	return exec.CommandContext(ctx, "ssh", append(append(all, args...), victim4.String())...)
}

// guess tries a password. It does not matter how that ends; a client that is
// cut off in the middle would wait for ever.
func (s *sshServer) guess(t *testing.T, from netip.Addr, user string) {
	t.Helper()
	cmd := s.ssh(t.Context(), from, user, "-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password")
	cmd.Args = append([]string{"sshpass", "-p", "guess"}, cmd.Args...)
	path, err := lookPath("sshpass")
	must(t, err)
	cmd.Path = path
	s.finish(t, from, start(t, s.lab.world, cmd))
}

// finish waits until a client has ended or its address is cut off.
func (s *sshServer) finish(t *testing.T, from netip.Addr, client *proc) {
	t.Helper()
	until(t, "the client has ended", func() bool { return !client.running() || s.lab.isCut(t, from) })
	client.kill()
}

// guessUntilCut guesses until the attacker's packets drop.
func (s *sshServer) guessUntilCut(t *testing.T, from netip.Addr, user string) {
	t.Helper()
	const most = 30
	for n := range most {
		if s.lab.isCut(t, from) {
			t.Logf("cut off after %d guesses", n)
			return
		}
		s.guess(t, from, user)
	}
	t.Errorf("%s still comes through after %d guesses", from, most)
}

// watchEvents collects what the agent makes of the lines from now on.
func watchEvents(t *testing.T, a *agentProc) (seen func(func(control.LogEvent) bool) int) {
	t.Helper()
	var mu sync.Mutex
	var events []control.LogEvent
	ctx, cancel := context.WithCancel(context.Background())
	c := a.client(t)
	done := make(chan struct{})
	started := make(chan struct{})
	go func() {
		defer close(done)
		close(started)
		_ = c.Tail(ctx, control.TailParams{}, func(e control.LogEvent) error {
			mu.Lock()
			defer mu.Unlock()
			events = append(events, e)
			return nil
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	<-started
	return func(f func(control.LogEvent) bool) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, e := range events {
			if f(e) {
				n++
			}
		}
		return n
	}
}

// session is a live login through which bytes go to and fro.
type session struct {
	in  io.WriteCloser
	out *bufio.Reader
}

func (s *sshServer) login(t *testing.T, from netip.Addr) *session {
	t.Helper()
	cmd := s.ssh(t.Context(), from, sshUser, "-i", s.path("user_key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes")
	cmd.Args = append(cmd.Args, "cat")
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	start(t, s.lab.world, cmd)
	return &session{in, bufio.NewReader(out)}
}

// echoes reports whether a line comes back through the session.
func (s *session) echoes(t *testing.T, line string) {
	t.Helper()
	got := make(chan string, 1)
	go func() {
		text, _ := s.out.ReadString('\n')
		got <- text
	}()
	_, err := s.in.Write([]byte(line + "\n"))
	must(t, err)
	var text string
	until(t, "the session answers", func() bool {
		select {
		case text = <-got:
			return true
		default:
			return false
		}
	})
	if text != line+"\n" {
		t.Fatalf("the session answers %q, want %q", text, line)
	}
}
