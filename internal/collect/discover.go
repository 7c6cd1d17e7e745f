package collect

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Found is a log that discovery came upon.
type Found struct {
	// Path is a file or, where a configuration has a variable, a pattern; it is
	// empty for the host's own journal.
	Path string
	Type sentinel.SourceType
	// By says what led to it, the best first.
	By []string
	// Problem says why it cannot be read, and Hint how to mend that; both are
	// empty if it can.
	Problem, Hint string
	// Denied: it is there, and this process may not read it.
	Denied bool
	// Absent: no file is there (yet), though a configuration names it.
	Absent bool
	// Copy: the journal has all that is in it.
	Copy bool
	// Unknown: it is the log of a container, of which it is not known what it
	// holds. It is not read unless somebody says.
	Unknown bool
	// Born is when the file was made, zero if unknown.
	Born time.Time
	// Formats are those of its access lines, as the configuration of the server
	// has them; none: no configuration says.
	Formats []LogFormat
}

// Discovery is what there is to read on this host.
type Discovery struct {
	Logs []Found
	// Notes say what could not be found out, and what is missing.
	Notes []string
}

// Discoverer says where and how to look.
type Discoverer struct {
	// Root is "/" on a real host.
	Root string
	// Commands allows to ask nginx, Apache and systemd, too.
	Commands bool
	// Guess says of which type lines are, for the logs of containers; nil: by
	// their images alone.
	Guess func(lines []string) sentinel.SourceType

	list  []Found
	notes []string
}

// usual are the places of log files by distribution.
var usual = [...]struct {
	pattern string
	kind    sentinel.SourceType
}{
	{"/var/log/auth.log", sentinel.TypeSSH},
	{"/var/log/secure", sentinel.TypeSSH},
	{"/var/log/nginx/access.log", sentinel.TypeNginx},
	{"/var/log/nginx/error.log", sentinel.TypeNginx},
	{"/var/log/nginx/*access*.log", sentinel.TypeNginx},
	{"/var/log/nginx/*/access.log", sentinel.TypeNginx},
	{"/var/log/apache2/access.log", sentinel.TypeApache},
	{"/var/log/apache2/error.log", sentinel.TypeApache},
	{"/var/log/apache2/*access*.log", sentinel.TypeApache},
	{"/var/log/apache2/*/access.log", sentinel.TypeApache},
	{"/var/log/httpd/access_log", sentinel.TypeApache},
	{"/var/log/httpd/error_log", sentinel.TypeApache},
	{"/var/log/httpd/*access_log", sentinel.TypeApache},
	{"/var/log/syslog", sentinel.TypeSyslog},
	{"/var/log/messages", sentinel.TypeSyslog},
	{"/var/log/kern.log", sentinel.TypeKernel},
	{"/var/log/ufw.log", sentinel.TypeFirewall},
	{"/var/log/mail.log", sentinel.TypeMail},
	{"/var/log/maillog", sentinel.TypeMail},
	{"/var/log/exim4/mainlog", sentinel.TypeMail},
	{"/var/log/exim/main.log", sentinel.TypeMail},
	{"/var/log/dovecot.log", sentinel.TypeMail},
	{"/var/log/vsftpd.log", sentinel.TypeFTP},
	{"/var/log/proftpd/proftpd.log", sentinel.TypeFTP},
	{"/var/log/named/*.log", sentinel.TypeDNS},
	{"/var/log/mysql/error.log", sentinel.TypeDB},
	{"/var/log/mariadb/mariadb.log", sentinel.TypeDB},
	{"/var/log/mysqld.log", sentinel.TypeDB},
	{"/var/log/postgresql/*.log", sentinel.TypeDB},
	{"/var/log/caddy/*.log", sentinel.TypeJSON},
	{"/var/log/traefik/*.log", sentinel.TypeAuto},
	{"/var/log/haproxy.log", sentinel.TypeAuto},
	{"/var/log/lighttpd/access.log", sentinel.TypeApache},
	{"/var/log/audit/audit.log", sentinel.TypeAudit},
}

// Bounds of a discovery.
const (
	maxFound       = 2000
	commandTime    = 5 * time.Second
	maxCommandText = 4 << 20
)

// Discover looks for logs. It changes nothing, and what fails is a note.
func (d Discoverer) Discover(ctx context.Context) Discovery {
	if d.Root == "" {
		d.Root = "/"
	}
	journal := errors.New("it is not looked for")
	if d.Root == "/" {
		if journal = JournalWorks(); journal == nil {
			d.list = append(d.list, Found{Type: sentinel.TypeJournal, By: []string{"systemd-journald runs"}})
		} else if booted() {
			d.note("the journal is not read: %v", journal)
		}
	}
	for _, u := range usual {
		d.match(u.pattern, u.kind, "usual place")
	}
	for _, s := range webServers {
		if _, err := os.Stat(filepath.Join(d.Root, s.conf)); err != nil {
			continue
		}
		w := newWebConf(d.Root, s)
		w.read(filepath.Join(d.Root, s.conf), 0)
		d.web(w, s.kind)
	}
	d.proxies()
	d.containers()
	if d.Commands && d.Root == "/" {
		d.askNginx(ctx)
		d.askApache(ctx)
		if booted() {
			d.askSystemd(ctx)
		}
	}
	for i := range d.list {
		f := &d.list[i]
		d.look(f)
		f.Copy = journal == nil && f.Path != "" && CopyOfJournal(f.Path)
	}
	slices.Sort(d.notes)
	return Discovery{Logs: d.list, Notes: slices.Compact(d.notes)}
}

