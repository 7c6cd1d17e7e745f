package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// logins is the log of sshd and its neighbours on a host that is attacked: 60 %
// of the lines are of some 5,000 attackers, 40 % of people and services.
type logins struct {
	r         *rand.Rand
	stamp     stamp
	i         int
	attackers []string
}

func newLogins() *logins {
	r := random(1)
	return &logins{r: r, stamp: stamp{layout: time.Stamp}, attackers: randomAddrs(r, 5250, 0.05)}
}

var (
	guessed = []string{"root", "admin", "test", "ubuntu", "oracle", "postgres", "git", "user", "guest", "ftp", "www",
		"mysql", "nagios", "deploy", "hadoop", "pi", "jenkins", "ec2-user", "debian", "tomcat", "minecraft", "steam",
		"dev", "backup", "support", "vagrant", "ansible", "centos", "sysadmin"}
	people  = []string{"alice", "bob", "carol", "deploy-ci", "dave", "erin"}
	offices = []string{"81.2.69", "93.184.216", "141.20.5", "194.95.12"}
)

func (l *logins) line(buf []byte, t time.Time) []byte {
	r, i := l.r, l.i
	l.i++
	buf = fmt.Appendf(buf, "%s %s ", l.stamp.of(t), logHost)
	pid, port := 1000+i*7%60000, 1024+r.IntN(64000)
	if r.Float64() < 0.6 {
		from := pick(r, l.attackers)
		switch k := r.Float64(); {
		case k < 0.45:
			buf = fmt.Appendf(buf, "sshd[%d]: Failed password for root from %s port %d ssh2", pid, from, port)
		case k < 0.70:
			buf = fmt.Appendf(buf, "sshd[%d]: Failed password for invalid user %s from %s port %d ssh2", pid, pick(r, guessed), from, port)
		case k < 0.85:
			buf = fmt.Appendf(buf, "sshd[%d]: Invalid user %s from %s port %d", pid, pick(r, guessed), from, port)
		case k < 0.93:
			buf = fmt.Appendf(buf, "sshd[%d]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s  user=root", pid, from)
		case k < 0.97:
			buf = fmt.Appendf(buf, "sshd[%d]: Connection closed by authenticating user root %s port %d [preauth]", pid, from, port)
		default:
			buf = fmt.Appendf(buf, "sshd[%d]: error: maximum authentication attempts exceeded for root from %s port %d ssh2 [preauth]", pid, from, port)
		}
		return append(buf, '\n')
	}
	who := pick(r, people)
	from := fmt.Sprintf("%s.%d", pick(r, offices), 2+r.IntN(248))
	switch k := r.Float64(); {
	case k < 0.18:
		buf = fmt.Appendf(buf, "sshd[%d]: Accepted publickey for %s from %s port %d ssh2: ED25519 SHA256:%016x%016x%011x", pid, who, from, port, r.Uint64(), r.Uint64(), r.Uint64()>>20)
	case k < 0.34:
		buf = fmt.Appendf(buf, "sshd[%d]: pam_unix(sshd:session): session opened for user %s(uid=%d) by (uid=0)", pid, who, 1000+len(who))
	case k < 0.46:
		buf = fmt.Appendf(buf, "sshd[%d]: Received disconnect from %s port %d:11: disconnected by user", pid, from, port)
	case k < 0.58:
		buf = fmt.Appendf(buf, "sshd[%d]: Disconnected from user %s %s port %d", pid, who, from, port)
	case k < 0.68:
		buf = fmt.Appendf(buf, "CRON[%d]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)", pid)
	case k < 0.78:
		buf = fmt.Appendf(buf, "CRON[%d]: pam_unix(cron:session): session closed for user root", pid)
	case k < 0.88:
		buf = fmt.Appendf(buf, "sudo: %8s : TTY=pts/%d ; PWD=/home/%s ; USER=root ; COMMAND=/usr/bin/systemctl restart app-%d", who, i%4, who, i%97)
	case k < 0.95:
		buf = fmt.Appendf(buf, "systemd-logind[612]: New session %d of user %s.", i, who)
	default:
		buf = fmt.Appendf(buf, "systemd[1]: session-%d.scope: Deactivated successfully.", i)
	}
	return append(buf, '\n')
}
