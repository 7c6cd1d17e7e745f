package rule

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule/norm"
)

// Field is a field of an event, as rules name it.
type Field uint8

// The fields. NoField is the zero value.
const (
	NoField Field = iota
	Message
	Raw
	Source
	SourceType
	EventType
	Host
	Program
	PID
	SrcIP
	SrcPort
	DstIP
	DstPort
	PeerIP
	XFF
	FromHeader
	User
	Outcome
	Method
	AuthStep
	Repeat
	Time
	HTTPMethod
	HTTPTarget
	HTTPPath
	HTTPQuery
	HTTPStatus
	HTTPBytes
	HTTPReferer
	HTTPUserAgent
	HTTPHost
	HTTPProto
	HTTPTime
	HTTPMalformed
	HTTPArgs
	HTTPArgNames
	HTTPPathResolved
	HTTPPathMasked
	NormFlags
	GeoCountry
	ASN
	ExecImage
	ExecCmdline
	ExecCwd
	ExecPID
	ExecPPID
	ExecParentImage
	ExecParentCmdline
	FilePath
	// Audit stands for the raw fields of audit records of one name, which the
	// comparison knows; rules name it audit.NAME.
	Audit
	numFields
)

// Kind is the type of a field's values.
type Kind uint8

// The kinds.
const (
	KindNone Kind = iota
	KindText
	KindNumber
	KindAddr
	KindBool
	// KindName is text out of a fixed list, compared by equals only.
	KindName
	// KindTexts has any number of texts; a comparison holds if it holds for one.
	KindTexts
	// KindFlags is a set of names; equals holds if the set has the name.
	KindFlags
	// KindCountry is the code of a country.
	KindCountry
)

var kindNames = [...]string{"nothing", "text", "number", "address", "bool", "name", "texts", "flags", "country"}

// String returns the kind's name, for example "address".
func (k Kind) String() string { return kindNames[k] }

type fieldInfo struct {
	name string
	kind Kind
}

var fieldInfos = [numFields]fieldInfo{
	NoField: {"", KindNone}, Message: {"message", KindText}, Raw: {"raw", KindText}, Source: {"source", KindText},
	SourceType: {"source_type", KindName}, EventType: {"event_type", KindName}, Host: {"host", KindText},
	Program: {"program", KindText}, PID: {"pid", KindNumber}, SrcIP: {"src_ip", KindAddr},
	SrcPort: {"src_port", KindNumber}, DstIP: {"dst_ip", KindAddr}, DstPort: {"dst_port", KindNumber},
	PeerIP: {"peer_ip", KindAddr}, XFF: {"xff", KindText}, FromHeader: {"from_header", KindBool},
	User: {"user", KindText}, Outcome: {"outcome", KindText}, Method: {"method", KindText},
	AuthStep: {"auth_step", KindName}, Repeat: {"repeat", KindNumber}, Time: {"ts", KindNumber},
	HTTPMethod: {"http.method", KindText}, HTTPTarget: {"http.target", KindText}, HTTPPath: {"http.path", KindText},
	HTTPQuery: {"http.query", KindText}, HTTPStatus: {"http.status", KindNumber}, HTTPBytes: {"http.bytes", KindNumber},
	HTTPReferer: {"http.referer", KindText}, HTTPUserAgent: {"http.ua", KindText}, HTTPHost: {"http.host", KindText},
	HTTPProto: {"http.proto", KindText}, HTTPTime: {"http.rt", KindNumber}, HTTPMalformed: {"http.malformed", KindBool},
	HTTPArgs: {"http.args", KindTexts}, HTTPArgNames: {"http.arg_names", KindTexts},
	HTTPPathResolved: {"http.path_resolved", KindText}, HTTPPathMasked: {"http.path_masked", KindText},
	NormFlags: {"norm.flags", KindFlags}, GeoCountry: {"geo.country", KindCountry}, ASN: {"asn", KindNumber},
	ExecImage: {"exec.image", KindText}, ExecCmdline: {"exec.cmdline", KindText}, ExecCwd: {"exec.cwd", KindText},
	ExecPID: {"exec.pid", KindNumber}, ExecPPID: {"exec.ppid", KindNumber},
	ExecParentImage: {"exec.parent_image", KindText}, ExecParentCmdline: {"exec.parent_cmdline", KindText},
	FilePath: {"file.path", KindText}, Audit: {"audit.NAME", KindTexts},
}

