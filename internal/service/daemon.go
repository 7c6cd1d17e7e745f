package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Systemd reports whether systemd runs this host, see sd_booted(3).
func Systemd() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// Known reports whether systemd knows the unit.
func Known(ctx context.Context) bool {
	return command(ctx, "systemctl", "cat", Unit) == nil
}

// Systemctl has systemd start, stop or restart the service, and waits.
func Systemctl(ctx context.Context, verb string) error {
	return command(ctx, "systemctl", verb, Unit)
}

// Daemon is an agent that runs in the background without systemd.
type Daemon struct {
	// Program and Config are the files to run it with.
	Program, Config string
	// PIDFile has its number while it runs; Log gets what it says.
	PIDFile, Log string
	// Dirs are made for it if they are not there.
	Dirs []string
	// AsUser runs it as the user of the service, if that exists, with the
	// groups and the capability that the unit gives it. Only root can.
	AsUser bool
}

// Running is a daemon that was just started.
type Running struct {
	PID int
	// Ended is closed when it has ended; Err is why then.
	Ended <-chan struct{}
	Err   error
}

// groups are those of the unit.
var groups = []string{"adm", "systemd-journal"}

// Start runs the daemon in a session of its own and returns at once.
func (d *Daemon) Start() (*Running, error) {
	cmd := exec.Command(d.Program, "-config", d.Config)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	uid, gid := -1, -1
	if d.AsUser && os.Geteuid() == 0 {
		if u, g, ok := userIDs("", User); ok {
			uid, gid = u, g
			cred := &syscall.Credential{Uid: uint32(u), Gid: uint32(g)}
			for _, name := range groups {
				if id, ok := groupID("", name); ok {
					cred.Groups = append(cred.Groups, uint32(id))
				}
			}
			cmd.SysProcAttr.Credential = cred
			cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN}
		}
	}
	for _, dir := range append([]string{filepath.Dir(d.PIDFile), filepath.Dir(d.Log)}, d.Dirs...) {
		if err := makeDir(dir, uid, gid); err != nil {
			return nil, err
		}
	}
	log, err := os.OpenFile(d.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND|syscall.O_NOFOLLOW, 0o640)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", d.Program, err)
	}
	ended := make(chan struct{})
	r := &Running{PID: cmd.Process.Pid, Ended: ended}
	go func() {
		r.Err = cmd.Wait()
		close(ended)
	}()
	// The directory may be the daemon's, who could put a link there.
	if err := replace(d.PIDFile, []byte(strconv.Itoa(r.PID)+"\n"), 0o644, os.Getegid()); err != nil {
		return r, fmt.Errorf("writing the number of the process: %w", err)
	}
	return r, nil
}

// makeDir makes a directory for the daemon if it is missing. One of ours that
// belongs to root, who ran the agent before, is given to the user.
func makeDir(dir string, uid, gid int) error {
	info, err := os.Lstat(dir)
	if err != nil {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("making a directory: %w", err)
		}
		return os.Lchown(dir, uid, gid)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if uid < 0 || !ok || st.Uid != 0 || !info.IsDir() || !slices.Contains([]string{RunDir, StateDir, LogDir}, dir) {
		return nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("looking into a directory: %w", err)
	}
	for _, e := range entries {
		if e.Type().IsRegular() {
			err = errors.Join(err, os.Lchown(filepath.Join(dir, e.Name()), uid, gid))
		}
	}
	return errors.Join(err, os.Lchown(dir, uid, gid))
}

// maxTail bounds what Tail reads, in bytes.
const maxTail = 64 << 10

// Tail returns the last lines of a file, at most n.
func Tail(path string, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if end, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, end-maxTail), io.SeekStart)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxTail))
	if err != nil || len(data) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return lines[max(0, len(lines)-n):]
}

// ReadPID returns the number in a file that Start wrote, if that process is an
// agent and runs.
func ReadPID(path string) (int, bool) {
	data, err := os.ReadFile(path)
	if err != nil || len(data) > 32 {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	return pid, err == nil && pid > 1 && isAgent(pid)
}

// isAgent reports whether a process runs the agent's program, also if that was
// replaced meanwhile.
func isAgent(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && filepath.Base(strings.TrimSuffix(exe, " (deleted)")) == Programs[0]
}

// ErrStillRunning is in the error of Stop if the agent has not ended in time.
var ErrStillRunning = errors.New("it has not ended yet")

// Stop asks the agent with this number to end, in order, and waits until it has.
// It never kills.
func Stop(ctx context.Context, pid int) error {
	// From here on the number cannot come to mean another process.
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	if !isAgent(pid) {
		return fmt.Errorf("process %d is no agent", pid)
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGTERM, nil, 0); err != nil {
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		return fmt.Errorf("asking process %d to end: %w", pid, err)
	}
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for ctx.Err() == nil {
		n, err := unix.Poll(poll, int((100 * time.Millisecond).Milliseconds()))
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for process %d: %w", pid, err)
		}
	}
	return fmt.Errorf("process %d: %w", pid, ErrStillRunning)
}

// Forget removes the file with the number of a process that has ended.
func Forget(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
