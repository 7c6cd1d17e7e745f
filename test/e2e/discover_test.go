package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// A web server is installed beside a running agent: its logs are found by its
// configuration, read from their beginning, and its attackers are cut off.
func TestDiscovery(t *testing.T) {
	t.Parallel()
	must(t, sentinelctl())
	l := newLab(t)
	a := newAgent(t, l.victim, settings{discovery: true})
	a.shell = "mount -t tmpfs tmpfs /var/log\nmount -t tmpfs tmpfs /etc/nginx\nmount -t tmpfs tmpfs /etc/apache2\nmkdir /var/log/shop\n: >/var/log/auth.log"
	a.start(t)
	a.ready(t)
	inside := func(script string) {
		cmd := exec.Command("nsenter", "-t", strconv.Itoa(a.cmd.Process.Pid), "-m", "--", "sh", "-ec", script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	from := evil[0].String()
	var lines []string
	for i := range 20 {
		lines = append(lines, fmt.Sprintf(`%s - - [%s] "GET /?id=1%%27%%20UNION%%20SELECT%%20password%%20FROM%%20users--%d HTTP/1.1" 200 1 "-" "sqlmap/1.7"`,
			from, time.Now().Format("02/Jan/2006:15:04:05 -0700"), i))
	}
	log := newLog(t, filepath.Join(a.dir, "lines"))
	log.write(t, lines...)
	inside(`echo 'http { server { access_log /var/log/shop/requests.txt; } }' >/etc/nginx/nginx.conf; cat ` + log.path + ` >/var/log/shop/requests.txt`)

	var found *control.DiscoverResult
	within(t, func(ctx context.Context) (err error) {
		found, err = a.client(t).Discover(ctx)
		return err
	})
	if len(found.Logs) != 2 || found.Logs[1].Path != "/var/log/shop/requests.txt" || found.Logs[1].State != control.LogRead || found.Logs[1].By[0] != "/etc/nginx/nginx.conf:1" {
		t.Errorf("found %+v", found)
	}
	l.cut(t, evil[0])
	if out, _, code := l.ctl(t, a, "logs", "discover"); code != 0 || !strings.Contains(out, "/var/log/shop/requests.txt") {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
