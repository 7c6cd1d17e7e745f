package sentinel

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// SourceType names the kind of log that a source holds.
type SourceType string

// The source types. Auto lets the parser look at each line.
const (
	TypeAuto     SourceType = "auto"
	TypeSSH      SourceType = "ssh"
	TypeNginx    SourceType = "nginx"
	TypeApache   SourceType = "apache"
	TypeSyslog   SourceType = "syslog"
	TypeKernel   SourceType = "kernel"
	TypeFirewall SourceType = "firewall"
	TypeAudit    SourceType = "audit"
	TypeMail     SourceType = "mail"
	TypeFTP      SourceType = "ftp"
	TypeDNS      SourceType = "dns"
	TypeDB       SourceType = "db"
	TypeJSON     SourceType = "json"
	TypeApp      SourceType = "app"
	// TypeJournal is the journal of systemd; its entries are of all programs.
	TypeJournal SourceType = "journald"
)

// EventType says what happened, whatever program said it.
type EventType uint8

// The event types. An event of type EventOther was understood as far as its
// header only.
const (
	EventOther EventType = iota
	EventAuthFail
	EventAuthOK
	EventAuthInvalidUser
	// EventAuthProbe is a connection that ended before authentication: bad
	// protocol, no key exchange, no identification, scanner banners.
	EventAuthProbe
	EventHTTPAccess
	EventHTTPError
	EventSudo
	EventSu
	EventUserAdd
	EventExec
	EventFileWrite
	EventNetConnect
	EventFWDrop
	EventSvcStop
	// EventMailReject is mail that a server refused: relaying, a black list, an
	// unknown recipient, a policy.
	EventMailReject
	// EventMailProbe is a client that breaks the rules of SMTP or leaves before
	// it sends mail: pipelining, talking first, commands that are not offered.
	EventMailProbe
	// EventDNSDenied is a query, transfer or update that a name server refused.
	EventDNSDenied
	// EventPortScan is a scan that another program reports as a whole.
	EventPortScan
	// EventBan is an address that another program blocked.
	EventBan
	// EventProxyDenied is a request that a forward proxy refused.
	EventProxyDenied
	// EventAccount is a change of an account or group that is not EventUserAdd:
	// a password, an id, a membership, a removal.
	EventAccount
	NumEventTypes
)

var eventNames = [NumEventTypes]string{
	"other", "auth_fail", "auth_ok", "auth_invalid_user", "auth_probe", "http_access", "http_error",
	"sudo", "su", "user_add", "exec", "file_write", "net_connect", "fw_drop", "svc_stop",
	"mail_reject", "mail_probe", "dns_denied", "port_scan", "ban", "proxy_denied", "account",
}

// String returns the name used in rules, for example "auth_fail".
func (t EventType) String() string {
	if t < NumEventTypes {
		return eventNames[t]
	}
	return fmt.Sprintf("EventType(%d)", uint8(t))
}

// ParseEventType reads the name of an event type. Its error lists them all.
func ParseEventType(text string) (EventType, error) {
	for i, name := range eventNames {
		if text == name {
			return EventType(i), nil
		}
	}
	return EventOther, fmt.Errorf("event type %q is none of %s", text, strings.Join(eventNames[:], ", "))
}

// MarshalText implements encoding.TextMarshaler.
func (t EventType) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// AuthStep ranks the lines that a server writes about one login attempt, so
// that an attempt is counted once: within one (host, pid, address) a later step
// says again what an earlier one said. Steps are ordered as they are written.
type AuthStep uint8

// The steps of an attempt.
const (
	// AuthStepNone: the line is not about one attempt.
	AuthStepNone AuthStep = iota
	// AuthStepInvalid: the account does not exist or may not log in ("Invalid
	// user x from", "not allowed because").
	AuthStepInvalid
	// AuthStepPAM: what PAM says ("authentication failure; ... rhost="). Repeat
	// may be more than 1 ("PAM 2 more authentication failures").
	AuthStepPAM
	// AuthStepFailed: the server's own word on one try ("Failed password for").
	AuthStepFailed
	// AuthStepSummary: the end of a connection that had failed tries ("maximum
	// authentication attempts exceeded", "Connection closed by authenticating
	// user"). It counts only if nothing else of the connection did.
	AuthStepSummary
)

var authStepNames = [...]string{"none", "invalid", "pam", "failed", "summary"}

