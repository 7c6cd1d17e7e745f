package e2e

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFaultNotify: what the shipped agent tells systemd, whose socket the test
// holds.
func TestFaultNotify(t *testing.T) {
	l := newLab(t)
	log := newLog(t, tempDir(t)+"/auth.log")
	a := newAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}})
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: a.path("run/notify"), Net: "unixgram"})
	must(t, err)
	defer conn.Close()
	told := make(chan string, 100_000)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			told <- string(buf[:n])
		}
	}()
	hear := func(t *testing.T, what string) string {
		t.Helper()
		limit := time.After(60 * time.Second)
		for {
			select {
			case text := <-told:
				if strings.HasPrefix(text, what) {
					return text
				}
			case <-limit:
				t.Fatalf("systemd did not hear %s", what)
			}
		}
	}
	a.env = []string{"NOTIFY_SOCKET=" + a.path("run/notify"), "WATCHDOG_USEC=2000000"}
	a.start(t)

	t.Run("G18 the shipped agent: ready, fed while quiet and under load, with its state", func(t *testing.T) {
		hear(t, "READY=1")
		a.ready(t)
		for range 4 {
			if text := hear(t, "WATCHDOG=1"); !strings.Contains(text, "\nSTATUS=protect: ") {
				t.Errorf("%q", text)
			}
		}
		for range 20 {
			log.write(t, failures(evil[0].String(), 1000)...)
		}
		l.cut(t, evil[0])
		hear(t, "WATCHDOG=1")
	})
	t.Run("G18 stopped by a signal: no more pings, until it goes on", func(t *testing.T) {
		a.signal(syscall.SIGSTOP)
		limit := time.After(30 * time.Second)
		for quiet := false; !quiet; {
			select {
			case <-told:
			case <-time.After(2 * time.Second):
				quiet = true
			case <-limit:
				t.Fatal("the pings do not stop")
			}
		}
		a.signal(syscall.SIGCONT)
		hear(t, "WATCHDOG=1")
	})
	t.Run("a reload is told from beginning to end", func(t *testing.T) {
		a.signal(syscall.SIGHUP)
		if text := hear(t, "RELOADING=1"); !strings.Contains(text, "\nMONOTONIC_USEC=") {
			t.Errorf("%q", text)
		}
		hear(t, "READY=1")
	})
	t.Run("so is the end", func(t *testing.T) {
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		hear(t, "STOPPING=1")
	})
	t.Run("the journal's form of the log, where standard error is the journal", func(t *testing.T) {
		f, err := os.Create(a.path("log")) // truncated: the same file is opened by start
		must(t, err)
		var st syscall.Stat_t
		must(t, syscall.Fstat(int(f.Fd()), &st))
		must(t, f.Close())
		a.env = append(a.env, "JOURNAL_STREAM="+journalStream(&st))
		a.start(t)
		hear(t, "READY=1")
		a.stop(t)
		data, err := os.ReadFile(a.path("log"))
		must(t, err)
		for line := range strings.Lines(string(data)) {
			if !strings.HasPrefix(line, "<") || strings.Contains(line, "time=") {
				t.Errorf("%q", line)
			}
		}
		if !strings.Contains(string(data), "<6>\"agent started\" version=e2e") {
			t.Errorf("no start in\n%s", data)
		}
	})
}

// journalStream is what systemd writes into JOURNAL_STREAM for a file.
func journalStream(st *syscall.Stat_t) string { return fmt.Sprintf("%d:%d", st.Dev, st.Ino) }
