package ctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/host"
)

// Bounds of what is worth a warning.
const (
	lowSpace    = 500 << 20
	leastSpace  = 50 << 20
	lowShare    = 0.05
	bigDatabase = 4 << 30
	bigLag      = 16 << 20
)

// mode looks whether a file's mode has bits that it must not have.
func (d *doctor) mode(id, path string, not fs.FileMode, mend string) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		d.skip(id, "%s may not be looked at: run this as root", path)
	case err != nil:
		d.fault(id, "create it, or change the path in the configuration", "%v", err)
	case info.Mode().Perm()&not != 0:
		d.fault(id, mend, "%s may be written or read by too many (%v)", path, info.Mode().Perm())
	default:
		d.ok(id, "%s has mode %v", path, info.Mode().Perm())
	}
}

// host looks at files, disk, clock and sessions.
func (d *doctor) host() {
	if d.status != nil {
		d.mode("permissions.socket", d.socketPath(), 0o007, "restart the agent: it makes its socket with mode 0660")
	}
	db := d.databasePath()
	d.mode("permissions.db", db, 0o007, "chmod o= "+db)
	for _, dir := range []string{d.cfg.Detection.Rules.CustomDir, d.cfg.Detection.Rules.ExceptionsDir, d.cfg.Detection.Rules.ListsDir} {
		if _, err := os.Stat(dir); dir != "" && err == nil {
			d.mode("permissions.rules", dir, 0o022, "chmod go-w "+dir)
		}
	}
	d.groups()
	d.disk(filepath.Dir(db))
	d.clock()
	d.service()
	d.session()
}

func (d *doctor) socketPath() string {
	if d.a.socket != "" {
		return d.a.socket
	}
	return d.cfg.Agent.Socket
}

func (d *doctor) databasePath() string {
	if d.status != nil && d.status.Database.Path != "" {
		return d.status.Database.Path
	}
	return d.cfg.Database.Path
}

// groups looks whether people can be let in without root.
func (d *doctor) groups() {
	for _, name := range []string{control.DefaultGroup, control.DefaultAdminGroup} {
		if _, err := user.LookupGroup(name); err != nil {
			d.warn("groups."+name, "groupadd --system "+name, "there is no group %s: only root may use sentinelctl", name)
			return
		}
	}
	d.ok("groups", "%s and %s exist", control.DefaultGroup, control.DefaultAdminGroup)
}

// disk looks whether the database can go on.
func (d *doctor) disk(dir string) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		d.fault("disk.space", "create the directory of database.path", "%s: %v", dir, err)
		return
	}
	free := st.Bavail * uint64(st.Bsize)
	share := float64(st.Bavail) / float64(max(st.Blocks, 1))
	inodes := 1.0
	if st.Files > 0 {
		inodes = float64(st.Ffree) / float64(st.Files)
	}
	const mend = "free space there; logs and old packages are the usual finds"
	switch {
	case free < leastSpace || st.Files > 0 && st.Ffree < 100:
		d.fault("disk.space", mend, "%s has %s and %d inodes left: soon nothing can be stored", dir, size(free), st.Ffree)
	case free < lowSpace && share < lowShare || inodes < lowShare/5:
		d.warn("disk.space", mend, "%s has %s (%.0f%%) and %.0f%% of its inodes left", dir, size(free), 100*share, 100*inodes)
	default:
		d.ok("disk.space", "%s has %s left", dir, size(free))
	}
	if info, err := os.Stat(d.databasePath()); err == nil && info.Size() > bigDatabase {
		d.warn("disk.database", "lower database.retention_days", "the database is %s", size(uint64(info.Size())))
	}
	if d.status != nil && d.a.euid == 0 {
		if _, err := os.Stat(d.databasePath() + ".ballast"); err != nil {
			d.warn("disk.ballast", "free space on that disk; the agent makes the file again when it starts", "there is no ballast file beside the database: a full disk stops storing at once")
		}
	}
}

// clock asks the kernel whether the clock is kept right.
func (d *doctor) clock() {
	var tx unix.Timex
	state, err := unix.Adjtimex(&tx)
	switch {
	case err != nil:
		d.skip("clock.sync", "asking the kernel: %v", err)
	case state == unix.TIME_ERROR || tx.Status&unix.STA_UNSYNC != 0:
		d.warn("clock.sync", "run systemd-timesyncd, chrony or ntpd", "the clock is not kept right by anything, as far as the kernel knows")
	default:
		d.ok("clock.sync", "the clock is kept right; it may be off by %d ms", tx.Esterror/1000)
	}
}

// service looks how the agent is started.
func (d *doctor) service() {
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		d.kernelVersion(unix.ByteSliceToString(uts.Release[:]))
	}
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		d.skip("service.enabled", "this host is not run by systemd")
		return
	}
	links, _ := filepath.Glob("/etc/systemd/system/*.wants/sentinel-agent.service") // the pattern is good
	if len(links) == 0 {
		d.warn("service.enabled", "systemctl enable sentinel-agent", "the agent is not started with the host")
		return
	}
	d.ok("service.enabled", "the agent is started with the host")
}

