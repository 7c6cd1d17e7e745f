package collect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// journalRemote writes journal files from the export format.
const journalRemote = "/lib/systemd/systemd-journal-remote"

const (
	testBoot = "0123456789abcdef0123456789abcdef"
	testUsec = 1_769_853_600_000_000 // 2026-01-31T10:00:00Z
)

// stored is one entry for a test; extra fields go before the message.
type stored struct {
	n       int // seconds after testUsec
	fields  []string
	message string
}

// export writes entries in the export format, messages in the binary form.
func export(entries ...stored) []byte {
	var b bytes.Buffer
	for _, e := range entries {
		fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=%s\n", testUsec+e.n*1e6, 1+e.n*1e6, testBoot)
		for _, f := range e.fields {
			b.WriteString(f + "\n")
		}
		b.WriteString("MESSAGE\n")
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(e.message))))
		b.WriteString(e.message + "\n\n")
	}
	return b.Bytes()
}

// sshdFields are what journald knows of a line of sshd.
func sshdFields(pid int) []string {
	return []string{"_TRANSPORT=syslog", "_HOSTNAME=web1", "_UID=0", "_COMM=sshd", "_SYSTEMD_UNIT=ssh.service", "SYSLOG_IDENTIFIER=sshd", fmt.Sprintf("_PID=%d", pid)}
}

// logins are entries of sshd from number on; login is the line of one.
func logins(from, n int) (list []stored) {
	for i := from; i < from+n; i++ {
		list = append(list, stored{i, sshdFields(100 + i), fmt.Sprintf("Failed password for root from 192.0.2.1 port %d ssh2", i)})
	}
	return list
}

func login(i int) string {
	at := time.UnixMicro(int64(testUsec + i*1e6)).UTC().Format(stampLayout)
	return fmt.Sprintf("%s web1 sshd[%d]: Failed password for root from 192.0.2.1 port %d ssh2", at, 100+i, i)
}

func loginLines(from, n int) (list []string) {
	for i := from; i < from+n; i++ {
		list = append(list, login(i))
	}
	return list
}

// intoJournal appends entries to a journal file with systemd's own program.
func intoJournal(t testing.TB, path string, data []byte) {
	t.Helper()
	cmd := exec.Command(journalRemote, "-o", path, "-")
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("writing a journal needs %s (run make setup): %v\n%s", journalRemote, err, out)
	}
}

func journalSource(dir string) Config {
	return Config{Sources: []Source{{ID: "j", Path: dir, Type: sentinel.TypeJournal, FromStart: true}}}
}

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.journal")
	intoJournal(t, file, export(logins(0, 3)...))
	r := follow(t, journalSource(dir), nil)
	r.want(loginLines(0, 3)...)
	intoJournal(t, file, export(logins(3, 2)...))
	r.want(loginLines(0, 5)...)
	st := r.state(StateActive)
	if st.Lines != 5 || st.Losses != 0 || st.LastRead.IsZero() || st.Source != "j" || st.Type != sentinel.TypeJournal {
		t.Errorf("status %+v", st)
	}

	// Resumed where it stopped, with what came meanwhile in another file.
	from := r.positions()
	intoJournal(t, filepath.Join(dir, "b.journal"), export(logins(5, 2)...))
	r = follow(t, journalSource(dir), from)
	r.want(loginLines(5, 2)...)
	if st := r.state(StateActive); st.Losses != 0 {
		t.Errorf("status %+v", st)
	}
}

// What was read of a journal is read again, span by span or from the middle; what
// was removed since is not.
func TestRereadJournal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "system.journal")
	intoJournal(t, file, export(logins(0, 30)...))
	cfg := journalSource(dir)
	cfg.BatchLines = 7
	r := follow(t, cfg, nil)
	r.want(loginLines(0, 30)...)
	r.stop()
	again, err := NewRereader(cfg)
	must(t, err)
	defer again.Close()
	read := func(spans []sentinel.Span) (got []string) {
		for _, span := range spans {
			b, err := again.Read(t.Context(), span)
			must(t, err)
			for _, l := range b.Lines {
				got = append(got, l.Text)
			}
		}
		return got
	}
	half := len(r.spans) / 2
	for _, from := range []int{0, half} {
		got := read(r.spans[from:])
		if want := r.lines[30-len(got):]; len(got) == 0 || !slices.Equal(got, want) {
			t.Errorf("from span %d of %d: %q, want %q", from, len(r.spans), got, want)
		}
	}
	must(t, os.Remove(file))
	intoJournal(t, file, export(logins(100, 30)...))
	if b, err := again.Read(t.Context(), r.spans[half]); !errors.Is(err, ErrGone) {
		t.Errorf("%d lines, %v, want ErrGone", len(b.Lines), err)
	}
}

