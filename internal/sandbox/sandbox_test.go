package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// inside is the variable that makes this test binary a prisoner instead of
// running tests: it holds an experiment as JSON.
const inside = "SANDBOX_TEST_INSIDE"

// experiment is what a prisoner is locked in with, and what it then tries.
type experiment struct {
	Config Config
	Try    []string
}

// result is what became of it.
type result struct {
	Report       Report
	Errors       map[string]string
	Capabilities []string
	Covers       map[string]bool
}

func TestMain(m *testing.M) {
	text := os.Getenv(inside)
	if text == "" {
		os.Exit(m.Run())
	}
	var x experiment
	if err := json.Unmarshal([]byte(text), &x); err != nil {
		panic(err)
	}
	// Threads that are there before are locked in, too.
	var started, wait sync.WaitGroup
	work := make(chan string)
	out := result{Errors: map[string]string{}, Covers: map[string]bool{}}
	var mu sync.Mutex
	for range 8 {
		started.Add(1)
		wait.Go(func() {
			started.Done()
			for what := range work {
				err := try(what)
				mu.Lock()
				out.Errors[what] = fmt.Sprint(err)
				mu.Unlock()
			}
		})
	}
	started.Wait()
	out.Report = Enter(x.Config)
	for _, what := range x.Try {
		work <- what
		if verb, path, _ := strings.Cut(what, " "); verb == "read" {
			out.Covers[path] = out.Report.Covers(path)
		}
	}
	close(work)
	wait.Wait()
	out.Capabilities, _ = Capabilities()
	_ = json.NewEncoder(os.Stdout).Encode(out)
	os.Exit(0)
}

// try does "verb argument".
func try(what string) error {
	verb, arg, _ := strings.Cut(what, " ")
	switch verb {
	case "read":
		_, err := os.ReadFile(arg)
		return err
	case "write":
		return os.WriteFile(arg, []byte("x"), 0o600)
	case "rename":
		return os.Rename(arg, arg+".new")
	case "run":
		return exec.Command(arg).Run()
	case "connect":
		c, err := net.Dial("tcp", arg)
		if err == nil {
			_ = c.Close()
		}
		return err
	case "ptrace":
		return unix.PtraceSeize(os.Getppid())
	case "mount":
		return unix.Mount("none", arg, "tmpfs", 0, "")
	case "bpf":
		_, _, errno := unix.Syscall(unix.SYS_BPF, 0, 0, 0)
		return errno
	case "handle":
		_, err := unix.OpenByHandleAt(-1, unix.NewFileHandle(1, nil), 0)
		return err
	case "unshare":
		return unix.Unshare(unix.CLONE_NEWNS)
	}
	return errors.New("what is " + verb + "?")
}

// imprison runs an experiment in a process of its own.
func imprison(t *testing.T, x experiment) result {
	t.Helper()
	text, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), inside+"="+string(text))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	data, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var r result
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatalf("%v: %s", err, data)
	}
	return r
}

func TestEnter(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test shows what root can no longer do: run it with sudo")
	}
	dir := t.TempDir()
	mine, other := filepath.Join(dir, "mine"), filepath.Join(dir, "other")
	for _, d := range []string{mine, other} {
		if err := errors.Join(os.Mkdir(d, 0o755), os.WriteFile(filepath.Join(d, "f"), []byte("x"), 0o644), os.WriteFile(filepath.Join(d, "g"), nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	log := filepath.Join(dir, "log")
	if err := errors.Join(os.Mkdir(log, 0o755), os.Symlink(filepath.Join(other, "f"), filepath.Join(log, "link"))); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()

	r := imprison(t, experiment{
		Config{Read: []string{log, "/proc"}, Write: []string{mine}, Connect: []uint16{53}, Capabilities: []int{unix.CAP_NET_ADMIN}},
		[]string{
			"read " + mine + "/f", "write " + mine + "/new", "rename " + mine + "/g",
			"read " + other + "/f", "read " + log + "/link", "read /etc/shadow", "write " + log + "/x", "write " + other + "/f",
			"run /bin/true", "connect " + ln.Addr().String(), "ptrace", "mount " + mine, "bpf", "handle", "unshare",
		},
	})
	if r.Report.Landlock < 4 || !r.Report.Seccomp || r.Report.Exec || len(r.Report.Problems) > 0 {
		t.Fatalf("this kernel should have all of it: %+v", r.Report)
	}
	for what, err := range r.Errors {
		works := slices.Contains([]string{"read " + mine + "/f", "write " + mine + "/new", "rename " + mine + "/g"}, what)
		if works != (err == "<nil>") {
			t.Errorf("%s: %s", what, err)
		}
	}
	if want := []string{"CAP_NET_ADMIN"}; !slices.Equal(r.Capabilities, want) {
		t.Errorf("capabilities: %v, want %v", r.Capabilities, want)
	}
	for path, want := range map[string]bool{mine + "/f": true, other + "/f": false, log + "/link": false, "/etc/shadow": false} {
		if got, ok := r.Covers[path]; !ok || got != want {
			t.Errorf("covers %s: %t", path, got)
		}
	}
}

// Programs that are named can be run, with what runs them, and no others.
func TestPrograms(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	system := []string{"/usr", "/lib", "/lib64", "/bin", "/etc", "/proc", "/dev"}
	r := imprison(t, experiment{
		Config{Read: system, Write: []string{"/dev/null"}, Programs: []string{"true", script, "no-such-program"}},
		[]string{"run /bin/true", "run " + script, "run /bin/false", "run /bin/ls"},
	})
	if !r.Report.Exec || !r.Report.Seccomp {
		t.Errorf("%+v", r.Report)
	}
	if r.Errors["run /bin/true"] != "<nil>" || r.Errors["run "+script] != "<nil>" {
		t.Errorf("what is named cannot be run: %v", r.Errors)
	}
	if !strings.Contains(r.Errors["run /bin/ls"], "denied") || !strings.Contains(r.Errors["run /bin/false"], "denied") {
		t.Errorf("others can be run: %v", r.Errors)
	}
}

func TestCapabilities(t *testing.T) {
	caps, err := Capabilities()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 && !slices.Contains(caps, "CAP_NET_ADMIN") {
		t.Errorf("root has %v", caps)
	}
	for _, c := range caps {
		if !strings.HasPrefix(c, "CAP_") {
			t.Error(c)
		}
	}
}

// Without the kernel's help everything is covered, since nothing is withheld.
func TestCovers(t *testing.T) {
	if !(&Report{}).Covers("/etc/shadow") {
		t.Error("no sandbox, and yet something is withheld")
	}
	r := Report{Landlock: 1, roots: []string{"/var/log"}}
	for path, want := range map[string]bool{
		"/var/log": true, "/var/log/nginx/*.log": true, "/var/logs/x": false, "/srv": false, "/var/log/../x": false,
	} {
		if got := r.Covers(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}
