package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// names are the capabilities in the order of the kernel's numbers.
var names = []string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

// Capabilities returns the names of the capabilities that this process has in
// effect, like "CAP_NET_ADMIN".
func Capabilities() ([]string, error) {
	set, err := effective()
	if err != nil {
		return nil, err
	}
	out := []string{}
	for i := range 64 {
		switch {
		case set&(1<<i) == 0:
		case i < len(names):
			out = append(out, "CAP_"+names[i])
		default:
			out = append(out, fmt.Sprintf("CAP_%d", i))
		}
	}
	return out, nil
}

func effective() (uint64, error) {
	data, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return 0, fmt.Errorf("reading capabilities: %w", err)
	}
	sc := bufio.NewScanner(bytes.NewReader(data))
	for sc.Scan() {
		if text, ok := strings.CutPrefix(sc.Text(), "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(text), 16, 64)
		}
	}
	return 0, errors.New("reading capabilities: the kernel does not say")
}

// keepCapabilities drops all capabilities but those given from all threads. A
// process that has none of the others is left as it is.
func keepCapabilities(keep []int) error {
	set, err := effective()
	if err != nil {
		return err
	}
	left := uint64(0)
	for _, c := range keep {
		left |= set & (1 << c)
	}
	if left == set {
		return nil
	}
	// What cannot be gained again: by no program that it runs.
	for c := range len(names) {
		if slices.Contains(keep, c) {
			continue
		}
		_, _, errno := psx.Syscall3(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, uintptr(c), 0)
		if errno != 0 && errno != unix.EINVAL && errno != unix.EPERM { // the kernel has no such one, or it may not
			return fmt.Errorf("bounding them: %w", errno)
		}
	}
	head := &unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]unix.CapUserData{
		{Effective: uint32(left), Permitted: uint32(left), Inheritable: uint32(left)},
		{Effective: uint32(left >> 32), Permitted: uint32(left >> 32), Inheritable: uint32(left >> 32)},
	}
	var pin runtime.Pinner // both have to stay where they are for all threads
	defer pin.Unpin()
	pin.Pin(head)
	pin.Pin(data)
	if _, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(head)), uintptr(unsafe.Pointer(data)), 0); errno != 0 {
		return errno
	}
	return nil
}