func TestJournalStartsAtEnd(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.journal")
	intoJournal(t, file, export(logins(0, 3)...))
	cfg := journalSource(dir)
	cfg.Sources[0].FromStart = false
	r := follow(t, cfg, nil)
	r.until("the position of the end", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.last["j"].Cursor != "" })
	intoJournal(t, file, export(logins(3, 1)...))
	r.want(login(3))

	// Nothing was ever read, and then something came while stopped.
	r = follow(t, cfg, nil)
	r.until("the position of the end", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.last["j"].Cursor != "" })
	from := r.positions()
	intoJournal(t, file, export(logins(4, 1)...))
	r = follow(t, cfg, from)
	r.want(login(4))
}

func TestJournalUnits(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.journal")
	other := stored{1, []string{"_TRANSPORT=stdout", "_UID=0", "_COMM=x", "_SYSTEMD_UNIT=x.service", "SYSLOG_IDENTIFIER=x"}, "hello"}
	intoJournal(t, file, export(logins(0, 1)[0], other, logins(2, 1)[0]))
	cfg := journalSource(dir)
	cfg.Sources[0].Units = []string{"ssh.service"}
	r := follow(t, cfg, nil)
	r.want(login(0), login(2))
	from := r.positions()
	// Another choice of units is no gap.
	cfg.Sources[0].Units = []string{"x.service"}
	intoJournal(t, file, export(stored{3, other.fields, "again"}))
	r = follow(t, cfg, from)
	r.want("2026-01-31T10:00:03.000000Z localhost x: again")
	if st := r.state(StateActive); st.Losses != 0 {
		t.Errorf("status %+v", st)
	}
}

