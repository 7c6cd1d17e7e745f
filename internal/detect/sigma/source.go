package sigma

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

// source is what one of Sigma's log sources is here.
type source struct {
	// kind names it in reports: "auditd", "process_creation", "webserver".
	kind string
	// needs is the log that it is read from: "audit", "syslog" or "web".
	needs string
	// logs are the log sources of the engine.
	logs rule.LogSource
	// guard holds for its events.
	guard *expr
	// fields maps the names of Sigma; open has the names that are not there.
	fields   map[string]field
	open     func(name string) (field, bool)
	keywords keywords
	// split, if set, has the types of events in which texts are looked for in
	// different ways.
	split []way
	// absent says why fields are not there, by their name.
	absent map[string]string
}

// keywords makes the condition that one of some texts stands in the event.
type keywords func(line int, op string, cased bool, values ...string) *expr

// way is how texts are looked for in some events.
type way struct {
	guard    *expr
	keywords keywords
}

// field is a field of Sigma in the engine's words.
type field struct {
	// names are the engine's fields, any of which may hold.
	names []string
	// key is the field that stands for it in the key of a correlation; NoField if
	// it has many values.
	key rule.Field
	// fixed is the only value of a field that is the same in all events.
	fixed string
}

func one(f rule.Field) field { return field{names: []string{f.Name()}, key: f} }

// errSource says why a log source is not read here.
type errSource string

func (e errSource) Error() string { return string(e) }

// logSource is the part of a document that says which log it is for.
type logSource struct {
	product, category, service string
	line                       int
}

func (l logSource) String() string {
	var parts []string
	for _, p := range [][2]string{{"product", l.product}, {"category", l.category}, {"service", l.service}} {
		if p[1] != "" {
			parts = append(parts, p[0]+" "+p[1])
		}
	}
	return strings.Join(parts, ", ")
}

// find returns the source that a document's log source stands for.
func (l logSource) find() (*source, error) {
	linux := l.product == "" || l.product == "linux"
	switch {
	case l.category == "proxy":
		return nil, errSource("category proxy: these rules are made for what goes out through a forward proxy; over a public web server's log they flag ordinary visitors")
	case l.category == "webserver", webServer(l.service) && l.category == "", webServer(l.product) && l.category == "":
		return webSource(l), nil
	case !linux:
		return nil, errSource("product " + l.product + ": its logs are not read here")
	case l.category == "process_creation":
		return processSource(), nil
	case l.category == "file_event":
		return fileSource(), nil
	case l.category == "network_connection":
		return netSource(), nil
	case l.category != "":
		return nil, errSource("category " + l.category + ": no log that is read here tells of it")
	case l.service == "auditd":
		return auditSource(), nil
	case l.service == "" && l.product == "":
		return nil, errSource("the rule names neither product nor category nor service")
	}
	return syslogSource(l.service), nil
}

func webServer(name string) bool { return slices.Contains([]string{"apache", "nginx", "httpd"}, name) }

// own is the condition that an event is of the source's logs, for rules that
// read others, too.
func (s *source) own() *expr {
	if s.needs == "web" {
		return always // its guard says so
	}
	var types []string
	for _, t := range s.logs.Types() {
		types = append(types, string(t))
	}
	own := compare(0, "source_type", "equals", types...)
	if slices.Contains(s.logs.Names, "sshd") {
		own = or(own, compare(0, "program", "equals", "sshd*"))
	}
	return own
}

// eventType is the guard for some types of events.
func eventType(names ...string) *expr { return compare(0, "event_type", "equals", names...) }

// webSource is the access and error logs of web servers.
func webSource(l logSource) *source {
	texts := func(names ...string) field { return field{names: names} }
	target := texts("http.target", "http.target|decoded", "http.query", "http.query|decoded")
	path := texts("http.path", "http.path|decoded")
	path.key = rule.HTTPPath
	name := "web"
	for _, n := range []string{l.service, l.product} {
		if webServer(n) {
			name = n
		}
	}
	ua, referer := one(rule.HTTPUserAgent), one(rule.HTTPReferer)
	return &source{
		kind: "webserver", needs: "web", logs: rule.SelectSources(name),
		guard: eventType("http_access", "http_error"),
		fields: map[string]field{
			"cs-method": one(rule.HTTPMethod), "sc-status": one(rule.HTTPStatus), "cs-uri-query": target, "c-uri": target,
			"cs-uri": target, "c-uri-query": target, "cs-uri-stem": path, "c-uri-path": path, "cs-user-agent": ua,
			"c-useragent": ua, "cs-referer": referer, "cs-referrer": referer, "c-referer": referer, "cs-host": one(rule.HTTPHost),
			"cs-version": one(rule.HTTPProto), "sc-bytes": one(rule.HTTPBytes), "c-ip": one(rule.SrcIP), "src_ip": one(rule.SrcIP),
			"cs-username": one(rule.User), "x-forwarded-for": one(rule.XFF), "time-taken": one(rule.HTTPTime),
		},
		split: []way{{eventType("http_access"), webKeywords}, {eventType("http_error", "other"), messageKeywords}},
		absent: map[string]string{
			"cs-cookie": "access logs do not hold cookies", "cs-content-type": "access logs do not hold the type of the content",
			"cs-bytes": "access logs do not hold the size of requests", "s-ip": "access logs do not hold the server's address",
		},
	}
}

