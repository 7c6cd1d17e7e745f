package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// What attackers write reaches the terminal of whoever looks, but as text.
func TestFaultTerminal(t *testing.T) {
	t.Parallel()
	must(t, sentinelctl())
	l := newLab(t)
	log := newLog(t, filepath.Join(tempDir(t), "access.log"))
	auth := newLog(t, filepath.Join(tempDir(t), "auth.log"))
	a := runAgent(t, l.victim, settings{logs: map[string]string{log.path: "nginx", auth.path: "auto"}})
	// A title, a cleared screen, a C1 control, a bell, a turned direction, no UTF-8.
	evilText := []string{"\x1b]0;owned\x07", "\x1b[2J\x1b[1;1H", "\u009b31m", "\u202egpj.exe", "\xff\xfe", "\r\x08\x08"}
	for i := range 12 {
		text := evilText[i%len(evilText)]
		log.write(t, fmt.Sprintf(`%s - %s [%s] "GET /%s?id=%d'%%20UNION%%20SELECT%%20%s,2-- HTTP/1.1" 404 1 "%s" "sqlmap %s"`,
			evil[0], text, time.Now().Format("02/Jan/2006:15:04:05 -0700"), text, i, text, text, text))
		auth.write(t, fmt.Sprintf("%s victim sshd[%d]: Failed password for invalid user %s from %s port %d ssh2", time.Now().Format(time.Stamp), 100+i, text, evil[1], 1000+i))
		auth.write(t, "no line "+text)
	}
	l.cut(t, evil[0])
	l.cut(t, evil[1])
	until(t, "threats are stored", func() bool { return len(a.threats(t)) >= 2 })
	commands := [][]string{{"status"}, {"threats"}, {"blocklist"}, {"logs"}, {"logs", "unparsed"}, {"whitelist", "list"}, {"rules", "list"},
		{"threats", "--format", "json"}, {"ai", "analyze", log.path}, {"ai", "analyze", auth.path, "--every-line", "--format", "jsonl"},
		{"explain-line", "Feb  9 14:00:00 h sshd[81]: Failed password for \x1b[2J from 203.0.113.42 port 4242 ssh2"}}
	for _, th := range a.threats(t) {
		commands = append(commands, []string{"threats", "show", th.ID}, []string{"ai", "explain", th.ID})
	}
	t.Run("B15 terminal escapes in all that clients write", func(t *testing.T) {
		shown := 0
		for _, args := range commands {
			out, errs, _ := l.ctl(t, a, args...)
			shown += strings.Count(out, `\x1b`) + strings.Count(out, `\u001b`)
			for _, r := range out + errs {
				if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
					t.Errorf("sentinelctl %q writes %q", args, r)
					break
				}
			}
		}
		if shown == 0 {
			t.Error("no escape was shown at all: the test has lost its point")
		}
	})
}

// Names in the place of addresses are dropped; nobody is asked whose they are.
func TestFaultNames(t *testing.T) {
	t.Parallel()
	t.Run("B10 host names in the place of an address ask no name server", func(t *testing.T) {
		t.Parallel()
		l := newLab(t)
		l.tool(t, "nft", "add table inet watch; add chain inet watch out { type filter hook output priority 0; }; "+
			"add rule inet watch out udp dport { 53, 853, 5353 } counter; add rule inet watch out tcp dport { 53, 853 } counter")
		auth := newLog(t, filepath.Join(tempDir(t), "auth.log"))
		a := runAgent(t, l.victim, settings{logs: map[string]string{auth.path: "auto"}})
		n := 0
		for i := range 50 {
			for _, name := range []string{"8.8.8.8.evil.example", "evil.example", "localhost", "dns.google"} {
				auth.write(t, failure(name, n),
					fmt.Sprintf(`%s - - [%s] "GET /?id=%d%%20UNION%%20SELECT%%201-- HTTP/1.1" 200 1 "-" "sqlmap"`, name, time.Now().Format("02/Jan/2006:15:04:05 -0700"), i))
				n += 2
			}
		}
		a.read(t, auth.path, n)
		if got := append(a.blocks(t), l.kernel(t)...); len(got) > 0 {
			t.Errorf("blocked: %v", got)
		}
		if rules := l.tool(t, "nft", "list table inet watch"); strings.Count(rules, "counter packets 0 bytes 0") != 2 {
			t.Errorf("name servers were asked:\n%s", rules)
		}
	})
}

// In a small container the agent must not be what the kernel kills.
func TestFaultMemoryLimit(t *testing.T) {
	t.Parallel()
	const limit = 128 << 20
	group, ok := memoryGroup(t, limit)
	if !ok {
		t.Fatal("this machine lets nobody make a group of processes with a memory limit")
	}
	t.Run("D11 a flood of addresses within 128 MiB", func(t *testing.T) {
		l := newLab(t)
		addresses := 60_000
		if os.Getenv("SENTINEL_FAULTS") == "long" {
			addresses = 400_000
		}
		path := filepath.Join(tempDir(t), "auth.log")
		_, lines := flood(t, path, addresses, 20)
		a := newAgent(t, l.victim, settings{logs: map[string]string{path: "ssh"}, response: []string{manyBlocks}})
		a.shell = "echo $$ > " + group + "/cgroup.procs"
		a.start(t)
		s := a.expect(t, "all is read and the attackers are cut off", func(s *control.Status) bool {
			return linesOf(s, path) == uint64(lines) && s.Firewall.Actual >= 20
		})
		if !a.running() {
			t.Fatal("the agent is gone")
		}
		t.Logf("%d lines within %d MiB: %d MiB in use, %d MiB at most", lines, limit>>20, s.Memory>>20, peakMemory(t, a.cmd.Process.Pid)>>20)
	})
}

// memoryGroup makes a cgroup with a limit, of either version.
func memoryGroup(t *testing.T, limit int) (string, bool) {
	t.Helper()
	name := fmt.Sprintf("sentinel-e2e-%d", os.Getpid())
	for _, v := range []struct{ root, file string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"}, {"/sys/fs/cgroup", "memory.max"},
	} {
		dir := filepath.Join(v.root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(dir) }) // after the processes in it
		if os.WriteFile(filepath.Join(dir, v.file), []byte(strconv.Itoa(limit)), 0o644) == nil {
			return dir, true
		}
	}
	return "", false
}
