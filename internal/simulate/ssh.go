package simulate

import (
	"fmt"
	"net/netip"
	"strconv"
	"time"
)

// sshDays lets people log in: most with keys, some with passwords, now and then
// after a wrong one.
func (m *maker) sshDays() {
	type person struct {
		name string
		key  bool
		addr netip.Addr
	}
	people := make([]person, max(m.plan.Clients/4, 2))
	for i := range people {
		people[i] = person{name: words[i%len(words)], key: m.chance(0.7)}
	}
	for day := range m.plan.Days {
		midnight := m.plan.Start.AddDate(0, 0, day)
		for range m.plan.Clients {
			who := &people[m.IntN(len(people))]
			if !who.addr.IsValid() || m.chance(0.1) {
				who.addr = m.address()
			}
			m.label, m.speed, m.kind = Harmless, "", "person"
			m.addr = who.addr
			at := midnight.Add(time.Duration(6+m.IntN(16))*time.Hour + time.Duration(m.IntN(3600))*time.Second)
			pid := m.pid()
			if who.key {
				m.sshd(at, pid, fmt.Sprintf("Accepted publickey for %s from %s port %d ssh2: ED25519 SHA256:%x", who.name, m.addr, m.port(), m.Uint64()))
			} else {
				if m.chance(0.08) {
					m.sshd(at, pid, fmt.Sprintf("Failed password for %s from %s port %d ssh2", who.name, m.addr, m.port()))
					at = at.Add(m.pause(6 * time.Second))
				}
				m.sshd(at, pid, fmt.Sprintf("Accepted password for %s from %s port %d ssh2", who.name, m.addr, m.port()))
			}
			m.sshd(at, pid, fmt.Sprintf("pam_unix(sshd:session): session opened for user %s(uid=1000) by (uid=0)", who.name))
			m.sshd(at.Add(m.pause(30*time.Minute)), pid, fmt.Sprintf("pam_unix(sshd:session): session closed for user %s", who.name))
		}
	}
}

func (m *maker) pid() int {
	m.pids++
	return 1000 + m.pids%30_000
}

func (m *maker) port() int { return 32_768 + m.IntN(28_000) }

// sshd adds a line of the SSH server.
func (m *maker) sshd(at time.Time, pid int, text string) {
	m.emit(at, at.UTC().Format("2006-01-02T15:04:05.000000-07:00")+" host sshd["+strconv.Itoa(pid)+"]: "+text)
}

// guess is one attempt with a password.
func (m *maker) guess(at time.Time, user string) {
	invalid := ""
	pid := m.pid()
	port := m.port()
	if user != "root" {
		invalid = "invalid user "
		m.sshd(at, pid, fmt.Sprintf("Invalid user %s from %s port %d", user, m.addr, port))
	}
	m.sshd(at, pid, fmt.Sprintf("Failed password for %s%s from %s port %d ssh2", invalid, user, m.addr, port))
}

var guessed = []string{"root", "admin", "root", "test", "oracle", "root", "postgres", "ubuntu", "git", "user", "deploy", "ftpuser"}

// sshBrute guesses passwords from one address.
func (m *maker) sshBrute(at time.Time) {
	for range m.many(300, 100, 40) {
		m.guess(at, m.pick(guessed))
		at = at.Add(m.next())
	}
}

// sshOneEach is a crowd of addresses with one attempt each, some 400 a day, on
// root and a few others.
func (m *maker) sshOneEach(at time.Time) {
	for at = at.Add(m.pause(3 * time.Minute)); at.Before(m.end()); at = at.Add(m.pause(3 * time.Minute)) {
		m.addr = m.address()
		m.guess(at, m.pick(guessed))
	}
}

// sshEvery10m is one address that tries once in ten minutes.
func (m *maker) sshEvery10m(at time.Time) {
	for at = at.Add(m.pause(10 * time.Minute)); at.Before(m.end()); at = at.Add(10*time.Minute + time.Duration(m.IntN(20))*time.Second) {
		m.guess(at, m.pick(guessed))
	}
}