// webKeywords looks at what clients write into a line of an access log, and at
// the request target with its disguises undone. Reading the whole line for every
// request would cost as much as all other rules together, so that it is read only
// for texts that more than one field may be part of.
func webKeywords(line int, op string, cased bool, values ...string) *expr {
	var kids []*expr
	add := func(field string, values ...string) {
		k := compare(line, field, op, values...)
		k.cased = cased
		kids = append(kids, k)
	}
	for _, v := range values {
		if op == "re" || acrossFields.MatchString(strings.Trim(v, "*")) {
			add("raw", v)
		}
	}
	for _, f := range []string{"http.target", "http.target|canon", "http.ua", "http.referer"} {
		if !cased || f != "http.target|canon" { // which is in lower case
			add(f, values...)
		}
	}
	return or(kids...)
}

// acrossFields tells texts that may stand in a line without being part of one of
// its fields: with the quote between two, a method or protocol, or of nothing but
// numbers.
var acrossFields = regexp.MustCompile(`(?i)" | "|^(?:GET|POST|HEAD|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PROPFIND) | HTTP/|^[0-9 .:\-\[\]/]+$`)

// auditSource is the records of the audit system as they are.
func auditSource() *source {
	s := &source{
		kind: "auditd", needs: "audit", logs: rule.SelectSources("audit"), guard: always,
		fields: map[string]field{},
		open: func(name string) (field, bool) {
			if !auditName.MatchString(name) {
				return field{}, false
			}
			return field{names: []string{"audit." + name}, key: auditKeys[name]}, true
		},
		keywords: commandKeywords,
	}
	return s
}

var auditName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// auditKeys are fields of records that have one value in each event.
var auditKeys = map[string]rule.Field{
	"exe": rule.ExecImage, "cwd": rule.ExecCwd, "name": rule.FilePath, "acct": rule.User, "auid": rule.User, "AUID": rule.User,
	"addr": rule.SrcIP, "pid": rule.PID, "ppid": rule.ExecPPID, "node": rule.Host,
}

// commandKeywords looks at the command line of an event that has one, else at
// its record.
func commandKeywords(line int, op string, cased bool, values ...string) *expr {
	command, record := compare(line, "exec.cmdline", op, values...), compare(line, "message", op, values...)
	command.cased, record.cased = cased, cased
	return or(command, and(not(compare(line, "exec.cmdline", "exists", "true")), record))
}

// hostFields are those of all events of the audit system that a program caused.
func hostFields(more map[string]field) map[string]field {
	all := map[string]field{
		"Image": one(rule.ExecImage), "User": one(rule.User), "ProcessId": one(rule.ExecPID),
		"LogonId": {names: []string{"audit.ses"}},
	}
	for name, f := range more {
		all[name] = f
	}
	return all
}

// hostAbsent says why what Sysmon tells on other systems is not there.
var hostAbsent = map[string]string{
	"DestinationHostname": "the audit system tells addresses, not names",
	"Hashes":              "the audit system does not hash programs", "md5": "the audit system does not hash programs",
	"sha1": "the audit system does not hash programs", "sha256": "the audit system does not hash programs",
}

// processSource is programs that were started.
func processSource() *source {
	return &source{
		kind: "process_creation", needs: "audit", logs: rule.SelectSources("audit"), guard: eventType("exec"),
		fields: hostFields(map[string]field{
			"CommandLine": one(rule.ExecCmdline), "CurrentDirectory": one(rule.ExecCwd), "ParentImage": one(rule.ExecParentImage),
			"ParentCommandLine": one(rule.ExecParentCmdline), "ParentProcessId": one(rule.ExecPPID),
		}),
		keywords: commandKeywords, absent: hostAbsent,
	}
}

