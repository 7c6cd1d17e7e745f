package host

import (
	"fmt"
	"net"
	"os"
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
