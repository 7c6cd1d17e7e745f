package agent

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/enforce"
	"github.com/sentinel-ai/sentinel-ai/internal/sandbox"
)

// confine locks the process in, when everything is open and before the first
// line of a log is read. From then on it reads logs, configuration and what the
// system says about itself, writes its database and its socket, and runs only
// the programs that its configuration needs.
func (a *Agent) confine() {
	if !a.opt.Confine || a.cfg.Agent.Sandbox == config.SandboxOff {
		return
	}
	r := sandbox.Enter(a.needs(a.cfg))
	a.sandbox.Store(&r)
	for _, p := range r.Problems {
		a.log.Warn("the sandbox is not complete", "problem", p)
	}
	a.log.Info("the sandbox is closed", "landlock", r.Landlock, "seccomp", r.Seccomp, "may_run_programs", r.Exec)
}

// systemFiles are read by the agent and the libraries it is made of: names of
// users and hosts, resolvers, sessions, zones, and the kernel's word on itself.
// /etc is there as a whole because its files are replaced, not written.
var systemFiles = []string{
	"/etc", "/proc", "/sys/class/net", "/usr/share/zoneinfo", "/usr/lib/zoneinfo",
	"/run/systemd", "/run/utmp", "/run/resolvconf", "/run/NetworkManager", "/run/connman", "/dev/null", "/dev/urandom",
}

// logRoots are where logs, the journal and what containers print are everywhere.
var logRoots = []string{"/var/log", "/run/log", "/var/lib/docker/containers", "/var/lib/containers/storage/overlay-containers"}

// dnsPort is the only TCP port to connect to: for long answers about names in
// the whitelist.
const dnsPort = 53

// needs says what the agent needs with a configuration.
func (a *Agent) needs(cfg *config.Config) sandbox.Config {
	c := sandbox.Config{
		Read:    slices.Concat(systemFiles, logRoots),
		Write:   []string{filepath.Dir(cfg.Database.Path), filepath.Dir(cfg.Agent.Socket), "/dev/null"},
		Connect: []uint16{dnsPort},
		Capabilities: []int{
			unix.CAP_NET_ADMIN, unix.CAP_DAC_READ_SEARCH, unix.CAP_DAC_OVERRIDE, unix.CAP_CHOWN, unix.CAP_FOWNER,
		},
	}
	if server := cfg.Response.Names.Server(); server.IsValid() && server.Port() != dnsPort {
		c.Connect = append(c.Connect, server.Port())
	}
	for _, s := range a.sourcesOf(cfg) {
		if s.Type == sentinel.TypeJournal {
			c.Programs = append(c.Programs, "journalctl")
			break
		}
	}
	for _, path := range listens(cfg) {
		switch l, err := sentinel.ParseListen(path); {
		case err != nil: // checked before the configuration was taken
		case l.Network == "tcp":
			c.Bind = append(c.Bind, l.Addr.Port())
		case l.Path != "":
			c.Write = append(c.Write, filepath.Dir(l.Path))
		}
	}
	a.needsFirewall(&c)
	if len(c.Programs) > 0 {
		// Their libraries.
		c.Read = append(c.Read, "/usr", "/lib", "/lib64", "/bin", "/sbin")
	}
	c.Read = append(c.Read, a.reads(cfg)...)
	if deny := cfg.Response.ProxyDenylist.Path; deny != "" {
		c.Write = append(c.Write, filepath.Dir(deny)) // the file is replaced as a whole
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		c.Read = append(c.Read, dir)
	}
	return c
}

// xtablesLock is held by iptables while it works.
const xtablesLock = "/run/xtables.lock"

// needsFirewall adds what the firewall needs that is in use, and the one of the
// start before, which is cleared. Our own nftables table needs nothing.
func (a *Agent) needsFirewall(c *sandbox.Config) {
	last, err := a.store.State(context.Background(), firewallKey)
	if err != nil {
		last = "" // then nothing is cleared either
	}
	names := []string{a.backend.Name(), last}
	if slices.Contains(names, enforce.NameIPTables) || slices.Contains(names, enforce.NameUFW) {
		for _, kind := range []string{"iptables", "ip6tables"} {
			for _, form := range []string{"", "-nft", "-legacy"} {
				c.Programs = append(c.Programs, kind+form, kind+form+"-restore", kind+form+"-save")
			}
		}
		if f, err := os.OpenFile(xtablesLock, os.O_CREATE|os.O_RDONLY, 0o600); err == nil {
			_ = f.Close() // from now on nobody could make it
		}
		c.Write = append(c.Write, xtablesLock)
		c.Capabilities = append(c.Capabilities, unix.CAP_NET_RAW)
	}
	if slices.Contains(names, enforce.NameUFW) {
		c.Programs = append(c.Programs, "ufw", "python3", "sh", "cat", "modprobe", "sysctl")
		c.Write = append(c.Write, "/etc/ufw", "/lib/ufw", "/var/lib/ufw", "/run", "/tmp")
		c.Capabilities = nil // it asks for root
	}
}

