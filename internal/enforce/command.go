package enforce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// commandTime bounds a run of iptables or ufw; then it is killed with all
	// that it started.
	commandTime = 5 * time.Second
	// maxOutput bounds what is read of it.
	maxOutput = 8 << 20
)

// commandPath is where commands are looked for, whatever the environment says.
const commandPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// errNoCommand says that a program is not installed.
var errNoCommand = errors.New("command not found")

// command runs programs in a network namespace. Their arguments are constants,
// and texts made of netip.Prefix and sentinel.Rate: nothing that was read
// anywhere becomes an argument.
type command struct {
	ns    int           // descriptor, 0: that of the process
	limit time.Duration // commandTime if 0
}

// find returns the path of a program.
func find(name string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	for dir := range strings.SplitSeq(commandPath, ":") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, errNoCommand)
}

// run runs a program, gives it its input and returns what it printed. An error
// holds the first line that it complained with.
func (c command) run(ctx context.Context, input, name string, args ...string) (string, error) {
	path, err := find(name)
	if err != nil {
		return "", err
	}
	limit := c.limit
	if limit == 0 {
		limit = commandTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"PATH=" + commandPath, "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.Stdin = strings.NewReader(input)
	out, complaint := &bounded{}, &bounded{}
	cmd.Stdout, cmd.Stderr = out, complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if err := within(c.ns, cmd.Start); err != nil {
		return "", fmt.Errorf("starting %s: %w", name, err)
	}
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil && err != nil:
		return "", fmt.Errorf("running %s: it did not end within %s", name, limit)
	case err != nil:
		return "", fmt.Errorf("running %s: %w: %s", name, err, firstLine(complaint.String()+out.String()))
	case out.cut:
		return "", fmt.Errorf("running %s: it printed more than %d bytes", name, maxOutput)
	}
	return out.String(), nil
}

// firstLine is the first line that is not a warning.
func firstLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' && !strings.HasPrefix(strings.ToUpper(line), "WARN") {
			return line[:min(len(line), 300)]
		}
	}
	return "it did not say why"
}

// bounded keeps the first maxOutput bytes.
type bounded struct {
	bytes.Buffer
	cut bool
}

// Write implements io.Writer; it takes everything.
func (b *bounded) Write(p []byte) (int, error) {
	room := maxOutput - b.Len()
	if len(p) > room {
		b.cut = true
		_, _ = b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

var _ io.Writer = (*bounded)(nil)