// String returns the step's name, for example "failed".
func (s AuthStep) String() string {
	if int(s) < len(authStepNames) {
		return authStepNames[s]
	}
	return fmt.Sprintf("AuthStep(%d)", uint8(s))
}

// Event is what one line says, as typed fields. A field that the line does not
// have is left zero. All strings alias the line: whoever keeps an event beyond
// its batch clones them.
//
// One Event is reused for all lines of a source, so that reading a line that
// matches nothing allocates nothing.
type Event struct {
	// Time is when it happened, by the line's own stamp; zero without one.
	Time time.Time
	// Received is when the line was read.
	Received time.Time
	// Source is the id of the source; SourceType its kind.
	Source     string
	SourceType SourceType
	Type       EventType
	// Raw is the whole line, of a container's log the line that the program wrote,
	// without the runtime's JSON or stamp around it; Message the text after the header.
	Raw, Message string
	// Repeat is how often the event happened, at least 1 ("message repeated 3
	// times" gives 3).
	Repeat int
	// Host, Program and PID come from the line's header, never from its text.
	Host, Program string
	PID           int
	// SrcIP is the attacker or client; invalid if the line names none. It is
	// unmapped and has no zone. SrcPort is 0 if unknown.
	SrcIP   netip.Addr
	SrcPort uint16
	DstIP   netip.Addr
	DstPort uint16
	// PeerIP is the peer of the connection where SrcIP was taken from a
	// forwarding header (FromHeader); XFF is that header.
	PeerIP     netip.Addr
	XFF        string
	FromHeader bool
	// User is the account; Outcome is "success", "failure" or empty; Method is
	// how it was tried ("password", "publickey", ...).
	User, Outcome, Method string
	// AuthStep says which of the several lines of one login attempt this is.
	AuthStep AuthStep
	HTTP     HTTP
	place    place
	// Exec is the program that was started, or that did what the event tells.
	Exec Exec
	// File is the path of the file written, made or removed; absolute where the
	// log lets it be known.
	File string
	// Fields are the raw fields of a record of the audit system, in their order:
	// a name may stand there several times. They are the parser's, good until it
	// reads the next line.
	Fields []Field
	// Serial numbers, within a source, what several lines tell together: an event
	// of the audit system, of which each line adds a record. The event of a line
	// has all that was told up to it. 0: the line stands alone.
	Serial uint64
}

// Exec is what a log says of a program that ran. What it does not say is empty
// or 0.
type Exec struct {
	// Image is the path of the program; Cmdline its arguments, the name first,
	// joined by spaces; Cwd the folder that it ran in.
	Image, Cmdline, Cwd string
	// ParentImage and ParentCmdline are those of the process that started it.
	ParentImage, ParentCmdline string
	PID, PPID                  int
}

// Field is one field of an audit record. Value is decoded where the log has it
// in hexadecimal.
type Field struct{ Name, Value string }

// HTTP has the fields of an access-log line.
type HTTP struct {
	Method string
	// Target is the request target as the client sent it, after undoing the
	// logger's own escaping; Path and Query are its parts before and after the
	// first '?'. Malformed says that the request line has no such form; Target
	// then holds all of it.
	Target, Path, Query string
	Malformed           bool
	Proto               string
	// Status is the code answered, 0 if unknown; Bytes the body's size, -1 if
	// unknown.
	Status int
	Bytes  int64
	// Referer and UserAgent are empty where the log says "-".
	Referer, UserAgent string
	// Host is the virtual host, where logged.
	Host string
	// Duration is the time taken to answer, 0 if not logged.
	Duration time.Duration
}

// Reset makes e the zero event with Repeat 1.
func (e *Event) Reset() { *e = Event{Repeat: 1, HTTP: HTTP{Bytes: -1}} }

// Entity returns the network that stands for an address in counting and
// blocking: the /32 of an IPv4 address, the /64 of an IPv6 one. Addresses are
// normalised first. The entity of an invalid address is invalid.
func Entity(a netip.Addr) netip.Prefix {
	a = Normalize(a)
	if !a.IsValid() {
		return netip.Prefix{}
	}
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // cannot fail: a is valid and without zone
	return p
}

// Normalize drops the zone of an address and unmaps an IPv4-mapped IPv6 one.
// Every look-up in a list of networks does this first: 10.0.0.0/8 does not
// contain ::ffff:10.1.2.3.
func Normalize(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
