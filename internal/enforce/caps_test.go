package enforce

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asNobody is the variable that makes this test binary run one of the programs
// below instead of tests.
const asNobody = "ENFORCE_TEST_AS_NOBODY"

func TestMain(m *testing.M) {
	var n interface {
		Backend
		Watcher
	}
	switch os.Getenv(asNobody) {
	case "":
		os.Exit(m.Run())
	case NameAuto:
		c := Choose(context.Background(), NameAuto, nil)
		_, _ = io.WriteString(os.Stdout, c.Backend.Name()+": "+c.Reason)
		os.Exit(0)
	case NameNFTables:
		n = NewNFT(NFTConfig{})
	case NameIPTables:
		n = NewIPT(IPTConfig{Command4: "iptables-nft", Command6: "ip6tables-nft"})
	}
	d := NewDesired()
	d.Load(manyBlocks(2000), prefixes("127.0.0.0/8"))
	if _, err := n.Apply(context.Background(), d.Changes(0)); err != nil {
		_, _ = io.WriteString(os.Stdout, "apply: "+err.Error())
		if errors.Is(err, unix.EPERM) {
			os.Exit(3)
		}
		os.Exit(1)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := n.Watch(ctx, func() {}); err != nil {
		_, _ = io.WriteString(os.Stdout, "watch: "+err.Error())
		os.Exit(1)
	}
	rep, err := n.Check(context.Background())
	if err != nil || rep.Drift != 0 || rep.Have != 2000 {
		_, _ = io.WriteString(os.Stdout, "check failed")
		os.Exit(1)
	}
	if err := RemoveAll(context.Background()); err != nil {
		_, _ = io.WriteString(os.Stdout, "remove: "+err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// runAsNobody runs TestMain's program as an ordinary user in a new network
// namespace, with the capabilities given and no others.
func runAsNobody(t *testing.T, backend string, caps ...uintptr) (int, string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test changes its user and needs root: run it with sudo")
	}
	dir, err := os.MkdirTemp("", "enforce")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "program")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, self, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Dir = "/"
	cmd.Env = []string{asNobody + "=" + backend}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNET,
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: caps,
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// The agent is an ordinary user with one capability.
func TestOneCapabilityIsEnough(t *testing.T) {
	if code, out := runAsNobody(t, NameNFTables, unix.CAP_NET_ADMIN); code != 0 {
		t.Errorf("exit code %d: %s", code, out)
	}
	// iptables opens a raw socket to ask for the number of a set.
	if code, out := runAsNobody(t, NameIPTables, unix.CAP_NET_ADMIN, unix.CAP_NET_RAW); code != 0 {
		t.Errorf("iptables: exit code %d: %s", code, out)
	}
}

// E11: without it, the error says why.
func TestNoCapability(t *testing.T) {
	code, out := runAsNobody(t, NameNFTables)
	if code != 3 || !strings.Contains(out, "operation not permitted") {
		t.Errorf("exit code %d: %s; want EPERM", code, out)
	}
	if _, out = runAsNobody(t, NameAuto); !strings.HasPrefix(out, "nftables: automatic: nothing works, so that attacks are only reported: nftables: operation not permitted (CAP_NET_ADMIN is needed); iptables: ") {
		t.Errorf("automatic: %s", out)
	}
	if code, out = runAsNobody(t, NameIPTables, unix.CAP_NET_ADMIN); code == 0 || !strings.Contains(out, "CAP_NET_RAW") {
		t.Errorf("iptables without CAP_NET_RAW: exit code %d: %s", code, out)
	}
}
