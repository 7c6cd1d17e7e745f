package host

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// Notify tells systemd about the state of this process ("READY=1",
// "STOPPING=1", "RELOADING=1"), see sd_notify(3). Without systemd (no
// NOTIFY_SOCKET) it does nothing.
func Notify(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("notifying systemd: %w", err)
	}
	return nil
}

// Watchdog returns within what time systemd wants to hear of this process again
// and again ("WATCHDOG=1"), see sd_watchdog_enabled(3); false if it does not.
func Watchdog() (time.Duration, bool) {
	usec, err := strconv.ParseUint(os.Getenv("WATCHDOG_USEC"), 10, 40)
	if err != nil || usec == 0 || os.Getenv("NOTIFY_SOCKET") == "" {
		return 0, false
	}
	if pid := os.Getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, false // meant for another process
	}
	return time.Duration(usec) * time.Microsecond, true
}
