package parse

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// In the place of an address may stand a name that its owner chose, or what
// other programs would take for an address.
func TestFaultAddresses(t *testing.T) {
	places := []string{
		at + "sshd[77]: Failed password for root from PEER port 4242 ssh2",
		at + "sshd[77]: Invalid user x from PEER port 4242",
		at + "sshd[77]: error: PAM: Authentication failure for root from PEER",
		at + "cockpit[77]: pam_unix(cockpit:auth): authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=PEER  user=root",
		at + "login[77]: FAILED LOGIN 1 FROM PEER FOR root, Authentication failure",
		at + "postfix/smtpd[77]: warning: unknown[PEER]: SASL LOGIN authentication failed: x",
		at + `vsftpd[77]: [bob] FAIL LOGIN: Client "PEER"`,
		iso + " 12 [Warning] Access denied for user 'bob'@'PEER' (using password: YES)",
		`PEER - - [01/Mar/2026:11:59:58 +0000] "GET /x HTTP/1.1" 404 5 "-" "ua"`,
		`{"remote_addr":"PEER","request":"GET /x HTTP/1.1","status":404,"time":"2026-03-01T11:59:58Z"}`,
		"type=USER_AUTH msg=audit(1772366398.123:9): pid=7 uid=0 msg='op=x acct=\"bob\" exe=\"/usr/sbin/sshd\" hostname=? addr=PEER terminal=ssh res=failed'",
	}
	check := func(t *testing.T, peer, want string) {
		t.Helper()
		for _, tmpl := range places {
			line := strings.ReplaceAll(tmpl, "PEER", peer)
			var ev sentinel.Event
			New(Config{}).Parse(line, arrival, arrival, &ev)
			got := ""
			if ev.SrcIP.IsValid() {
				got = ev.SrcIP.String()
			}
			if got != want {
				t.Errorf("%s: the address is %q, want %q", line, got, want)
			}
		}
	}
	t.Run("B10 host names in the place of an address", func(t *testing.T) {
		for _, name := range []string{"8.8.8.8.evil.example", "evil.example", "8-8-8-8.evil.example", "localhost", "8.8.8.8.", "UNKNOWN", "?"} {
			check(t, name, "")
		}
	})
	t.Run("B11 what is no address, or only to others", func(t *testing.T) {
		for _, text := range []string{"999.1.1.1", "010.1.2.3", "1.2.3", "0x7f.1", "2130706433", "1.2.3.4.5", "256.1.1.1", "1.2.3.4/24", "::ffff:1.2.3", "12345::", "1::2::3", "fe80::%", "٨.8.8.8"} {
			check(t, text, "")
		}
		for text, want := range map[string]string{"198.51.100.7": ip, "::ffff:198.51.100.7": ip, "2001:DB8::17": "2001:db8::17"} {
			check(t, text, want)
		}
	})
	t.Run("B12 a message that is repeated counts so often", func(t *testing.T) {
		for n, want := range map[int]int{1: 1, 5: 5, maxRepeat: maxRepeat, maxRepeat + 1: 1, 0: 1} {
			line := fmt.Sprintf(at+"sshd[77]: message repeated %d times: [ Failed password for root from 198.51.100.7 port 4242 ssh2]", n)
			var ev sentinel.Event
			New(Config{}).Parse(line, arrival, arrival, &ev)
			if ev.Repeat != want {
				t.Errorf("%s: counts %d, want %d", line, ev.Repeat, want)
			}
			if want > 1 && (ev.Type != sentinel.EventAuthFail || ev.SrcIP != netip.MustParseAddr(ip)) {
				t.Errorf("%s: %v of %v", line, ev.Type, ev.SrcIP)
			}
		}
	})
}
