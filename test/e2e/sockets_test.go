package e2e

import "testing"

// Logins that fail are sent to the agent's sockets by the real logger, from within
// the agent's sandbox they are received, and the attackers are cut off.
func TestSockets(t *testing.T) {
	t.Parallel()
	need(t, "logger")
	l := newLab(t)
	a := newAgent(t, l.victim, settings{})
	unix := a.path("run/log.sock")
	a.configure(t, settings{logs: map[string]string{"tcp://127.0.0.1:5514": "syslog", "udp://127.0.0.1:5515": "syslog", "unix://" + unix: "syslog"}})
	a.start(t)
	a.ready(t)
	for n, args := range [][]string{
		{"-n", "127.0.0.1", "-P", "5514", "-T", "--octet-count"},
		{"-n", "127.0.0.1", "-P", "5515", "-d"},
		{"-u", unix, "-d"},
	} {
		from := evil[n]
		l.open(t, from)
		for range 12 {
			text := "Failed password for root from " + from.String() + " port 4242 ssh2"
			l.tool(t, "logger", append(args, "-t", "sshd", "-p", "auth.info", "--id", text)...)
		}
		l.cut(t, from)
	}
	if code := a.stop(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