// auditPrefix begins the name of a field of audit records; AnyAudit stands for
// the fields of all names.
const (
	auditPrefix = "audit."
	AnyAudit    = "*"
)

// auditName returns NAME of audit.NAME, and whether the text is of that form.
// Names are compared with their letters' case: the audit system has both
// "syscall", a number, and "SYSCALL", its name.
func auditName(s string) (string, bool) {
	name, ok := strings.CutPrefix(s, auditPrefix)
	return name, ok && (name == AnyAudit || auditForm.MatchString(name))
}

var auditForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}(?:\[[0-9]{1,6}\])?$`)

// fieldAliases are other names of fields; those of a view are read by
// parseFieldExpr.
var fieldAliases = map[string]Field{
	"attacker_ip": SrcIP, "timestamp": Time, "line": Raw, "http.user_agent": HTTPUserAgent, "http.uri": HTTPTarget,
	"ua": HTTPUserAgent, "referer": HTTPReferer, "auth_method": Method, "log_type": SourceType,
}

// FieldNames lists the names of all fields, without aliases.
func FieldNames() []string {
	names := make([]string, 0, numFields-1)
	for _, f := range fieldInfos[1:] {
		names = append(names, f.name)
	}
	return names
}

// ParseField reads the name of a field or an alias. Its error names the
// nearest field.
func ParseField(name string) (Field, error) {
	for i, f := range fieldInfos[1:] {
		if f.name == name {
			return Field(i + 1), nil
		}
	}
	if f, ok := fieldAliases[name]; ok {
		return f, nil
	}
	if _, ok := auditName(name); ok {
		return Audit, nil
	}
	known := FieldNames()
	for a := range fieldAliases {
		known = append(known, a)
	}
	slices.Sort(known)
	if n := nearest(name, known); n != "" {
		return NoField, fmt.Errorf("there is no field %q; did you mean %q?", name, n)
	}
	return NoField, fmt.Errorf("there is no field %q; the fields are %s", name, strings.Join(FieldNames(), ", "))
}

// Name returns the field's name in rules, for example "src_ip".
func (f Field) Name() string {
	if f < numFields {
		return fieldInfos[f].name
	}
	return fmt.Sprintf("Field(%d)", uint8(f))
}

// Kind returns the type of the field's values.
func (f Field) Kind() Kind {
	if f < numFields {
		return fieldInfos[f].kind
	}
	return KindNone
}

// String returns the field's value in ev as text, empty if it is absent. Text
// of the event is not copied; numbers, addresses and masked paths are made
// anew. Multi-valued fields give the text that they are taken from.
func (f Field) String(ev *sentinel.Event) string {
	switch f.Kind() {
	case KindAddr:
		if a := f.Addr(ev); a.IsValid() {
			return a.String()
		}
		return ""
	case KindNumber:
		if f == Time {
			if ev.Time.IsZero() {
				return ""
			}
			return ev.Time.UTC().Format(time.RFC3339)
		}
		if n, ok := f.number(ev); ok {
			return strconv.FormatInt(n, 10)
		}
		return ""
	case KindBool:
		return strconv.FormatBool(f.flag(ev))
	case KindTexts:
		if f == Audit {
			return ev.Message
		}
		return ev.HTTP.Query
	case KindFlags:
		_, flags := norm.Append(nil, cut(ev.HTTP.Path), norm.Path)
		_, q := norm.Append(nil, cut(ev.HTTP.Query), norm.Query)
		return (flags | q).String()
	}
	switch f {
	case HTTPPathMasked:
		return string(norm.AppendMasked(nil, cut(ev.HTTP.Path)))
	case HTTPPathResolved:
		canon, _ := norm.Append(nil, cut(ev.HTTP.Path), norm.Path)
		resolved, _ := norm.AppendResolved(nil, string(canon))
		return string(resolved)
	}
	return f.text(ev)
}

// Addr returns the value of an address field, invalid for other fields.
func (f Field) Addr(ev *sentinel.Event) netip.Addr {
	switch f {
	case SrcIP:
		return ev.SrcIP
	case DstIP:
		return ev.DstIP
	case PeerIP:
		return ev.PeerIP
	}
	return netip.Addr{}
}

// text returns the raw text of a field that an event holds as text.
func (f Field) text(ev *sentinel.Event) string {
	switch f {
	case Message:
		return ev.Message
	case Raw:
		return ev.Raw
	case Source:
		return ev.Source
	case SourceType:
		return string(ev.SourceType)
	case EventType:
		return ev.Type.String()
	case AuthStep:
		return ev.AuthStep.String()
	case Host:
		return ev.Host
	case Program:
		return ev.Program
	case XFF:
		return ev.XFF
	case User:
		return ev.User
	case Outcome:
		return ev.Outcome
	case Method:
		return ev.Method
	case HTTPMethod:
		return ev.HTTP.Method
	case HTTPTarget:
		return ev.HTTP.Target
	case HTTPPath:
		return ev.HTTP.Path
	case HTTPQuery:
		return ev.HTTP.Query
	case HTTPReferer:
		return ev.HTTP.Referer
	case HTTPUserAgent:
		return ev.HTTP.UserAgent
	case HTTPHost:
		return ev.HTTP.Host
	case HTTPProto:
		return ev.HTTP.Proto
	case GeoCountry:
		return ev.Geo().Country
	case ExecImage:
		return ev.Exec.Image
	case ExecCmdline:
		return ev.Exec.Cmdline
	case ExecCwd:
		return ev.Exec.Cwd
	case ExecParentImage:
		return ev.Exec.ParentImage
	case ExecParentCmdline:
		return ev.Exec.ParentCmdline
	case FilePath:
		return ev.File
	}
	return ""
}

// number returns the value of a number field and whether it is there. http.rt
// is in milliseconds, ts in seconds since 1970.
func (f Field) number(ev *sentinel.Event) (int64, bool) {
	switch f {
	case PID:
		return int64(ev.PID), ev.PID != 0
	case ExecPID:
		return int64(ev.Exec.PID), ev.Exec.PID != 0
	case ExecPPID:
		return int64(ev.Exec.PPID), ev.Exec.PPID != 0
	case SrcPort:
		return int64(ev.SrcPort), ev.SrcPort != 0
	case DstPort:
		return int64(ev.DstPort), ev.DstPort != 0
	case Repeat:
		return int64(ev.Repeat), true
	case Time:
		return ev.Time.Unix(), !ev.Time.IsZero()
	case HTTPStatus:
		return int64(ev.HTTP.Status), ev.HTTP.Status != 0
	case HTTPBytes:
		return ev.HTTP.Bytes, ev.HTTP.Bytes >= 0
	case HTTPTime:
		return ev.HTTP.Duration.Milliseconds(), ev.HTTP.Duration != 0
	case ASN:
		n := ev.Geo().ASN
		return int64(n), n != 0
	}
	return 0, false
}

func (f Field) flag(ev *sentinel.Event) bool {
	switch f {
	case FromHeader:
		return ev.FromHeader
	case HTTPMalformed:
		return ev.HTTP.Malformed
	}
	return false
}

// cut returns the part of a text that is examined.
func cut(s string) string {
	if len(s) > MaxText {
		return s[:MaxText]
	}
	return s
}