// fileSource is files that were made or written.
func fileSource() *source {
	return &source{
		kind: "file_event", needs: "audit", logs: rule.SelectSources("audit"), guard: eventType("file_write"),
		fields:   hostFields(map[string]field{"TargetFilename": one(rule.FilePath)}),
		keywords: commandKeywords, absent: hostAbsent,
	}
}

// netSource is connections that programs of the host opened.
func netSource() *source {
	return &source{
		kind: "network_connection", needs: "audit", logs: rule.SelectSources("audit"), guard: eventType("net_connect"),
		fields: hostFields(map[string]field{
			"DestinationIp": one(rule.DstIP), "DestinationPort": one(rule.DstPort), "Initiated": {fixed: "true"},
			"dst_ip": one(rule.DstIP), "dst_port": one(rule.DstPort),
		}),
		keywords: commandKeywords, absent: hostAbsent,
	}
}

// messageKeywords looks at the text of a line after its header.
func messageKeywords(line int, op string, cased bool, values ...string) *expr {
	k := compare(line, "message", op, values...)
	k.cased = cased
	return k
}

// programs are those that write the lines of a service.
var programs = map[string][]string{
	"sudo":      {"sudo"},
	"cron":      {"cron", "crond", "crontab", "anacron", "atd", "fcron"},
	"clamav":    {"clamd", "clamav*", "clamscan", "clamonacc", "freshclam", "clamdscan"},
	"vsftpd":    {"vsftpd"},
	"guacamole": {"guacd", "guacamole", "tomcat*"},
	"auth": {
		"sshd*", "sudo", "su", "login", "systemd-logind", "polkitd", "pkexec", "passwd", "chpasswd", "useradd", "usermod",
		"userdel", "groupadd", "groupmod", "groupdel", "gpasswd", "chage", "chfn", "chsh", "pam*", "unix_chkpwd", "gdm*", "lightdm",
		"sddm*", "cockpit*", "dropbear",
	},
}

// syslogSource is the text of syslog files and of the journal, of all programs
// or of those of a service. A service that writes a file of its own without its
// name in the lines is known by the name of the file.
func syslogSource(service string) *source {
	s := &source{
		kind: "syslog", needs: "syslog", guard: always,
		logs: rule.SelectSources("syslog", "ssh", "kernel", "firewall", "mail", "ftp", "dns", "db", "app"),
		fields: map[string]field{
			"message": one(rule.Message), "Message": one(rule.Message), "program": one(rule.Program), "Image": one(rule.Program),
			"User": one(rule.User), "USER": one(rule.User), "SourceIP": one(rule.SrcIP), "ip": one(rule.SrcIP), "SourceIp": one(rule.SrcIP),
			"hostname": one(rule.Host), "Hostname": one(rule.Host), "pid": one(rule.PID),
		},
		open:     nativeField,
		keywords: messageKeywords,
	}
	switch service {
	case "", "syslog", "messages", "journald":
		return s
	case "sshd":
		s.logs = rule.SelectSources("sshd")
		return s
	case "modsecurity":
		s.kind, s.logs, s.needs, s.guard = "modsecurity", rule.SelectSources("web"), "web", eventType("http_error", "other")
		return s
	}
	names, known := programs[service]
	if !known {
		names = []string{service}
	}
	file := service
	if service == "auth" {
		file = "secure"
		s.guard = compare(0, "source", "contains", "auth")
	}
	s.guard = or(s.guard.unlessAlways(), compare(0, "program", "equals", names...), compare(0, "source", "contains", file))
	return s
}

// unlessAlways returns e, or never if e always holds.
func (e *expr) unlessAlways() *expr {
	if e.kind == exprTrue {
		return never
	}
	return e
}

// nativeField takes a name that is one of the engine's own fields.
func nativeField(name string) (field, bool) {
	f, err := rule.ParseField(name)
	if k := f.Kind(); err != nil || k != rule.KindText && k != rule.KindNumber && k != rule.KindAddr {
		return field{}, false
	}
	return one(f), true
}

// field looks a name up: as it is written, without regard to letters' case, and
// among those of the engine.
func (s *source) field(name string) (field, error) {
	if f, ok := s.fields[name]; ok {
		return f, nil
	}
	for known, f := range s.fields {
		if strings.EqualFold(known, name) {
			return f, nil
		}
	}
	if s.open != nil {
		if f, ok := s.open(name); ok {
			return f, nil
		}
	}
	if why, ok := s.absent[name]; ok {
		return field{}, errField{name, why}
	}
	return field{}, errField{name, fmt.Sprintf("the %s events here have no such field", s.kind)}
}

// errField says why a field is not there.
type errField struct{ name, why string }

func (e errField) Error() string { return "field " + e.name + ": " + e.why }
