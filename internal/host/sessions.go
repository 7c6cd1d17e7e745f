package host

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// SessionsDir is where systemd-logind keeps a file for each session. Newer
// distributions have no utmp.
const SessionsDir = "/run/systemd/sessions"

// Sessions reads the remote addresses of the sessions that logind knows of, with
// the user's name as reason. Sessions that are closing are left out, and so are
// those whose remote host is a name: it is not looked up. A missing directory has
// none.
func Sessions(dir string) ([]Address, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading sessions: %w", err)
	}
	var out []Address
	for _, e := range entries {
		if len(out) == maxAddresses {
			break
		}
		if !e.Type().IsRegular() { // beside each there is a FIFO
			continue
		}
		if a, ok := session(filepath.Join(dir, e.Name())); ok {
			out = append(out, a)
		}
	}
	return out, nil
}

// session reads one file; a session that ended meanwhile has none.
func session(path string) (Address, bool) {
	f, err := os.Open(path)
	if err != nil {
		return Address{}, false
	}
	defer f.Close()
	var host, user, state string
	sc := bufio.NewScanner(io.LimitReader(f, 16<<10))
	for sc.Scan() {
		key, value, _ := strings.Cut(sc.Text(), "=")
		value = strings.Trim(value, `"`)
		switch key {
		case "REMOTE_HOST":
			host = value
		case "USER":
			user = value
		case "STATE":
			state = value
		}
	}
	a, err := netip.ParseAddr(host)
	if a = sentinel.Normalize(a); err != nil || state == "closing" || a.IsUnspecified() {
		return Address{}, false
	}
	return Address{a, RoleAdmin, "session of " + user}, true
}
