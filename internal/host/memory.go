package host

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ForgetProgram takes the pages of the program's own file out of the resident
// set. Starting touches most of them, running few: those come back from the
// page cache when they are used next. Nothing is lost: mappings that hold pages
// which were written to are left alone, also those that are protected from
// writing only since (of a program that is relocated when it is loaded).
func ForgetProgram() error {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("looking for the program's pages: %w", err)
	}
	defer f.Close()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("looking for the program's file: %w", err)
	}
	for _, m := range cleanMappings(f, exe) {
		if _, _, e := unix.Syscall(unix.SYS_MADVISE, m.start, m.length, unix.MADV_DONTNEED); e != 0 {
			return fmt.Errorf("forgetting the program's pages: %w", e)
		}
	}
	return nil
}

type mapping struct{ start, length uintptr }

// cleanMappings reads /proc/PID/smaps and returns the mappings of a file whose
// pages are all as they are in it.
func cleanMappings(smaps io.Reader, file string) (out []mapping) {
	var m mapping
	candidate, written := false, false
	end := func() {
		if candidate && !written {
			out = append(out, m)
		}
		candidate, written = false, false
	}
	sc := bufio.NewScanner(smaps)
	for sc.Scan() {
		line := sc.Text()
		key, rest, _ := strings.Cut(line, ":")
		switch {
		case strings.Contains(key, " "): // the line of the next mapping
			end()
			m.start, m.length, candidate = clean(line, file)
		case key == "Anonymous" || key == "Swap":
			written = written || strings.TrimSpace(rest) != "0 kB"
		}
	}
	end()
	return out
}

// clean reads the first line of a mapping. It is true for a private mapping of a
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
