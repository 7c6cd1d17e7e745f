// Package e2e runs whole programs against each other: the agent as it is
// shipped, a real sshd and a real nginx, real attackers and real packets, each
// in network namespaces of its own, so that the host's network is never
// touched. It needs root and the programs that scripts/setup.sh installs;
// without them its tests fail and say so.
//
// Each subtest whose name begins with a row of the catalogue of faults (such as
// "E03") proves that row; "make faults" prints them as a table.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// bin is where TestMain builds the programs, scratch where tests keep files.
var bin, scratch string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	// Not TMPDIR: the path of a socket may not be long, and ordinary users must
	// be able to enter.
	dir, err := os.MkdirTemp("/tmp", "e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	bin, scratch = filepath.Join(dir, "bin"), dir
	if err := errors.Join(os.Chmod(dir, 0o755), os.Mkdir(bin, 0o755), build("sentinel-agent")); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

// build makes one of the programs as it is shipped.
func build(program string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=e2e", "-o", bin+"/", "../../cmd/"+program)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", program, err, out)
	}
	return nil
}

// sentinelctl builds it once, for the tests that use it.
var sentinelctl = sync.OnceValue(func() error { return build("sentinelctl") })

// need fails the test if a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := lookPath(p); err != nil {
			t.Fatalf("this test needs the program %s, which is not installed: run make setup", p)
		}
	}
}

// lookPath also finds what Debian keeps outside an ordinary PATH.
func lookPath(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + program)
}

// tempDir returns a directory with a short name that others may enter.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(scratch, "t")
	must(t, err)
	must(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// chown gives a directory and what is in it to a user.
func chown(dir string, uid int) error {
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// until waits for a condition. The limit is for slow machines.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	netnstest.Eventually(t, 30*time.Second, what, f)
}

// within runs f, which gets a context that ends with the test's patience.
func within(t *testing.T, f func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	must(t, f(ctx))
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// lastLines returns the end of a file, for failures.
func lastLines(path string, n int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
