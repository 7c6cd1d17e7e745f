package host

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ForgetProgram takes the pages of the program's own file out of the resident
// set. Starting touches most of them, running few: those come back from the
// page cache when they are used next. Nothing is lost, since they are never
// written to.
func ForgetProgram() error {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("looking for the program's pages: %w", err)
	}
	defer f.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("looking for the program's file: %w", err)
	}
	for sc := bufio.NewScanner(f); sc.Scan(); {
		start, length, ok := clean(sc.Text(), exe)
		if !ok {
			continue
		}
		if _, _, e := unix.Syscall(unix.SYS_MADVISE, start, length, unix.MADV_DONTNEED); e != 0 {
			return fmt.Errorf("forgetting the program's pages: %w", e)
		}
	}
	return nil
}

// clean reads a line of /proc/PID/maps. It is true for a private mapping of a
// file that cannot be written to.
func clean(line, file string) (start, length uintptr, ok bool) {
	f := strings.Fields(line)
	if len(f) < 6 || len(f[1]) != 4 || f[1][1] != '-' || f[1][3] != 'p' || !strings.HasSuffix(line, file) {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(f[0], "-")
	a, err := strconv.ParseUint(from, 16, 64)
	if err != nil {
		return 0, 0, false
	}
	b, err := strconv.ParseUint(to, 16, 64)
	if err != nil || b <= a {
		return 0, 0, false
	}
	return uintptr(a), uintptr(b - a), true
}
