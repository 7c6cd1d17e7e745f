package host

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what this process has used so far.
type Usage struct {
	// CPU is user and system time together.
	CPU time.Duration
	// Memory is the resident set in bytes.
	Memory uint64
}

// Self returns the usage of this process. A part that cannot be found out is 0.
func Self() Usage {
	var u Usage
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &ru) == nil {
		u.CPU = time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	}
	if data, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := bytes.Fields(data); len(f) > 1 {
			pages, _ := strconv.ParseUint(string(f[1]), 10, 64)
			u.Memory = pages * uint64(os.Getpagesize())
		}
	}
	return u
}
