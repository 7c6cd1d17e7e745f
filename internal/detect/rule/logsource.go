package rule

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// LogSource selects the events that a rule looks at by where they come from.
// The zero value selects all.
type LogSource struct {
	// Names are what the rule says, for lists and messages.
	Names []string
	mask  uint32 // classes; 0: all
}

// A class is what an event's source is taken for; an event may be of several.
const (
	classUnknown = len(sourceTypes)     // a source type that is not listed
	classSSH     = len(sourceTypes) + 1 // written by sshd, in whatever file
	classWeb     = len(sourceTypes) + 2 // an access or error line in a file not typed as a web server's

	indexNginx, indexApache = 2, 3 // places in sourceTypes
)

// logSources maps the names of log sources to classes. A name of a source type
// stands for it; ssh and the web servers also for their lines in other files.
var logSources = func() map[string]uint32 {
	m := map[string]uint32{}
	for i, t := range sourceTypes {
		m[string(t)] = 1 << i
	}
	bits := func(names ...string) (mask uint32) {
		for _, n := range names {
			mask |= m[n]
		}
		return mask
	}
	m["ssh"] |= 1 << classSSH
	m["nginx"] |= 1 << classWeb
	m["apache"] |= 1 << classWeb
	m["web"] = bits("nginx", "apache")
	m["auth"] = bits("ssh", "syslog")
	m["any"] = 0
	return m
}()

// logServices are further names, as Sigma has them.
var logServices = map[string]string{
	"sshd": "ssh", "auditd": "audit", "webserver": "web", "httpd": "apache", "access": "web", "auth.log": "auth",
	"secure": "auth", "sudo": "auth", "su": "auth", "pam": "auth", "cron": "syslog", "messages": "syslog",
	"firewall": "firewall", "ufw": "firewall", "iptables": "firewall", "nftables": "firewall", "ftpd": "ftp",
	"vsftpd": "ftp", "proftpd": "ftp", "postfix": "mail", "dovecot": "mail", "named": "dns", "mysql": "db",
	"postgresql": "db", "application": "app",
}

// logSourceNames lists what log_source may be.
func logSourceNames() []string {
	var out []string
	for n := range logSources {
		out = append(out, n)
	}
	for n := range logServices {
		out = append(out, n)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// String joins the names.
func (l LogSource) String() string { return strings.Join(l.Names, ",") }

// Types lists the source types that are selected, all of them for the zero
// value.
func (l LogSource) Types() []sentinel.SourceType {
	var out []sentinel.SourceType
	for i, t := range sourceTypes {
		if l.mask == 0 || l.mask&(1<<i) != 0 {
			out = append(out, t)
		}
	}
	return out
}

func (r *reader) logSource(n *yaml.Node) LogSource {
	var l LogSource
	n, ok := r.follow(n)
	if !ok {
		return l
	}
	if n.Kind == yaml.MappingNode {
		return r.logSourceMap(n)
	}
	items, ok := r.list(n)
	if !ok {
		return l
	}
	all := false
	for _, item := range items {
		s, ok := r.text(item, "log_source", 100)
		if !ok {
			return l
		}
		mask, ok := lookSource(s)
		if !ok {
			r.problem(item, "log_source %q is %s", s, oneOf(s, logSourceNames()))
			return l
		}
		l.Names = append(l.Names, s)
		l.mask |= mask
		all = all || mask == 0
	}
	if all {
		l.mask = 0
	}
	return l
}

func lookSource(s string) (uint32, bool) {
	if name, ok := logServices[s]; ok {
		s = name
	}
	mask, ok := logSources[s]
	return mask, ok
}

// logSourceMap reads {product, service, category}; the most specific decides.
func (r *reader) logSourceMap(n *yaml.Node) LogSource {
	var l LogSource
	values := map[string]*yaml.Node{}
	texts := map[string]string{}
	keys := []string{"product", "service", "category"}
	r.mapping(n, "log_source", keys, func(e entry) {
		values[e.key] = e.value
		texts[e.key], _ = r.text(e.value, e.key, 100)
	})
	for _, key := range []string{"service", "category"} {
		s, ok := texts[key]
		if !ok {
			continue
		}
		mask, ok := lookSource(s)
		if !ok {
			r.problem(values[key], "log_source: %s %q is %s", key, s, oneOf(s, logSourceNames()))
			return l
		}
		return LogSource{Names: []string{s}, mask: mask}
	}
	if p := texts["product"]; p != "" && p != "linux" {
		mask, ok := lookSource(p)
		if !ok {
			r.problem(values["product"], "log_source: product %q is neither linux nor %s", p, oneOf(p, logSourceNames()))
			return l
		}
		return LogSource{Names: []string{p}, mask: mask}
	}
	return l
}

// classOf returns the bits of an event's classes. index is the place of its
// source type in sourceTypes, or classUnknown.
func classOf(index int, sshd bool, t sentinel.EventType) uint32 {
	mask := uint32(1) << index
	if sshd {
		mask |= 1 << classSSH
	}
	if (t == sentinel.EventHTTPAccess || t == sentinel.EventHTTPError) && index != indexNginx && index != indexApache {
		mask |= 1 << classWeb
	}
	return mask
}
