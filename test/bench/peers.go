package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// peer is another program that does what ours does.
type peer struct {
	name string
	// where its parser may be, and how to run it on the log in $LOG.
	paths []string
	args  []string
	stdin bool
	// published are figures measured elsewhere: two noisy cores, sshd logs.
	published string
}

var others = []peer{
	{"SSHGuard", []string{"sshg-parser", "/usr/libexec/sshguard/sshg-parser", "/usr/lib/sshguard/sshg-parser", "/usr/libexec/sshg-parser"},
		nil, true, "parses 430,000 lines/s; drops after 5.8 ms (p50); idle PSS 2.8 MB; 1,000 attackers at once 9 to 11 s"},
	{"fail2ban", []string{"fail2ban-regex"}, []string{"-q", "$LOG", "sshd"}, false,
		"22,500 lines/s; drops after 518 ms; idle PSS 33 MB; 1,000 attackers at once 9 to 11 s"},
	{"CrowdSec 1.7.8", []string{"crowdsec"}, nil, false,
		"3,000 lines/s; drops after 5.6 s; idle PSS 131 MB; 1,000 attackers at once 9 to 11 s"},
}

// peers measures the parsers of other programs that are installed, and says
// what was measured elsewhere.
func peers(b *bench) ([]row, error) {
	var rows []row
	for _, p := range others {
		r := row{figure: "for comparison: " + p.name, target: "", measured: "not installed here; elsewhere: " + p.published}
		if path := p.find(); path != "" {
			r.measured = "installed here; elsewhere: " + p.published
			if p.stdin || p.args != nil {
				n, err := p.run(b, path)
				if err != nil {
					return rows, err
				}
				r.measured = fmt.Sprintf("%s sshd lines/s here; elsewhere: %s", count(n), p.published)
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func (p *peer) find() string {
	for _, name := range p.paths {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// run returns lines per second of processor time.
func (p *peer) run(b *bench, path string) (float64, error) {
	const n = 100_000
	log, err := b.excerpt(n)
	if err != nil {
		return 0, err
	}
	var args []string
	for _, a := range p.args {
		args = append(args, strings.ReplaceAll(a, "$LOG", log))
	}
	cmd := exec.Command(path, args...)
	if p.stdin {
		f, err := os.Open(log)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		cmd.Stdin = f
	}
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("running %s: %w", cmd, err)
	}
	return n / (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// excerpt writes a shorter sshd log.
func (b *bench) excerpt(n int) (string, error) {
	path := b.dir + "/peers.log"
	return path, write(path, newLogins(), n, first, span)
}
