package parse

import (
	"net/netip"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

const head = "Mar  1 11:59:58 web1 sshd[2101]: "

// said is what a line is expected to say.
type said struct {
	typ     sentinel.EventType
	step    sentinel.AuthStep
	method  string
	user    string
	addr    string // "" for none
	port    uint16
	repeat  int // 0 for 1
	outcome string
}

func parseOne(t *testing.T, typ sentinel.SourceType, line string) (sentinel.Event, bool) {
	t.Helper()
	var ev sentinel.Event
	ok := New(Config{Type: typ}).Parse(line, arrival, arrival, &ev)
	return ev, ok
}

func check(t *testing.T, ev sentinel.Event, want said) {
	t.Helper()
	got := said{ev.Type, ev.AuthStep, ev.Method, ev.User, "", ev.SrcPort, ev.Repeat, ev.Outcome}
	if ev.SrcIP.IsValid() {
		got.addr = ev.SrcIP.String()
	}
	if want.repeat == 0 {
		want.repeat = 1
	}
	if want.outcome == "" {
		switch want.typ {
		case sentinel.EventAuthFail, sentinel.EventAuthInvalidUser:
			want.outcome = "failure"
		case sentinel.EventAuthOK:
			want.outcome = "success"
		}
	}
	if got != want {
		t.Errorf("%q\n got %+v\nwant %+v", ev.Raw, got, want)
	}
}

const (
	other   = sentinel.EventOther
	fail    = sentinel.EventAuthFail
	good    = sentinel.EventAuthOK
	invalid = sentinel.EventAuthInvalidUser
	probe   = sentinel.EventAuthProbe

	none     = sentinel.AuthStepNone
	stepInv  = sentinel.AuthStepInvalid
	stepPAM  = sentinel.AuthStepPAM
	stepFail = sentinel.AuthStepFailed
	stepSum  = sentinel.AuthStepSummary
)

var sshForms = []struct {
	text string
	want said
}{
	// Tries.
	{"Failed password for root from 198.51.100.7 port 40022 ssh2", said{fail, stepFail, "password", "root", "198.51.100.7", 40022, 0, ""}},
	{"Failed password for root from 198.51.100.7 port 40022 ssh2 [preauth]", said{fail, stepFail, "password", "root", "198.51.100.7", 40022, 0, ""}},
	{"Failed password for invalid user oracle from 2001:db8::17 port 1 ssh2", said{fail, stepFail, "password", "oracle", "2001:db8::17", 1, 0, ""}},
	{"Failed password for illegal user oracle from ::ffff:198.51.100.7 port 65535 ssh2", said{fail, stepFail, "password", "oracle", "198.51.100.7", 65535, 0, ""}},
	{"Failed password for invalid user  from 198.51.100.7 port 5 ssh2", said{fail, stepFail, "password", "", "198.51.100.7", 5, 0, ""}},
	{"Failed password for  from 198.51.100.7 port 5 ssh2", said{fail, stepFail, "password", "", "198.51.100.7", 5, 0, ""}},
	{"Failed password for root from fe80::1%eth0 port 5 ssh2", said{fail, stepFail, "password", "root", "fe80::1", 5, 0, ""}},
	{"Failed password for root from 198.51.100.7 port 40022", said{fail, stepFail, "password", "root", "198.51.100.7", 40022, 0, ""}},
	{"Failed keyboard-interactive/pam for invalid user a b from 198.51.100.7 port 5 ssh2", said{fail, stepFail, "keyboard-interactive/pam", "a b", "198.51.100.7", 5, 0, ""}},
	{"Failed publickey for git from 198.51.100.7 port 5 ssh2: RSA SHA256:abcDEF+/", said{fail, stepFail, "publickey", "git", "198.51.100.7", 5, 0, ""}},
	{"Failed publickey for git from 198.51.100.7 port 5 ssh2: RSA-CERT SHA256:abc ID laptop (serial 7) CA RSA SHA256:def", said{fail, stepFail, "publickey", "git", "198.51.100.7", 5, 0, ""}},
	{"Failed none for invalid user 0 from 198.51.100.7 port 5 ssh2", said{invalid, stepInv, "none", "0", "198.51.100.7", 5, 0, ""}},
	{"Failed none for root from 198.51.100.7 port 5 ssh2", said{other, none, "none", "root", "198.51.100.7", 5, 0, "failure"}},
	{"message repeated 5 times: [ Failed password for root from 198.51.100.7 port 40022 ssh2]", said{fail, stepFail, "password", "root", "198.51.100.7", 40022, 5, ""}},
	{"Failed password for root from UNKNOWN port 65535 ssh2", said{fail, stepFail, "password", "root", "", 65535, 0, ""}},
	{"Postponed keyboard-interactive/pam for invalid user bob from 198.51.100.7 port 5 ssh2 [preauth]", said{other, none, "keyboard-interactive/pam", "bob", "198.51.100.7", 5, 0, ""}},

	// Successes.
	{"Accepted password for deploy from 198.51.100.7 port 5 ssh2", said{good, none, "password", "deploy", "198.51.100.7", 5, 0, ""}},
	{"Accepted publickey for deploy from 2001:db8::17 port 5 ssh2: ED25519 SHA256:abc", said{good, none, "publickey", "deploy", "2001:db8::17", 5, 0, ""}},
	{"Accepted keyboard-interactive/pam for deploy from 198.51.100.7 port 5 ssh2", said{good, none, "keyboard-interactive/pam", "deploy", "198.51.100.7", 5, 0, ""}},

	// Accounts that do not exist or may not log in.
	{"Invalid user oracle from 198.51.100.7 port 5", said{invalid, stepInv, "", "oracle", "198.51.100.7", 5, 0, ""}},
	{"Invalid user oracle from 198.51.100.7", said{invalid, stepInv, "", "oracle", "198.51.100.7", 0, 0, ""}},
	{"Invalid user  from 198.51.100.7 port 5", said{invalid, stepInv, "", "", "198.51.100.7", 5, 0, ""}},
	{"Invalid user from 198.51.100.7 port 5", said{invalid, stepInv, "", "", "198.51.100.7", 5, 0, ""}},
	{"Invalid user  0101 from 198.51.100.7", said{invalid, stepInv, "", " 0101", "198.51.100.7", 0, 0, ""}},
	{"Illegal user test from 198.51.100.7", said{invalid, stepInv, "", "test", "198.51.100.7", 0, 0, ""}},
	{"User bob from 198.51.100.7 not allowed because not listed in AllowUsers", said{invalid, stepInv, "", "bob", "198.51.100.7", 0, 0, ""}},
	{"User bob from host.example not allowed because a group is listed in DenyGroups", said{invalid, stepInv, "", "bob", "", 0, 0, ""}},
	{"User bob not allowed because account is locked", said{other, none, "", "bob", "", 0, 0, ""}},
	{"ROOT LOGIN REFUSED FROM 198.51.100.7", said{fail, stepInv, "", "root", "198.51.100.7", 0, 0, ""}},
	{"ROOT LOGIN REFUSED FROM 2001:db8::17 port 5 [preauth]", said{fail, stepInv, "", "root", "2001:db8::17", 5, 0, ""}},
	{"input_userauth_request: invalid user oracle [preauth]", said{other, none, "", "oracle", "", 0, 0, ""}},

	// PAM.
	{"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=198.51.100.7  user=root", said{fail, stepPAM, "", "root", "198.51.100.7", 0, 0, ""}},
	{"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=198.51.100.7 ", said{fail, stepPAM, "", "", "198.51.100.7", 0, 0, ""}},
	{"pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=2001:db8::17 user=bob", said{fail, stepPAM, "", "bob", "2001:db8::17", 0, 0, ""}},
	{"(pam_unix) authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=host.example", said{fail, stepPAM, "", "", "", 0, 0, ""}},
	{"PAM 2 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=198.51.100.7  user=root", said{fail, stepPAM, "", "root", "198.51.100.7", 0, 2, ""}},
	{"PAM 1 more authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=198.51.100.7 ", said{fail, stepPAM, "", "", "198.51.100.7", 0, 1, ""}},
	{"PAM service(sshd) ignoring max retries; 6 > 3", said{}},
	{"pam_unix(sshd:auth): check pass; user unknown", said{}},
	{"pam_unix(sshd:session): session opened for user deploy(uid=1000) by (uid=0)", said{other, none, "", "deploy", "", 0, 0, ""}},
	{"error: PAM: Authentication failure for root from 198.51.100.7", said{fail, stepPAM, "", "root", "198.51.100.7", 0, 0, ""}},
	{"error: PAM: Authentication failure for illegal user bob from 198.51.100.7", said{fail, stepPAM, "", "bob", "198.51.100.7", 0, 0, ""}},
	{"error: PAM: User not known to the underlying authentication module for illegal user bob from 198.51.100.7", said{fail, stepPAM, "", "bob", "198.51.100.7", 0, 0, ""}},
	{"error: PAM: authentication error for bob from 198.51.100.7 via 192.0.2.1", said{fail, stepPAM, "", "bob", "198.51.100.7", 0, 0, ""}},
	{"error: PAM: authentication error for bob from host.example via 192.0.2.1", said{fail, stepPAM, "", "bob", "", 0, 0, ""}},

	// Ends of connections.
	{"Connection closed by authenticating user root 198.51.100.7 port 5 [preauth]", said{fail, stepSum, "", "root", "198.51.100.7", 5, 0, ""}},
	{"Connection closed by invalid user a b 198.51.100.7 port 5 [preauth]", said{fail, stepSum, "", "a b", "198.51.100.7", 5, 0, ""}},
	{"Connection closed by invalid user  198.51.100.7 port 5 [preauth]", said{fail, stepSum, "", "", "198.51.100.7", 5, 0, ""}},
	{"Connection reset by authenticating user root 2001:db8::17 port 5 [preauth]", said{fail, stepSum, "", "root", "2001:db8::17", 5, 0, ""}},
	{"Connection closed by 198.51.100.7 [preauth]", said{probe, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"Connection closed by 198.51.100.7 port 5 [preauth]", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"Connection closed by 198.51.100.7 port 5", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"Connection reset by 198.51.100.7 port 5 [preauth]", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"Connection closed by 198.51.100.7", said{other, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"Connection closed by user deploy 198.51.100.7 port 5", said{other, none, "", "deploy", "198.51.100.7", 5, 0, ""}},
	{"Disconnected from authenticating user root 198.51.100.7 port 5 [preauth]", said{fail, stepSum, "", "root", "198.51.100.7", 5, 0, ""}},
	{"Disconnected from invalid user bob 198.51.100.7 port 5 [preauth]", said{fail, stepSum, "", "bob", "198.51.100.7", 5, 0, ""}},
	{"Disconnected from user deploy 198.51.100.7 port 5", said{other, none, "", "deploy", "198.51.100.7", 5, 0, ""}},
	{"Disconnected from 198.51.100.7 port 5 [preauth]", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"Disconnected from 198.51.100.7 port 5", said{other, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"Disconnecting authenticating user root 198.51.100.7 port 5: Too many authentication failures [preauth]", said{fail, stepSum, "", "root", "198.51.100.7", 5, 0, ""}},
	{"Disconnecting invalid user bob 198.51.100.7 port 5: Change of username or service not allowed: (bob,ssh-connection) -> (al,ssh-connection) [preauth]", said{fail, stepSum, "", "bob", "198.51.100.7", 5, 0, ""}},
	{"Disconnecting 198.51.100.7 port 5: Too many authentication failures [preauth]", said{fail, stepSum, "", "", "198.51.100.7", 5, 0, ""}},
	{"Disconnecting: Too many authentication failures for root [preauth]", said{fail, stepSum, "", "root", "", 0, 0, ""}},
	{"Disconnecting: Too many authentication failures [preauth]", said{fail, stepSum, "", "", "", 0, 0, ""}},
	{"error: maximum authentication attempts exceeded for root from 198.51.100.7 port 5 ssh2 [preauth]", said{fail, stepSum, "", "root", "198.51.100.7", 5, 0, ""}},
	{"error: maximum authentication attempts exceeded for invalid user bob from 198.51.100.7 port 5 ssh2 [preauth]", said{fail, stepSum, "", "bob", "198.51.100.7", 5, 0, ""}},
	{"Received disconnect from 198.51.100.7 port 5:11: Bye Bye [preauth]", said{other, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"Received disconnect from 198.51.100.7: 11: Bye Bye [preauth]", said{other, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"error: Received disconnect from 198.51.100.7 port 5:14: No supported authentication methods available [preauth]", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"error: Received disconnect from 2001:db8::17: 3: com.jcraft.jsch.JSchException: Auth fail [preauth]", said{probe, none, "", "", "2001:db8::17", 0, 0, ""}},

	// Before any user is named.
	{"Did not receive identification string from 198.51.100.7 port 5", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"Did not receive identification string from 198.51.100.7", said{probe, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"Bad protocol version identification 'GET / HTTP/1.1' from 198.51.100.7 port 5", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"Bad protocol version identification '' from 198.51.100.7", said{probe, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"Unable to negotiate with 198.51.100.7 port 5: no matching cipher found. Their offer: aes128-cbc,3des-cbc [preauth]", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"fatal: Unable to negotiate with 198.51.100.7: no matching key exchange method found. Their offer: x [preauth]", said{probe, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"Protocol major versions differ for 198.51.100.7 port 5: SSH-2.0-OpenSSH_9.2 vs. SSH-1.5-x", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"banner exchange: Connection from 198.51.100.7 port 5: invalid format", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"ssh_dispatch_run_fatal: Connection from 198.51.100.7 port 5: message authentication code incorrect [preauth]", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"ssh_dispatch_run_fatal: Connection from authenticating user root 198.51.100.7 port 5: Broken pipe [preauth]", said{probe, none, "", "root", "198.51.100.7", 5, 0, ""}},
	{"ssh_dispatch_run_fatal: Connection from user deploy 198.51.100.7 port 5: Broken pipe", said{other, none, "", "deploy", "198.51.100.7", 5, 0, ""}},
	{"fatal: Timeout before authentication for 198.51.100.7 port 5", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"Timeout before authentication for connection from 198.51.100.7 to 192.0.2.1, pid = 17", said{probe, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"error: kex_exchange_identification: Connection closed by remote host", said{probe, none, "", "", "", 0, 0, ""}},
	{"error: kex_exchange_identification: client sent invalid protocol identifier \"GET / HTTP/1.1\"", said{probe, none, "", "", "", 0, 0, ""}},
	{"error: kex_protocol_error: type 20 seq 2 [preauth]", said{probe, none, "", "", "", 0, 0, ""}},
	{"fatal: no matching mac found: client a server b [preauth]", said{probe, none, "", "", "", 0, 0, ""}},
	{"scanned from 198.51.100.7 with SSH-1.0-SSH_Version_Mapper.  Don't panic.", said{probe, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"refused connect from host.example (198.51.100.7)", said{probe, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"drop connection #10 from [198.51.100.7]:5 on [192.0.2.1]:22 penalty: failed authentication", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"drop connection #10 from [2001:db8::17]:5 on [2001:db8::1]:22 past MaxStartups", said{other, none, "", "", "2001:db8::17", 5, 0, ""}},
	{"srclimit_penalise: ipv4: new 198.51.100.7/32 deferred penalty of 5 seconds for penalty: failed authentication", said{other, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"srclimit_penalise: ipv6: new 2001:db8::/64 deferred penalty of 5 seconds for penalty: failed authentication", said{}},

	// No attacks.
	{"Connection from 198.51.100.7 port 5 on 192.0.2.1 port 22 rdomain \"\"", said{other, none, "", "", "198.51.100.7", 5, 0, ""}},
	{"reverse mapping checking getaddrinfo for host.example [198.51.100.7] failed - POSSIBLE BREAK-IN ATTEMPT!", said{other, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"Address 198.51.100.7 maps to host.example, but this does not map back to the address - POSSIBLE BREAK-IN ATTEMPT!", said{other, none, "", "", "198.51.100.7", 0, 0, ""}},
	{"Server listening on 0.0.0.0 port 22.", said{}},
	{"Authentication refused: bad ownership or modes for directory /home/deploy", said{}},
	{"Starting session: shell on pts/0 for deploy from 198.51.100.7 port 5 id 0", said{}},
	{"fatal: error: error: ", said{}},
	{"[preauth]", said{}},
}

func TestSSHForms(t *testing.T) {
	for _, f := range sshForms {
		ev, ok := parseOne(t, sentinel.TypeSyslog, head+f.text)
		if !ok {
			t.Errorf("%q is not understood", f.text)
		}
		check(t, ev, f.want)
		if ev.Program != "sshd" || ev.PID != 2101 || ev.Host != "web1" || ev.SourceType != sentinel.TypeSSH {
			t.Errorf("%q: program %q, pid %d, host %q, source type %q", f.text, ev.Program, ev.PID, ev.Host, ev.SourceType)
		}
	}
}

func TestConnectionFrom(t *testing.T) {
	ev, _ := parseOne(t, sentinel.TypeSSH, head+`Connection from 198.51.100.7 port 5 on 192.0.2.1 port 22 rdomain ""`)
	if ev.DstIP != netip.MustParseAddr("192.0.2.1") || ev.DstPort != 22 {
		t.Errorf("destination is %v:%d", ev.DstIP, ev.DstPort)
	}
}

// The peer is 192.0.2.1 (or unnamed); each line has a free field that claims
// otherwise.
var forged = []struct{ text, addr, user string }{
	{"Failed password for invalid user x from 8.8.8.8 port 1 ssh2 from 192.0.2.1 port 5 ssh2", "192.0.2.1", "x from 8.8.8.8 port 1 ssh2"},
	{"Failed password for x from 8.8.8.8 port 1 ssh2: RSA SHA256:a from 192.0.2.1 port 5 ssh2", "192.0.2.1", "x from 8.8.8.8 port 1 ssh2: RSA SHA256:a"},
	{"Failed password for x from 8.8.8.8 port 1 ssh2 from UNKNOWN port 65535 ssh2", "", "x from 8.8.8.8 port 1 ssh2"},
	{"Failed password for x from 8.8.8.8 port 1 ssh2 from host.example port 5 ssh2", "", "x from 8.8.8.8 port 1 ssh2"},
	{"Failed publickey for x from 8.8.8.8 port 1 ssh2: RSA SHA256:a from 192.0.2.1 port 5 ssh2: RSA SHA256:b", "192.0.2.1", "x from 8.8.8.8 port 1 ssh2: RSA SHA256:a"},
	{"Failed publickey for x from 192.0.2.1 port 5 ssh2: RSA-CERT SHA256:b ID y from 8.8.8.8 port 1 ssh2: z (serial 0) CA RSA SHA256:c", "", ""},
	{"Failed publickey for x from 192.0.2.1 port 5 ssh2: RSA-CERT SHA256:b ID y from 8.8.8.8 port 1 ssh2 (serial 0) CA RSA SHA256:c", "192.0.2.1", "x"},
	{"Failed hostbased for x from 192.0.2.1 port 5 ssh2: RSA SHA256:b, client user \"y from 8.8.8.8 port 1 ssh2\", client host \"h\"", "192.0.2.1", "x"},
	{"Invalid user x from 8.8.8.8 port 1 from 192.0.2.1 port 5", "192.0.2.1", "x from 8.8.8.8 port 1"},
	{"Invalid user x from 8.8.8.8 from 192.0.2.1", "192.0.2.1", "x from 8.8.8.8"},
	{"Invalid user x from 8.8.8.8 port 1 from host.example", "", "x from 8.8.8.8 port 1"},
	{"Connection closed by invalid user x 8.8.8.8 port 1 192.0.2.1 port 5 [preauth]", "192.0.2.1", "x 8.8.8.8 port 1"},
	{"Connection closed by invalid user x 8.8.8.8 port 1 [preauth] 192.0.2.1 port 5 [preauth]", "192.0.2.1", "x 8.8.8.8 port 1 [preauth]"},
	{"Disconnecting invalid user x 8.8.8.8 port 1: y 192.0.2.1 port 5: Too many authentication failures [preauth]", "192.0.2.1", "x 8.8.8.8 port 1: y"},
	{"Disconnecting invalid user x 192.0.2.1 port 5: Change of username or service not allowed: (x,s) -> (y 8.8.8.8 port 1: z,s) [preauth]", "", ""},
	{"Disconnecting invalid user x 192.0.2.1 port 5: Change of username or service not allowed: (,) -> ( 8.8.8.8 port 1: Too many authentication failures [preauth]", "", ""},
	{"Received disconnect from 192.0.2.1 port 5:11: from 8.8.8.8 port 1 ssh2 [preauth]", "192.0.2.1", ""},
	{"Received disconnect from 192.0.2.1: 11: Received disconnect from 8.8.8.8: 14: x [preauth]", "192.0.2.1", ""},
	{"error: kex_exchange_identification: client sent invalid protocol identifier \"Failed password for root from 8.8.8.8 port 22 ssh2\"", "", ""},
	{"error: kex_exchange_identification: client sent invalid protocol identifier \"\" from 8.8.8.8 port 22", "", ""},
	{"Bad protocol version identification 'x' from 8.8.8.8 port 1' from 192.0.2.1 port 5", "192.0.2.1", ""},
	{"Bad protocol version identification 'x' from 8.8.8.8 port 1", "8.8.8.8", ""}, // the true form: nothing follows
	{"Unable to negotiate with 192.0.2.1 port 5: no matching cipher found. Their offer: x from 8.8.8.8 port 1 [preauth]", "192.0.2.1", ""},
	{"error: PAM: Authentication failure for illegal user x from 8.8.8.8 from 192.0.2.1", "192.0.2.1", "x from 8.8.8.8"},
	{"error: PAM: Authentication failure for illegal user x from 8.8.8.8 via 1.1.1.1 from 192.0.2.1", "192.0.2.1", "x from 8.8.8.8 via 1.1.1.1"},
	{"pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1 user=x rhost=8.8.8.8", "192.0.2.1", "x rhost=8.8.8.8"},
	{"pam_sss(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=host.example user=x rhost=8.8.8.8", "", "x rhost=8.8.8.8"},
	{"input_userauth_request: invalid user x from 8.8.8.8 port 1 ssh2 [preauth]", "", "x from 8.8.8.8 port 1 ssh2"},
	{"Disconnecting: Too many authentication failures for x from 8.8.8.8 port 1 ssh2 [preauth]", "", "x from 8.8.8.8 port 1 ssh2"},
	{"reverse mapping checking getaddrinfo for 8.8.8.8.evil.example [192.0.2.1] failed - POSSIBLE BREAK-IN ATTEMPT!", "192.0.2.1", ""},
	{"Failed password for root from 999.1.1.1 port 5 ssh2", "", "root"},
	{"Failed password for root from 010.1.2.3 port 5 ssh2", "", "root"},
	{"Failed password for root from 1.2.3 port 5 ssh2", "", "root"},
	{"Failed password for root from 0x7f.1 port 5 ssh2", "", "root"},
	{"Failed password for root from 8.8.8.8.evil port 5 ssh2", "", "root"},
	{"Failed password for root from 8.8.8.8 port 99999 ssh2", "", ""},
	{"Failed password for root from 8.8.8.8 port 1 ssh2 and more", "", ""},
	{"x Failed password for root from 8.8.8.8 port 1 ssh2", "", ""},
	{"sshd[1]: Failed password for root from 8.8.8.8 port 1 ssh2", "", ""},
	{"message repeated 2 times: [ message repeated 2 times: [ Failed password for root from 8.8.8.8 port 1 ssh2]]", "", ""},
	{"message repeated 0 times: [ Failed password for root from 8.8.8.8 port 1 ssh2]", "", ""},
}

func TestForgedText(t *testing.T) {
	for _, f := range forged {
		ev, _ := parseOne(t, sentinel.TypeSyslog, head+f.text)
		addr := ""
		if ev.SrcIP.IsValid() {
			addr = ev.SrcIP.String()
		}
		if addr != f.addr || ev.User != f.user {
			t.Errorf("%q: address %q, user %q, want %q, %q", f.text, addr, ev.User, f.addr, f.user)
		}
	}
}

// A message that was cut where a client's text poses as its end.
func TestForgedByCutting(t *testing.T) {
	id := make([]byte, 1024)
	for i := range id {
		id[i] = 'a'
	}
	line := head + "Failed publickey for x from 192.0.2.1 port 5 ssh2: RSA-CERT SHA256:b ID " + string(id) + " from 8.8.8.8 port 1 ssh2"
	if ev, _ := parseOne(t, sentinel.TypeSSH, line); ev.SrcIP.IsValid() {
		t.Errorf("took %v", ev.SrcIP)
	}
}

func TestDropbear(t *testing.T) {
	for _, f := range []struct {
		text string
		want said
	}{
		{"Bad password attempt for 'root' from 198.51.100.7:5543", said{fail, stepFail, "password", "root", "198.51.100.7", 5543, 0, ""}},
		{"bad password attempt for 'root' from 198.51.100.7:5543", said{fail, stepFail, "password", "root", "198.51.100.7", 5543, 0, ""}},
		{"Bad PAM password attempt for 'x' from 8.8.8.8:1' from ::ffff:198.51.100.7:5", said{fail, stepFail, "password", "x' from 8.8.8.8:1", "198.51.100.7", 5, 0, ""}},
		{"Login attempt for nonexistent user from 2001:db8::17:60794", said{invalid, stepInv, "", "", "2001:db8::17", 60794, 0, ""}},
		{"Exit before auth (user 'root', 10 fails): Max auth tries reached - user 'root' from 198.51.100.7:5", said{fail, stepSum, "", "root", "198.51.100.7", 5, 0, ""}},
		{"Exit before auth from <198.51.100.7:5>: (user 'root', 0 fails): Exited normally", said{fail, stepSum, "", "root", "198.51.100.7", 5, 0, ""}},
		{"Exit before auth from <198.51.100.7:5>: Exited normally", said{probe, none, "", "", "198.51.100.7", 5, 0, ""}},
		{"Password auth succeeded for 'root' from 198.51.100.7:5", said{good, none, "password", "root", "198.51.100.7", 5, 0, ""}},
		{"[825] Jul 10 23:53:52 Bad password attempt for 'root' from 198.51.100.7:5", said{fail, stepFail, "password", "root", "198.51.100.7", 5, 0, ""}},
		{"Child connection from 198.51.100.7:5", said{other, none, "", "", "198.51.100.7", 5, 0, ""}},
	} {
		ev, _ := parseOne(t, sentinel.TypeSyslog, "Mar  1 11:59:58 router dropbear[7]: "+f.text)
		check(t, ev, f.want)
	}
}