// oldestKernel is the first whose nftables has all that we use.
var oldestKernel = [2]int{4, 18}

func (d *doctor) kernelVersion(release string) {
	var v [2]int
	if n, err := fmt.Sscanf(release, "%d.%d", &v[0], &v[1]); n != 2 || err != nil {
		d.skip("version.kernel", "Linux %s", release)
		return
	}
	if slices.Compare(v[:], oldestKernel[:]) < 0 {
		d.warn("version.kernel", "update the kernel", "Linux %s is older than %d.%d, the oldest that the agent is meant for", release, oldestKernel[0], oldestKernel[1])
		return
	}
	d.ok("version.kernel", "Linux %s", release)
}

// session looks whether whoever runs this could be locked out.
func (d *doctor) session() {
	if d.allow == nil {
		return
	}
	var mine []netip.Addr
	if f := strings.Fields(d.a.env("SSH_CONNECTION")); len(f) > 0 {
		if a, err := netip.ParseAddr(f[0]); err == nil {
			mine = append(mine, a)
		}
	}
	if list, err := host.LoggedIn("/var/run/utmp"); err == nil {
		for _, l := range list {
			mine = append(mine, l.Addr)
		}
	}
	slices.SortFunc(mine, netip.Addr.Compare)
	mine = slices.Compact(mine)
	if len(mine) == 0 {
		d.ok("protection.session", "nobody is logged in over the network")
		return
	}
	for _, a := range mine {
		a = a.Unmap().WithZone("")
		if !slices.ContainsFunc(d.allow.Entries, func(e control.AllowEntry) bool { return e.Prefix.Contains(a) }) {
			d.warn("protection.session", "sentinelctl whitelist add "+a.String(), "somebody is logged in from %s, which is not protected from being blocked", a)
			return
		}
	}
	d.ok("protection.session", "%s of logged-in administrators are protected", plural(len(mine), "address"))
}

// capNetAdmin is the number of CAP_NET_ADMIN.
const capNetAdmin = 12

// process looks at the rights that the agent has.
func (d *doctor) process(pid int) {
	p, err := readProcess(pid)
	if err != nil {
		d.skip("agent.process", "%v", err)
		return
	}
	backend := d.status.Firewall.Backend
	if p.caps&(1<<capNetAdmin) == 0 && backend != "dryrun" {
		d.fault("agent.capability", "give it CAP_NET_ADMIN: AmbientCapabilities=CAP_NET_ADMIN in its unit, as in the one that is shipped",
			"the agent may not change the firewall: CAP_NET_ADMIN is missing")
	} else {
		d.ok("agent.capability", "the agent may change the firewall")
	}
	switch {
	case p.uid == 0 && backend != "ufw":
		d.warn("agent.user", "run it by the unit that is shipped, as user sentinel", "the agent runs as root, with more rights than it needs")
	default:
		d.ok("agent.user", "the agent runs as uid %d, groups %s", p.uid, strings.Join(groupNames(p.groups), " "))
	}
	if !p.confined {
		d.warn("agent.sandbox", "run it by the unit that is shipped", "the agent is not confined: neither NoNewPrivileges nor a filter of system calls holds")
	} else {
		d.ok("agent.sandbox", "NoNewPrivileges or a filter of system calls holds")
	}
}

// processState is what /proc says of a process.
type processState struct {
	uid      int
	groups   []string
	caps     uint64
	confined bool
}

