package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// denied are system calls with which a process changes the system, looks into
// other processes, or reaches parts of the kernel that are attacked often. The
// agent uses none of them.
var denied = []uintptr{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
	unix.SYS_PERF_EVENT_OPEN, unix.SYS_BPF, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_SYSLOG,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL,
}

// running are the system calls that run programs.
var running = []uintptr{unix.SYS_EXECVE, unix.SYS_EXECVEAT}

// arch is how the kernel names this machine's kind.
var arch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]

// x32 marks system calls of the x32 interface, which have other numbers.
const x32 = 0x40000000

// filter makes denied calls fail with EPERM in all threads.
func filter(exec bool) error {
	if arch == 0 {
		return fmt.Errorf("not written for %s", runtime.GOARCH)
	}
	calls := denied
	if exec {
		calls = slices.Concat(denied, running)
	}
	prog := program(calls)
	// Needed without CAP_SYS_ADMIN; it spreads to all threads with the filter.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting no_new_privs: %w", err)
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	switch {
	case errno != 0:
		return fmt.Errorf("loading the filter: %w", errno)
	case r != 0: // the id of a thread that has a filter of its own
		return errors.New("loading the filter: a thread has another one")
	}
	return nil
}

// program is the filter for the kernel's machine: load the machine's kind, then
// the number of the call, and compare.
func program(calls []uintptr) []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		above  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		end    = unix.BPF_RET | unix.BPF_K
		number = 0 // offsets in struct seccomp_data
		kind   = 4
		refuse = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	)
	p := []unix.SockFilter{
		{Code: load, K: kind},
		{Code: equal, K: arch, Jt: 1},
		{Code: end, K: refuse},
		{Code: load, K: number},
	}
	if runtime.GOARCH == "amd64" {
		p = append(p, unix.SockFilter{Code: above, K: x32, Jf: 1}, unix.SockFilter{Code: end, K: refuse})
	}
	for _, nr := range calls {
		p = append(p, unix.SockFilter{Code: equal, K: uint32(nr), Jf: 1}, unix.SockFilter{Code: end, K: refuse})
	}
	return append(p, unix.SockFilter{Code: end, K: unix.SECCOMP_RET_ALLOW})
}