// TestFaultJournal has row C23. Journald itself is restarted in package e2e.
func TestFaultJournal(t *testing.T) {
	t.Run("C23 files vacuumed while following", func(t *testing.T) {
		dir := t.TempDir()
		intoJournal(t, filepath.Join(dir, "a.journal"), export(logins(0, 2)...))
		r := follow(t, journalSource(dir), nil)
		r.want(loginLines(0, 2)...)
		must(t, os.Remove(filepath.Join(dir, "a.journal")))
		intoJournal(t, filepath.Join(dir, "b.journal"), export(logins(2, 2)...))
		r.want(loginLines(0, 4)...)
	})
	t.Run("C23 the cursor's entry is gone", func(t *testing.T) {
		dir := t.TempDir()
		intoJournal(t, filepath.Join(dir, "a.journal"), export(logins(0, 2)...))
		r := follow(t, journalSource(dir), nil)
		r.want(loginLines(0, 2)...)
		from := r.positions()
		must(t, os.Remove(filepath.Join(dir, "a.journal")))
		intoJournal(t, filepath.Join(dir, "b.journal"), export(logins(10, 2)...))
		r = follow(t, journalSource(dir), from)
		r.want(loginLines(10, 2)...)
		st := r.state(StateActive)
		if st.Losses != 1 || !strings.Contains(st.Note, "between 2026-01-31T10:00:01Z and 2026-01-31T10:00:10Z may be missing") {
			t.Errorf("status %+v", st)
		}
	})
	t.Run("C23 the cursor is refused", func(t *testing.T) {
		dir := t.TempDir()
		intoJournal(t, filepath.Join(dir, "a.journal"), export(logins(0, 4)...))
		// Torn, but its time can be read: reading goes on from there.
		from := map[string]sentinel.Position{"j": {Source: "j", Path: dir, Cursor: fmt.Sprintf("s=zz;b=%s;t=%x", testBoot, testUsec+2_000_000)}}
		r := follow(t, journalSource(dir), from)
		r.want(loginLines(2, 2)...)
		if st := r.state(StateActive); st.Losses != 1 || !strings.Contains(st.Note, "cursor") {
			t.Errorf("status %+v", st)
		}
	})
	t.Run("C23 the entry moved to another file", func(t *testing.T) {
		dir := t.TempDir()
		data := export(logins(0, 3)...)
		intoJournal(t, filepath.Join(dir, "a.journal"), data)
		r := follow(t, journalSource(dir), nil)
		r.want(loginLines(0, 3)...)
		from := r.positions()
		must(t, os.Remove(filepath.Join(dir, "a.journal")))
		intoJournal(t, filepath.Join(dir, "b.journal"), append(data, export(logins(3, 1)...)...))
		r = follow(t, journalSource(dir), from)
		r.want(login(3))
		if st := r.state(StateActive); st.Losses != 0 {
			t.Errorf("status %+v", st)
		}
	})
	t.Run("C23 journalctl dies again and again", func(t *testing.T) {
		dir := t.TempDir()
		intoJournal(t, filepath.Join(dir, "a.journal"), export(logins(0, 2)...))
		// It fails twice, then works.
		fake := script(t, `n=$(cat `+dir+`/n 2>/dev/null || echo 0); echo $((n+1)) >`+dir+`/n
			if [ $n -lt 2 ]; then echo "Failed to open files: Too many open files" >&2; exit 1; fi
			exec journalctl "$@"`)
		cfg := journalSource(dir)
		cfg.journalctl = fake
		r := follow(t, cfg, nil)
		if st := r.state(StateFailing); st.Error != "Failed to open files: Too many open files" {
			t.Errorf("status %+v", st)
		}
		r.want(loginLines(0, 2)...)
		r.state(StateActive)
	})
	t.Run("C23 journalctl is killed", func(t *testing.T) {
		dir := t.TempDir()
		intoJournal(t, filepath.Join(dir, "a.journal"), export(logins(0, 2)...))
		cfg := journalSource(dir)
		cfg.journalctl = script(t, `echo $$ >`+dir+`/pid; exec journalctl "$@"`)
		r := follow(t, cfg, nil)
		r.want(loginLines(0, 2)...)
		pid, err := os.ReadFile(filepath.Join(dir, "pid"))
		must(t, err)
		must(t, exec.Command("kill", "-9", strings.TrimSpace(string(pid))).Run())
		r.state(StateFailing)
		intoJournal(t, filepath.Join(dir, "a.journal"), export(logins(2, 2)...))
		r.want(loginLines(0, 4)...)
	})
	t.Run("C23 journalctl is missing", func(t *testing.T) {
		cfg := journalSource(t.TempDir())
		cfg.journalctl = "/nowhere/journalctl"
		r := follow(t, cfg, nil)
		if st := r.state(StateFailing); st.Error != "journalctl is not installed" {
			t.Errorf("status %+v", st)
		}
	})
	t.Run("C23 no journal yet", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "later")
		r := follow(t, journalSource(dir), nil)
		r.state(StateFailing)
		must(t, os.Mkdir(dir, 0o755))
		intoJournal(t, filepath.Join(dir, "a.journal"), export(logins(0, 2)...))
		r.want(loginLines(0, 2)...)
	})
	t.Run("C23 journald dropped entries", func(t *testing.T) {
		dir := t.TempDir()
		intoJournal(t, filepath.Join(dir, "a.journal"), export(stored{0, []string{
			"_TRANSPORT=driver", "_UID=0", "SYSLOG_IDENTIFIER=systemd-journald", "MESSAGE_ID=" + droppedID, "N_DROPPED=71",
		}, "Suppressed 71 messages from ssh.service"}))
		r := follow(t, journalSource(dir), nil)
		r.want("2026-01-31T10:00:00.000000Z localhost systemd-journald: Suppressed 71 messages from ssh.service")
		if st := r.state(StateActive); st.Losses != 1 || st.Note != "journald dropped entries: Suppressed 71 messages from ssh.service" {
			t.Errorf("status %+v", st)
		}
	})
}