// booted reports whether systemd runs this host.
func booted() bool {
	info, err := os.Stat("/run/systemd/system")
	return err == nil && info.IsDir()
}

func (d *Discoverer) note(format string, args ...any) {
	if len(d.notes) < maxFound {
		d.notes = append(d.notes, fmt.Sprintf(format, args...))
	}
}

// match adds the files that a pattern matches.
func (d *Discoverer) match(pattern string, kind sentinel.SourceType, by string) {
	paths, _ := filepath.Glob(filepath.Join(d.Root, pattern)) // our patterns are valid
	for _, p := range paths {
		if info, err := os.Stat(p); err != nil || !info.Mode().IsRegular() || packedOrOld(p) {
			continue
		}
		if rel, err := filepath.Rel(d.Root, p); err == nil {
			d.add("/"+rel, kind, by)
		}
	}
}

// packedOrOld reports whether a name is that of a rotated log.
func packedOrOld(path string) bool {
	switch ext := filepath.Ext(path); ext {
	case ".gz", ".xz", ".bz2", ".zst", ".old":
		return true
	default:
		_, err := strconv.Atoi(strings.TrimPrefix(ext, "."))
		return err == nil
	}
}

// web adds the logs that a server's configuration names.
func (d *Discoverer) web(w *webConf, kind sentinel.SourceType) {
	for _, l := range w.logs {
		f := d.add(l.path, kind, l.where)
		if f != nil && l.access {
			f.Type = kind // what writes it is the better word than where it stands
			f.addFormat(w.formatOf(l))
		}
	}
	d.notes = append(d.notes, w.notes...)
}

// add puts a log into the list, once however many names it has, and returns its
// entry until the next call; nil if there are too many.
func (d *Discoverer) add(path string, kind sentinel.SourceType, by string) *Found {
	real := d.real(path)
	for i := range d.list {
		f := &d.list[i]
		if f.Path == "" || f.Path != path && d.real(f.Path) != real {
			continue
		}
		const enough = 4
		if !slices.Contains(f.By, by) && len(f.By) < enough {
			f.By = append(f.By, by)
		}
		return f
	}
	if len(d.list) >= maxFound {
		d.note("more than %d logs were found; name the others in logs.sources", maxFound)
		return nil
	}
	d.list = append(d.list, Found{Path: path, Type: kind, By: []string{by}})
	return &d.list[len(d.list)-1]
}

func (d *Discoverer) real(path string) string {
	if real, err := filepath.EvalSymlinks(filepath.Join(d.Root, path)); err == nil {
		return real
	}
	return filepath.Join(d.Root, path)
}

// look says whether a log can be read, and if not what to do.
func (d *Discoverer) look(f *Found) {
	if f.Path == "" {
		return
	}
	paths := []string{filepath.Join(d.Root, f.Path)}
	if isGlob(f.Path) {
		paths, _ = filepath.Glob(paths[0])
		if len(paths) == 0 {
			f.absent()
			return
		}
	}
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, paths[0], unix.AT_STATX_SYNC_AS_STAT, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st)
	switch {
	case err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG:
		f.Absent = true
		f.Problem = "it is " + kind(uint32(st.Mode)) + ", not a regular file"
	case err == nil:
		if st.Mask&unix.STATX_BTIME != 0 {
			f.Born = time.Unix(st.Btime.Sec, int64(st.Btime.Nsec))
		}
		var fd int
		if fd, err = open(paths[0]); err == nil {
			unix.Close(fd)
		}
	}
	switch {
	case err == nil:
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		f.absent()
	case errors.Is(err, os.ErrPermission):
		f.Denied, f.Problem = true, "permission denied"
		f.Hint = mend(paths[0])
	default:
		f.Problem = err.Error()
	}
}

func (f *Found) absent() {
	f.Absent, f.Problem, f.Hint = true, "nothing there yet", "it is read when there is"
}

// mend says how the agent's user gets to read a file.
func mend(path string) string {
	who := "the agent's user"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	for _, dir := range parents(path) {
		info, err := os.Stat(dir)
		if err != nil {
			break
		}
		if unix.Access(dir, unix.X_OK) != nil {
			if g := groupOf(info); info.Mode()&0o010 != 0 && g != "" {
				return fmt.Sprintf("usermod -aG %s %s, then restart the agent", g, who)
			}
			return fmt.Sprintf("setfacl -m u:%s:x %s", who, dir)
		}
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
	case info.Mode()&0o004 != 0:
		return "restart the agent: its sandbox was closed before this log was known"
	case info.Mode()&0o040 != 0 && groupOf(info) != "" && groupOf(info) != "root":
		return fmt.Sprintf("usermod -aG %s %s, then restart the agent", groupOf(info), who)
	}
	return fmt.Sprintf("setfacl -m u:%s:r %s, and the same in its logrotate", who, path)
}