func readProcess(pid int) (p processState, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return p, fmt.Errorf("the agent's process cannot be looked at: %w", err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		name, value, _ := strings.Cut(sc.Text(), ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		switch name {
		case "Uid":
			p.uid, _ = strconv.Atoi(fields[0])
		case "Groups":
			p.groups = fields
		case "CapEff":
			p.caps, _ = strconv.ParseUint(fields[0], 16, 64)
		case "NoNewPrivs", "Seccomp":
			p.confined = p.confined || fields[0] != "0"
		}
	}
	return p, sc.Err()
}

func groupNames(ids []string) (out []string) {
	for _, id := range ids {
		if g, err := user.LookupGroupId(id); err == nil {
			id = g.Name
		}
		out = append(out, id)
	}
	if len(out) == 0 {
		return []string{"none"}
	}
	return out
}

// sources looks at what is read.
func (d *doctor) sources() {
	read := 0
	for i := range d.status.Sources {
		x := &d.status.Sources[i]
		id := "source." + filepath.Base(x.ID)
		switch x.State {
		case "active", "draining":
			read++
			d.activeSource(id, x)
		case "waiting", "duplicate":
			d.ok(id, "%s: %s", x.ID, x.State)
		default:
			d.fault(id, mendSource(x), "%s is not read: %s %s", x.ID, x.State, x.Reason)
		}
	}
	if read == 0 {
		d.fault("sources", "name the logs of this host in logs.sources; on hosts without log files, the journal", "no log is read: nothing can be detected")
	}
	if d.found == nil {
		return
	}
	for _, x := range d.found.Logs {
		if x.State == control.LogOff && x.Path != "journal" {
			d.warn("sources.unread", "add it to logs.sources with type "+string(x.Type)+", or set logs.discovery: true", "%s exists and is not read", x.Path)
		}
	}
	for _, n := range d.found.Notes {
		d.warn("sources.unread", "name the log in logs.sources", "%s", n)
	}
}

func (d *doctor) activeSource(id string, x *control.SourceStatus) {
	switch {
	case x.Blind != "":
		d.fault(id, "compare logs.sources[].type with what is in it: sentinelctl logs unparsed, sentinelctl explain-line", "%s: %s", x.ID, x.Blind)
	case mostlyUnparsed(x):
		d.fault(id, "compare logs.sources[].type with what is in it: sentinelctl logs unparsed, sentinelctl explain-line",
			"%s (type %s): only %s understood", x.ID, x.Type, percent(x.Parsed, x.Parsed+x.Unparsed))
	case x.Lag > bigLag:
		d.warn(id, "lines older than 10 minutes block nobody; see sentinelctl status for the load", "%s: reading is %s behind", x.ID, size(uint64(x.Lag)))
	default:
		d.ok(id, "%s: %s, last %s", x.ID, plural(x.Lines, "line"), ago(d.a.now(), x.LastEvent))
	}
}

// mendSource says what to do about a source that is not read.
func mendSource(x *control.SourceStatus) string {
	switch x.State {
	case "denied":
		text := "let the agent's user read it: usermod -aG adm sentinel, then restart the agent"
		if info, err := os.Stat(x.Path); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok && info.Mode().Perm()&0o040 != 0 {
				text = fmt.Sprintf("make the agent's user a member of the group %s that may read it, then restart the agent", groupNames([]string{strconv.Itoa(int(st.Gid))})[0])
			}
		}
		return text
	case "missing":
		return "start the program that writes it, or correct its path in logs.sources"
	case "refused":
		return "name a regular file in logs.sources"
	}
	return "sentinelctl logs shows the reason; it is tried again"
}

// firewall compares what the agent says with what the kernel holds.
func (d *doctor) firewall(ctx context.Context) {
	if d.status != nil {
		d.firewallStatus()
	}
	if d.a.euid != 0 {
		d.skip("firewall.kernel", "only root may look into the kernel's firewall")
		return
	}
	k, err := d.a.inspect(ctx)
	if err != nil {
		d.skip("firewall.kernel", "not all of it can be read: %v", err)
	}
	d.kernel = k
	if k == nil || d.status == nil {
		return
	}
	faults := 0
	for _, f := range k.Faults(d.status.Firewall.Backend, noHeld, netip.IPv4Unspecified()) {
		if f.ID == "earlier-hook" || f.ID == "flowtable" || f.ID == "ufw-order" {
			d.warn("firewall."+f.ID, f.Mend, "%s", f.Text)
			continue
		}
		faults++
		d.fault("firewall."+f.ID, f.Mend, "%s", f.Text)
	}
	if faults == 0 && d.status.Firewall.Backend != "dryrun" {
		d.ok("firewall.kernel", "the kernel has our rules, and they come first")
	}
	d.flushers()
}

func (d *doctor) firewallStatus() {
	f := &d.status.Firewall
	switch {
	case f.Backend == "dryrun":
		d.warn("firewall.backend", "set response.firewall.backend: auto", "dryrun: nothing reaches the kernel")
	case !f.Healthy:
		d.fault("firewall.backend", "see whether the agent has CAP_NET_ADMIN, and: sentinelctl status", "%s refuses: %s", f.Backend, f.Error)
	default:
		d.ok("firewall.backend", "%s", strings.TrimSuffix(f.Backend+": "+f.Reason, ": "))
	}
	if f.Desired != f.Actual {
		d.fault("firewall.blocks", "the agent tries again; sentinelctl status shows why it fails", "%s should be in force, %s are", plural(f.Desired, "block"), thousands(f.Actual))
	} else {
		d.ok("firewall.blocks", "%s in force, as they should", plural(f.Desired, "block"))
	}
	if f.FlushWar {
		d.fault("firewall.war", "find the program: 'nft monitor', or a script that runs 'nft -f' or 'iptables-restore' again and again",
			"another program keeps changing our rules: they were put back %s times", thousands(f.Restores))
	}
}

// flushers looks for services that delete the rules of others.
func (d *doctor) flushers() {
	text, err := os.ReadFile("/etc/nftables.conf")
	if err != nil || !strings.Contains(string(text), "\nflush ruleset") {
		return
	}
	if links, _ := filepath.Glob("/etc/systemd/system/*.wants/nftables.service"); len(links) > 0 {
		d.warn("firewall.flush", "write 'destroy table inet NAME' for your own tables instead of 'flush ruleset'",
			"nftables.service is enabled and /etc/nftables.conf flushes all rules: each restart of it has a gap of up to two seconds")
	}
}