// script makes a program of a shell's commands.
func script(t *testing.T, commands string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+commands+"\n"), 0o755))
	return path
}

// TestJournalBackpressure: while nobody takes batches nothing is read, and then
// all of it comes, once.
func TestJournalBackpressure(t *testing.T) {
	dir := t.TempDir()
	const n = 60_000
	list := make([]stored, n)
	want := make([]string, n)
	fields := sshdFields(7)
	for i := range list {
		list[i] = stored{i, fields, fmt.Sprintf("Failed password for root from 192.0.2.1 port %d ssh2", i)}
		want[i] = fmt.Sprintf("%s web1 sshd[7]: %s", time.UnixMicro(int64(testUsec+i*1e6)).UTC().Format(stampLayout), list[i].message)
	}
	intoJournal(t, filepath.Join(dir, "a.journal"), export(list...))
	c, err := New(journalSource(dir), nil)
	must(t, err)
	out := make(chan sentinel.Batch)
	go func() { _ = c.Run(t.Context(), out) }()
	var got []string
	var slow bool
	for len(got) < n {
		if len(got) > n/2 && !slow {
			slow = true
			for c.Status()[0].Behind == 0 || !c.Status()[0].Blocked {
				time.Sleep(time.Millisecond)
			}
		}
		select {
		case b := <-out:
			if len(b.Lines) > defaultBatchLines {
				t.Fatalf("a batch of %d lines", len(b.Lines))
			}
			for _, l := range b.Lines {
				got = append(got, strings.Clone(l.Text))
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("%d of %d lines, %+v", len(got), n, c.Status())
		}
	}
	if !slices.Equal(got, want) {
		t.Error("the lines are others than were written")
	}
}

func TestJournalLines(t *testing.T) {
	cases := []struct {
		name   string
		fields []string
		msg    string
		want   string // after the stamp
		trust  sentinel.Trust
	}{
		{"sshd", sshdFields(812), "Failed password", "web1 sshd[812]: Failed password", sentinel.TrustHeader},
		{"sshd that has ended", []string{"_TRANSPORT=syslog", "_UID=0", "_PID=9", "SYSLOG_IDENTIFIER=sshd"}, "x", "localhost sshd[9]: x", sentinel.TrustHeader},
		{"sshd-session", []string{"_TRANSPORT=syslog", "_UID=0", "_COMM=sshd-session", "_PID=9", "SYSLOG_IDENTIFIER=sshd-session"}, "x", "localhost sshd-session[9]: x", sentinel.TrustHeader},
		{"B09 sshd by a user", []string{"_TRANSPORT=syslog", "_UID=65534", "_COMM=logger", "_PID=9", "SYSLOG_IDENTIFIER=sshd", "_SYSTEMD_UNIT=session-3.scope"},
			"Failed password", "localhost uid65534/sshd[9]: Failed password", sentinel.TrustNone},
		{"B09 a user's command called sshd", []string{"_TRANSPORT=syslog", "_UID=1000", "_COMM=sshd", "_PID=9", "SYSLOG_IDENTIFIER=sshd"},
			"x", "localhost uid1000/sshd[9]: x", sentinel.TrustNone},
		{"B09 from within the service of sshd", []string{"_TRANSPORT=syslog", "_UID=1000", "_COMM=sshd", "_PID=9", "SYSLOG_IDENTIFIER=sshd", "_SYSTEMD_UNIT=ssh.service"},
			"x", "localhost sshd[9]: x", sentinel.TrustNone},
		{"B09 from a web server", []string{"_TRANSPORT=syslog", "_UID=33", "_COMM=sh", "_PID=9", "SYSLOG_IDENTIFIER=postfix/smtpd", "_SYSTEMD_UNIT=apache2.service"},
			"x", "localhost postfix/smtpd[9]: x", sentinel.TrustNone},
		{"B09 by root under another name", []string{"_TRANSPORT=stdout", "_UID=0", "_COMM=dockerd", "_PID=9", "SYSLOG_IDENTIFIER=sshd", "_SYSTEMD_UNIT=docker.service"},
			"x", "localhost sshd[9]: x", sentinel.TrustNone},
		{"B09 the kernel's name", []string{"_TRANSPORT=syslog", "_UID=0", "_COMM=kernel", "SYSLOG_IDENTIFIER=kernel"}, "x", "localhost uid0/kernel: x", sentinel.TrustNone},
		{"B09 a user's manager", []string{"_TRANSPORT=stdout", "_UID=1000", "_COMM=x", "SYSLOG_IDENTIFIER=user", "_SYSTEMD_UNIT=user@1000.service"}, "x", "localhost uid1000/user: x", sentinel.TrustNone},
		{"kernel", []string{"_TRANSPORT=kernel", "_HOSTNAME=web1", "SYSLOG_IDENTIFIER=kernel", "_PID=1"}, "[UFW BLOCK] IN=eth0", "web1 kernel: [UFW BLOCK] IN=eth0", sentinel.TrustHeader},
		{"cron", []string{"_TRANSPORT=syslog", "_UID=0", "_COMM=cron", "_PID=9", "SYSLOG_IDENTIFIER=CRON"}, "x", "localhost CRON[9]: x", sentinel.TrustHeader},
		{"audit", []string{"_TRANSPORT=audit", "_HOSTNAME=web1", "_PID=77", "_UID=33", "SYSLOG_IDENTIFIER=x", "_AUDIT_ID=9", "_SOURCE_REALTIME_TIMESTAMP=1772366398123000"},
			`EXECVE argc=1 a0="id"`, `web1 audit[77]: type=EXECVE msg=audit(1772366398.123:9): argc=1 a0="id"`, sentinel.TrustHeader},
		{"audit without a number", []string{"_TRANSPORT=audit", "_HOSTNAME=web1"}, "EXECVE x", "web1 audit: EXECVE x", sentinel.TrustHeader},
		{"long command", []string{"_TRANSPORT=syslog", "_UID=0", "_COMM=systemd-network", "_PID=9", "SYSLOG_IDENTIFIER=systemd-networkd"}, "x", "localhost systemd-networkd[9]: x", sentinel.TrustHeader},
		{"postfix", []string{"_TRANSPORT=syslog", "_UID=105", "_COMM=smtpd", "_PID=9", "SYSLOG_IDENTIFIER=postfix/smtpd", "_SYSTEMD_UNIT=postfix@-.service"}, "x", "localhost postfix/smtpd[9]: x", sentinel.TrustHeader},
		{"bind", []string{"_TRANSPORT=syslog", "_UID=105", "_COMM=isc-net-0000", "_PID=9", "SYSLOG_IDENTIFIER=named", "_SYSTEMD_UNIT=bind9.service"}, "x", "localhost named[9]: x", sentinel.TrustHeader},
		{"sudo", []string{"_TRANSPORT=syslog", "_UID=1000", "_COMM=sudo", "_PID=9", "SYSLOG_IDENTIFIER=sudo", "_SYSTEMD_UNIT=session-3.scope"}, "x", "localhost sudo[9]: x", sentinel.TrustLocal},
		{"newlines and tabs", sshdFields(1), "a\nJan 1 00:00:00 h sshd[1]: b\tc\x7f", "web1 sshd[1]: a#012Jan 1 00:00:00 h sshd[1]: b#011c#177", sentinel.TrustHeader},
		{"a header in the name", []string{"_TRANSPORT=syslog", "_UID=0", "_PID=9", "SYSLOG_IDENTIFIER=a b: sshd[1]"}, "x", "localhost a_b__sshd_1_[9]: x", sentinel.TrustHeader},
		{"two messages", append(sshdFields(1), "MESSAGE=first"), "second", "web1 sshd[1]: first", sentinel.TrustHeader},
		{"no message, no name", []string{"_UID=0"}, "", "localhost unknown: ", sentinel.TrustHeader},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e, err := newExportReader(bytes.NewReader(export(stored{0, c.fields, c.msg}))).next()
			must(t, err)
			if got := e.trust(); got != c.trust {
				t.Errorf("trust %d, want %d", got, c.trust)
			}
			got, _ := strings.CutPrefix(string(e.appendLine(nil, e.trust())), "2026-01-31T10:00:00.000000Z ")
			if got != c.want {
				t.Errorf("line %q, want %q", got, c.want)
			}
		})
	}
}
