package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// scratchHost is a copy of this host that lasts for one test: its files are seen
// through overlays, so that what is written stays in upper, and its network is
// its own.
type scratchHost struct {
	t     *testing.T
	upper string
	prog  string // commands that come first
}

func newScratchHost(t *testing.T) *scratchHost {
	t.Helper()
	need(t, "unshare", "useradd", "userdel", "groupadd", "groupdel", "ip", "nft")
	must(t, sentinelctl())
	return &scratchHost{t: t, upper: tempDir(t)}
}

// sh runs a script on the scratch host and returns what it printed. Afterwards
// changed() knows what is left of its files.
func (h *scratchHost) sh(script string) (out string, code int) {
	h.t.Helper()
	whole := `
mount -t proc proc /proc
mount -t tmpfs none "$T"
for d in etc usr/local var run; do
	n=$(echo $d | tr / _)
	mkdir -p "$T/u/$n" "$T/w/$n"
	mount -t overlay o -o "lowerdir=/$d,upperdir=$T/u/$n,workdir=$T/w/$n" /$d
done
ip link set lo up
rm -rf /run/systemd/system
` + h.prog + script + `
rc=$?
(cd "$T/u" && find . -not -type d) >"$OUT"
for f in passwd group shadow gshadow; do cp "/etc/$f" "$OUT.$f"; done
exit $rc
`
	cmd := exec.Command("/bin/bash", "-c", whole)
	report := filepath.Join(h.upper, "report")
	mnt := filepath.Join(h.upper, "mnt")
	must(h.t, os.MkdirAll(mnt, 0o755))
	cmd.Env = append(os.Environ(), "T="+mnt, "B="+bin, "OUT="+report, "NO_COLOR=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS,
	}
	text, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// left are the files that are there and were not before, or are not the same.
func (h *scratchHost) left() (out []string) {
	h.t.Helper()
	data, err := os.ReadFile(filepath.Join(h.upper, "report"))
	must(h.t, err)
	for _, name := range strings.Fields(string(data)) {
		name = strings.TrimPrefix(name, "./")
		if name == "run/ufw.lock" || name == "run/xtables.lock" {
			continue // the tools' own
		}
		if base, ok := strings.CutPrefix(name, "etc/"); ok {
			switch base {
			case "passwd", "group", "shadow", "gshadow":
				was, err := os.ReadFile("/etc/" + base)
				must(h.t, err)
				now, err := os.ReadFile(filepath.Join(h.upper, "report."+base))
				must(h.t, err)
				if bytes.Equal(was, now) {
					continue
				}
			case "passwd-", "group-", "shadow-", "gshadow-", "subuid", "subgid", "subuid-", "subgid-", ".pwd.lock":
				continue // the tools' own
			}
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (h *scratchHost) want(out string, texts ...string) {
	h.t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			h.t.Errorf("%q is not in\n%s", text, out)
		}
	}
}

// TestFaultInstall: installing, running and uninstalling on a copy of this host,
// without systemd.
func TestFaultInstall(t *testing.T) {
	t.Run("E17 install, run, uninstall --purge: nothing is left", func(t *testing.T) {
		h := newScratchHost(t)
		out, code := h.sh(`set -e
umask 000
"$B/sentinelctl" install
stat -c '%a %U:%G %n' /etc/sentinel /etc/sentinel/config.yml /etc/sentinel/rules.d /var/lib/sentinel /usr/local/bin/sentinel-agent
sentinelctl start
sentinelctl start
stat -c '%a %U:%G %n' /run/sentinel/sentinel.sock /run/sentinel
echo STATUS "$(sentinelctl status --format jsonl)"
grep -E '^Uid|^CapEff|^NoNewPrivs|^Seccomp:' /proc/$(cat /run/sentinel/sentinel-agent.pid)/status
sentinelctl block 203.0.113.9 --reason test
nft list table inet sentinel
sentinelctl restart
sentinelctl stop
sentinelctl stop
echo AFTER STOP; nft list table inet sentinel
sentinelctl start
sentinelctl uninstall --purge
echo AFTER UNINSTALL; nft list tables
`)
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		h.want(out, "Installed", "750 root:sentinel /etc/sentinel\n", "640 root:sentinel /etc/sentinel/config.yml", "750 root:sentinel /etc/sentinel/rules.d",
			"750 sentinel:sentinel /var/lib/sentinel", "755 root:root /usr/local/bin/sentinel-agent", "660 sentinel:sentinel /run/sentinel/sentinel.sock",
			"750 sentinel:sentinel /run/sentinel\n", "The agent was started", "running already", "CapEff:\t0000000000001000", "NoNewPrivs:\t1", "Seccomp:\t2",
			"The agent was stopped", "The agent is not running", "nothing is left")
		_, rest, _ := strings.Cut(out, "AFTER STOP")
		kernel, gone, _ := strings.Cut(rest, "AFTER UNINSTALL")
		if !strings.Contains(kernel, "203.0.113.9") {
			t.Error("stopping lifted the block")
		}
		if strings.Contains(gone, "sentinel") {
			t.Errorf("the firewall's table is left: %s", gone)
		}
		if left := h.left(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		_, line, _ := strings.Cut(out, "STATUS ")
		line, _, _ = strings.Cut(line, "\n")
		var st control.Status
		must(t, json.Unmarshal([]byte(line), &st))
		if !st.Firewall.Healthy || st.Sandbox == nil || !slices.Equal(st.Sandbox.Capabilities, []string{"CAP_NET_ADMIN"}) || len(st.Sandbox.Problems) > 0 {
			t.Errorf("%+v %+v", st.Firewall, st.Sandbox)
		}
	})

	t.Run("S05 installing again keeps the configuration and renews the programs", func(t *testing.T) {
		h := newScratchHost(t)
		out, code := h.sh(`set -e
"$B/sentinelctl" install --observe
grep -c 'mode: observe' /etc/sentinel/config.yml
echo '# mine' >>/etc/sentinel/config.yml
echo old >/usr/local/bin/sentinel-agent
"$B/sentinelctl" install
tail -1 /etc/sentinel/config.yml
/usr/local/bin/sentinel-agent -version
sentinelctl uninstall
ls /etc/sentinel/config.yml
id sentinel
"$B/sentinelctl" install
tail -1 /etc/sentinel/config.yml
`)
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		h.want(out, "kept as it is", "sentinel-agent e2e", "Kept, with the user sentinel: /etc/sentinel")
		if strings.Count(out, "# mine") != 2 {
			t.Errorf("the configuration was not kept\n%s", out)
		}
	})

	t.Run("S05 a step fails: those before it are undone", func(t *testing.T) {
		h := newScratchHost(t)
		out, code := h.sh(`
mkdir /usr/local/bin/sentinelctl
"$B/sentinelctl" install
rc=$?
rmdir /usr/local/bin/sentinelctl
(exit $rc)`)
		if code != 1 {
			t.Errorf("exit code %d\n%s", code, out)
		}
		h.want(out, "failed:", "undo: add the user and group sentinel", "error: copy ")
		if strings.Contains(out, "still in place") {
			t.Error(out)
		}
		if left := h.left(); len(left) > 0 {
			t.Errorf("left behind: %v\n%s", left, out)
		}
	})

	t.Run("dry run changes nothing", func(t *testing.T) {
		h := newScratchHost(t)
		out, code := h.sh(`"$B/sentinelctl" install --dry-run && "$B/sentinelctl" uninstall --purge --dry-run`)
		if code != 0 {
			t.Errorf("exit code %d\n%s", code, out)
		}
		h.want(out, "would be done", "Nothing was changed")
		if left := h.left(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})

	t.Run("a faulty configuration stops it at once, the agent's own words say why it does not start", func(t *testing.T) {
		h := newScratchHost(t)
		out, code := h.sh(`
mkdir /etc/sentinel; echo 'response: {mode: x}' >/etc/sentinel/config.yml
"$B/sentinelctl" install; echo "CODE $?"
rm -r /etc/sentinel
"$B/sentinelctl" install || exit 9
mkdir -p /run/sentinel/sentinel.sock
sentinelctl start; echo "CODE $?"`)
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
		h.want(out, "does not start with this configuration", "the agent ended at once", "there is something else at this path")
		if strings.Count(out, "CODE 1") != 2 {
			t.Errorf("exit codes\n%s", out)
		}
	})

	t.Run("with systemd: units, enabled and started, taken away again", func(t *testing.T) {
		h := newScratchHost(t)
		h.prog = `
mkdir -p /run/systemd/system
cat >/usr/local/bin/systemctl <<'X'
#!/bin/sh
echo "$@" >>/run/systemctl.log
X
chmod 755 /usr/local/bin/systemctl
`
		out, code := h.sh(`set -e
"$B/sentinelctl" install --prefix /usr/local
grep '^ExecStart=' /etc/systemd/system/sentinel-agent.service
sentinelctl restart
sentinelctl uninstall --purge
cat /run/systemctl.log
rm /run/systemctl.log /usr/local/bin/systemctl`)
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		h.want(out, "ExecStart=/usr/local/bin/sentinel-agent", "daemon-reload\nenable ", "sentinel-agent.service\n", "restart sentinel-agent.service\n",
			"disable --now ", "restarted by systemd")
		if left := h.left(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})

	t.Run("S05 the service does not start: all is undone, what ran before runs again", func(t *testing.T) {
		h := newScratchHost(t)
		h.prog = `
mkdir -p /run/systemd/system
cat >/usr/local/bin/systemctl <<'X'
#!/bin/sh
echo "$@" >>/run/systemctl.log
[ "$1 $2" != "restart sentinel-agent.service" ] || [ -e /run/broken-once ] || { touch /run/broken-once; echo "Job failed."; exit 1; }
X
chmod 755 /usr/local/bin/systemctl
`
		out, code := h.sh(`
"$B/sentinelctl" install
rc=$?
tail -3 /run/systemctl.log
rm /run/systemctl.log /run/broken-once /usr/local/bin/systemctl
(exit $rc)`)
		if code != 1 {
			t.Errorf("exit code %d\n%s", code, out)
		}
		h.want(out, "Job failed.", "journalctl -u sentinel-agent", "undo: look at systemd", "daemon-reload\nrestart sentinel-agent.service\n")
		if left := h.left(); len(left) > 0 {
			t.Errorf("left behind: %v\n%s", left, out)
		}
	})

	t.Run("into the root of an image", func(t *testing.T) {
		h := newScratchHost(t)
		out, code := h.sh(`set -e
R=$T/image; mkdir -p $R/etc $R/var/lib $R/usr/lib/systemd $R/usr/sbin $R/etc/systemd/system
touch $R/usr/lib/systemd/systemd
printf 'root:x:0:0:root:/root:/bin/sh\n' >$R/etc/passwd; printf 'root:x:0:\nadm:x:4:\n' >$R/etc/group; : >$R/etc/shadow; : >$R/etc/gshadow
(cd $R && find . | sort) >$T/before
"$B/sentinelctl" install --root $R
grep ^sentinel: $R/etc/passwd
grep '^SupplementaryGroups=' $R/etc/systemd/system/sentinel-agent.service
ls -l $R/etc/systemd/system/multi-user.target.wants/
"$B/sentinelctl" uninstall --root $R --purge
(cd $R && find . | sort) >$T/after
echo DIFF; diff $T/before $T/after | grep -v -e '-$' -e /sub -e '\.lock$' || true`)
		if code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		h.want(out, "SupplementaryGroups=adm\n", "sentinel-agent.service -> ")
		_, diff, _ := strings.Cut(out, "DIFF\n")
		for _, line := range strings.Split(diff, "\n") {
			// Empty directories of the system may stay.
			if strings.HasPrefix(line, "> ") && strings.Contains(line, "sentinel") {
				t.Errorf("left behind: %s", line)
			}
		}
		if left := h.left(); len(left) > 0 {
			t.Errorf("the host was changed: %v", left)
		}
	})
}