// parents are the directories above a path, the highest first.
func parents(path string) (dirs []string) {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		dirs = append(dirs, dir)
		if dir == "/" || dir == "." {
			slices.Reverse(dirs)
			return dirs
		}
	}
}

func groupOf(info os.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	g, err := user.LookupGroupId(fmt.Sprint(st.Gid))
	if err != nil {
		return ""
	}
	return g.Name
}

// ask runs a program and returns what it prints, or makes a note.
func (d *Discoverer) ask(ctx context.Context, program string, args ...string) (text string, ok bool) {
	path, err := exec.LookPath(program)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + program); err != nil {
			return "", false // not installed
		}
	}
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	out, errs := &headBuffer{}, &tailBuffer{}
	cmd.Stdout, cmd.Stderr = out, errs
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer within %s", commandTime)
		}
		d.note("%s %s does not work for this user: %s", program, strings.Join(args, " "), cmp.Or(lastLine(errs.String()), err.Error()))
		return "", false
	}
	return out.b.String(), true
}

// headBuffer keeps the first maxCommandText bytes written to it.
type headBuffer struct{ b bytes.Buffer }

func (h *headBuffer) Write(p []byte) (int, error) {
	if room := maxCommandText - h.b.Len(); room > 0 {
		h.b.Write(p[:min(len(p), room)])
	}
	return len(p), nil
}

// askNginx reads what nginx says its whole configuration is.
func (d *Discoverer) askNginx(ctx context.Context) {
	if text, ok := d.ask(ctx, "nginx", "-T", "-q"); ok {
		d.dump(text)
	}
}

// dump adds the logs in the output of nginx -T.
func (d *Discoverer) dump(text string) {
	w := newWebConf(d.Root, webServers[0])
	w.scan(strings.NewReader(text), "nginx -T", -1)
	for i := range w.logs {
		w.logs[i].where = "nginx -T: " + w.logs[i].where
	}
	w.notes = nil // the files say the same
	d.web(w, sentinel.TypeNginx)
}

// askApache reads the files that Apache says its virtual hosts are in.
func (d *Discoverer) askApache(ctx context.Context) {
	for _, program := range []string{"apache2ctl", "httpd"} {
		if text, ok := d.ask(ctx, program, "-S"); ok {
			d.hosts(text)
			return
		}
	}
}

// hosts adds the logs of the files named in the output of apache2ctl -S.
func (d *Discoverer) hosts(text string) {
	isApache := func(s webServer) bool { return s.kind == sentinel.TypeApache }
	s := webServers[slices.IndexFunc(webServers, isApache)]
	for _, other := range webServers {
		if _, err := os.Stat(filepath.Join(d.Root, other.conf)); err == nil && isApache(other) {
			s = other
			break
		}
	}
	w := newWebConf(d.Root, s)
	w.read(filepath.Join(d.Root, s.conf), 0) // it has the formats
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "ServerRoot: "); ok {
			w.base, w.prefix = strings.Trim(name, `"`), strings.Trim(name, `"`)
		}
		if name, ok := strings.CutPrefix(line, "Main ErrorLog: "); ok {
			w.add(strings.Trim(name, `"`), webLog{where: "apache2ctl -S"})
		}
		_, rest, ok := strings.Cut(line, " (/")
		if !ok || len(w.seen) > maxWebFiles {
			continue
		}
		if file, _, ok := strings.Cut(rest, ":"); ok {
			w.read(filepath.Join(d.Root, "/"+file), 0)
		}
	}
	d.web(w, sentinel.TypeApache)
}

// unitLogs are services whose logs are of a type.
var unitLogs = map[string]sentinel.SourceType{
	"nginx": sentinel.TypeNginx, "openresty": sentinel.TypeNginx, "apache2": sentinel.TypeApache, "httpd": sentinel.TypeApache,
}

// askSystemd says which running servers have no log in the list.
func (d *Discoverer) askSystemd(ctx context.Context) {
	text, ok := d.ask(ctx, "systemctl", "list-units", "--type=service", "--state=running", "--no-legend", "--plain", "--no-pager")
	if ok {
		d.units(text)
	}
}

func (d *Discoverer) units(text string) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		unit := fields[0]
		kind, ok := unitLogs[strings.TrimSuffix(unit, ".service")]
		if !ok {
			continue
		}
		found := false
		for i := range d.list {
			if f := &d.list[i]; f.Type == kind {
				found = true
				f.By = append(f.By, "unit "+unit)
			}
		}
		if !found {
			d.note("%s runs, and none of its logs was found: name them in logs.sources", unit)
		}
	}
}