// reads are the places of logs, configuration and rules that a configuration
// names.
func (a *Agent) reads(cfg *config.Config) []string {
	dirs := cfg.Detection.Rules
	out := append([]string{dirs.CustomDir, dirs.ExceptionsDir, dirs.ListsDir}, geoReads(cfg)...)
	if cfg.File() != "" {
		if file, err := filepath.Abs(cfg.File()); err == nil {
			out = append(out, place(file))
		}
	}
	for _, s := range a.sourcesOf(cfg) {
		if s.Type == sentinel.TypeJournal {
			if s.Path != "" {
				out = append(out, s.Path)
			}
			continue // the host's own is below logRoots
		}
		if sentinel.IsListen(s.Path) {
			continue
		}
		out = append(out, place(s.Path))
		if target, ok := link(s.Path); ok {
			out = append(out, place(target))
		}
	}
	return out
}

// crowded are directories that hold much else.
var crowded = []string{"/", "/etc", "/home", "/root", "/srv", "/opt", "/tmp", "/var", "/var/lib", "/usr", "/run"}

// place is the directory that a file or the members of a glob are in, so that
// they may be replaced; of one that is not there yet the nearest that is. In a
// directory that holds much else it is the file alone.
func place(path string) string {
	dir, glob := filepath.Dir(path), false
	if i := strings.IndexAny(path, `*?[\`); i >= 0 {
		dir, glob = filepath.Dir(path[:i]+"x"), true
	}
	for dir != "/" {
		if slices.Contains(crowded, dir) && !glob {
			return path
		}
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return path
}

// link follows a symbolic link that root or this user made, as administrators
// do to keep logs on another disk.
func link(path string) (target string, ok bool) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		return "", false
	}
	st, isStat := info.Sys().(*syscall.Stat_t)
	if !isStat || (st.Uid != 0 && int(st.Uid) != os.Geteuid()) {
		return "", false
	}
	target, err = filepath.EvalSymlinks(path)
	return target, err == nil
}

// outside are the places that a configuration names and the sandbox, which
// cannot be widened, does not let the agent read.
func (a *Agent) outside(cfg *config.Config) (out []string) {
	r := a.sandbox.Load()
	if r == nil {
		return nil
	}
	for _, path := range a.reads(cfg) {
		if _, err := os.Lstat(path); err == nil && !r.Covers(path) && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	return out
}

// sandboxStatus is what status shows of it.
func (a *Agent) sandboxStatus() *control.SandboxStatus {
	s := &control.SandboxStatus{Capabilities: []string{}}
	if caps, err := sandbox.Capabilities(); err == nil {
		s.Capabilities = caps
	}
	if r := a.sandbox.Load(); r != nil {
		s.Landlock, s.Seccomp, s.Exec, s.Problems = r.Landlock, r.Seccomp, r.Exec, r.Problems
	} else {
		s.Off, s.Exec = true, true
	}
	return s
}

// checkSandbox remembers what of a new configuration the sandbox keeps from
// being read. Engine's goroutine only.
func (a *Agent) checkSandbox(cfg *config.Config) {
	out := a.outside(cfg)
	for _, path := range out {
		a.log.Warn("the sandbox keeps this from being read until a restart", "path", path)
	}
	a.mu.Lock()
	a.beyond = out
	a.mu.Unlock()
}

// sandboxReasons says what the sandbox keeps from working; a.mu is held.
func (a *Agent) sandboxReasons() (out []string) {
	for _, path := range a.beyond {
		out = append(out, fmt.Sprintf("%s came into the configuration after the start, and the sandbox of the agent keeps it from being read: restart needed", path))
	}
	return out
}
