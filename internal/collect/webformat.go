package collect

import (
	"slices"
	"strings"
)

// LogFormat is the format of access lines as the configuration of a web server
// has it.
type LogFormat struct {
	// Name is what the server calls it, empty where it has no name.
	Name string
	// Text is what stands in the configuration without its quotes; empty if
	// nothing there defines the name.
	Text string
	// Escape is nginx's parameter of that name: "json", "none" or "default";
	// empty is the server's usual way.
	Escape string
	// Where is "FILE:LINE" of its definition, empty where it is built in.
	Where string
}

// formatKey is a name within the virtual host of a scope, 0 for all.
type formatKey struct {
	scope int
	name  string
}

// nginxDefault is the format of a log that names none.
const nginxDefault = "combined"

// nginxCombined is built into nginx, apacheCommon into Apache for logs that name
// no format.
const (
	nginxCombined = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"`
	apacheCommon  = `%h %l %u %t "%r" %>s %b`
)

// maxLogFormats bounds the formats of one log.
const maxLogFormats = 8

// nginxFormat takes in "log_format NAME [escape=HOW] TEXT...".
func (w *webConf) nginxFormat(words []string, where string) {
	f := LogFormat{Name: words[1], Where: where}
	parts := words[2:]
	if len(parts) > 0 {
		if how, ok := strings.CutPrefix(parts[0], "escape="); ok {
			f.Escape, parts = how, parts[1:]
		}
	}
	f.Text = strings.Join(parts, "")
	w.define(formatKey{0, f.Name}, f)
}

// apacheFormat takes in `LogFormat "TEXT" NAME`; without a name it is that of
// the following TransferLogs, or of another name that is given in its place.
func (w *webConf) apacheFormat(words []string, where string) {
	f := LogFormat{Text: w.expand(words[1]), Where: where}
	if len(words) > 2 {
		f.Name = words[2]
	} else if named, ok := w.named(w.scope, f.Text); ok {
		f = named
	}
	key := formatKey{w.scope, f.Name}
	if len(words) == 2 {
		key.name = ""
	}
	w.define(key, f)
}

func (w *webConf) define(key formatKey, f LogFormat) {
	if len(w.formats) < maxWebLogs {
		w.formats[key] = f
	}
}

// named looks up the name of a format.
func (w *webConf) named(scope int, name string) (LogFormat, bool) {
	for _, s := range [...]int{scope, 0} {
		if f, ok := w.formats[formatKey{s, name}]; ok {
			return f, true
		}
	}
	return LogFormat{}, false
}

// formatOf returns the format of an access log. All files were read: a name may
// be defined after its use.
func (w *webConf) formatOf(l webLog) LogFormat {
	f, ok := w.named(l.scope, l.format)
	switch {
	case ok:
		return f
	case !w.apache && l.format == nginxDefault:
		return LogFormat{Name: l.format, Text: nginxCombined}
	case !w.apache:
		return LogFormat{Name: l.format, Where: l.where}
	case l.format == "":
		return LogFormat{Text: apacheCommon}
	case !strings.Contains(l.format, "%"): // a name; as a format it would write the same line for ever
		return LogFormat{Name: l.format, Where: l.where}
	}
	return LogFormat{Text: l.format, Where: l.where}
}

// addFormat adds a format that the log does not have yet.
func (f *Found) addFormat(x LogFormat) {
	same := func(y LogFormat) bool {
		return y.Text == x.Text && y.Escape == x.Escape && (x.Text != "" || y.Name == x.Name)
	}
	if len(f.Formats) < maxLogFormats && !slices.ContainsFunc(f.Formats, same) {
		f.Formats = append(f.Formats, x)
	}
}
