package collect

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Web servers write where their configuration says. It is read here rather than
// asked for, since "nginx -T" needs root: it opens logs and keys. Only what is
// needed to find logs is understood; anything else is passed over.

// Bounds of reading the configuration of one server.
const (
	maxWebFiles = 512
	maxWebFile  = 1 << 20
	maxWebDepth = 10
	maxWebLogs  = 1000
)

// webLog is a log that a configuration names.
type webLog struct {
	path  string // absolute; a variable in it became a *
	where string // "FILE:LINE"
	// access: it has requests; format names theirs or is it, scope is where that
	// name is looked up first.
	access bool
	format string
	scope  int
}

// webConf reads the configuration of one server.
type webConf struct {
	root    string // of the file system, "/" but for tests
	apache  bool
	base    string            // what relative names of files to include begin with
	prefix  string            // what relative names of logs begin with, empty: unknown
	vars    map[string]string // of Apache: ${NAME}
	seen    map[string]bool
	logs    []webLog
	formats map[formatKey]LogFormat
	notes   []string
	limited bool
	// scope numbers the virtual host of Apache that is being read, 0 outside;
	// scopes is how many there were.
	scope, scopes int
}

// host returns a path as the host names it.
func (w *webConf) host(path string) string {
	if rel, err := filepath.Rel(w.root, path); err == nil {
		return "/" + rel
	}
	return path
}

// read takes in a file and what it includes.
func (w *webConf) read(path string, depth int) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		if w.seen[real] {
			return
		}
		w.seen[real] = true
	}
	if depth > maxWebDepth || len(w.seen) > maxWebFiles {
		if !w.limited {
			w.limited = true
			w.notes = append(w.notes, fmt.Sprintf("%s: more files are included than are read", w.host(path)))
		}
		return
	}
	f, err := os.Open(path)
	if err != nil {
		if !isMissing(err) {
			w.notes = append(w.notes, fmt.Sprintf("reading %s: %v", w.host(path), unwrapPath(err)))
		}
		return
	}
	defer f.Close()
	w.scan(f, path, depth)
}

// unwrapPath is an error without the path that it names.
func unwrapPath(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

// scan reads the text of a file.
func (w *webConf) scan(r io.Reader, path string, depth int) {
	text, err := io.ReadAll(io.LimitReader(r, maxWebFile))
	if err != nil {
		w.notes = append(w.notes, fmt.Sprintf("reading %s: %v", w.host(path), unwrapPath(err)))
		return
	}
	statements := nginxStatements
	if w.apache {
		statements = apacheStatements
	}
	for st := range statements(string(text)) {
		name := w.host(path)
		if st.file != "" {
			name = st.file
		}
		w.directive(st.words, webWhere(name, st.line), depth)
	}
}

func webWhere(file string, line int) string { return fmt.Sprintf("%s:%d", file, line) }

// directive looks at one directive; words is not empty.
func (w *webConf) directive(words []string, where string, depth int) {
	if w.apache {
		w.apacheDirective(words, where, depth)
		return
	}
	if len(words) < 2 {
		return
	}
	switch arg := words[1]; words[0] {
	case "include":
		w.include(arg, depth)
	case "error_log":
		w.add(arg, webLog{where: where})
	case "access_log":
		l := webLog{where: where, access: true, format: nginxDefault}
		if len(words) > 2 && !strings.Contains(words[2], "=") { // "buffer=32k" and the like follow the name
			l.format = words[2]
		}
		w.add(arg, l)
	case "log_format":
		w.nginxFormat(words, where)
	}
}

func (w *webConf) apacheDirective(words []string, where string, depth int) {
	name := strings.ToLower(words[0])
	switch {
	case name == "<virtualhost":
		w.scopes++
		w.scope = w.scopes
		return
	case strings.HasPrefix(name, "</virtualhost"):
		w.scope = 0
		return
	case len(words) < 2:
		return
	}
	arg := w.expand(words[1])
	switch name {
	case "serverroot":
		w.base, w.prefix = arg, arg
	case "define":
		if len(words) > 2 && len(w.vars) < maxWebLogs {
			w.vars[arg] = w.expand(words[2])
		}
	case "include", "includeoptional":
		w.include(arg, depth)
	case "errorlog":
		w.add(arg, webLog{where: where})
	case "errorlogformat":
		w.notes = append(w.notes, where+": error logs have a format of their own, which is not read: of their lines only those in the usual format are understood")
	case "transferlog":
		w.add(arg, webLog{where: where, access: true, scope: w.scope})
	case "customlog", "globallog":
		if len(words) > 2 { // what may follow, env= or expr=, leaves out lines
			w.add(arg, webLog{where: where, access: true, format: w.expand(words[2]), scope: w.scope})
		}
	case "logformat":
		w.apacheFormat(words, where)
	}
}

func (w *webConf) include(pattern string, depth int) {
	if depth < 0 { // the text has all files
		return
	}
	if !filepath.IsAbs(pattern) {
		pattern = filepath.Join(w.base, pattern)
	}
	pattern = filepath.Join(w.root, pattern)
	names, err := filepath.Glob(pattern)
	if err != nil {
		return
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() && w.apache {
			inner, _ := filepath.Glob(filepath.Join(name, "*"))
			for _, file := range inner {
				w.read(file, depth+1)
			}
			continue
		}
		w.read(name, depth+1)
	}
}

// expand replaces ${NAME}.
func (w *webConf) expand(s string) string {
	for range 16 {
		i := strings.Index(s, "${")
		if i < 0 {
			break
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			break
		}
		value, ok := w.vars[s[i+2:i+end]]
		if !ok {
			value = "*"
		}
		s = s[:i] + value + s[i+end+1:]
	}
	return s
}

// add takes in the name of a log; l has the rest.
func (w *webConf) add(name string, l webLog) {
	where := l.where
	if len(w.logs) >= maxWebLogs {
		return
	}
	if program, ok := strings.CutPrefix(name, "|"); ok {
		if name = piped(program); name == "" {
			w.notes = append(w.notes, where+": logs to a program, whose file is not known")
			return
		}
	}
	switch {
	case name == "off", name == "stderr", strings.HasPrefix(name, "syslog"), strings.HasPrefix(name, "memory:"), strings.HasPrefix(name, "/dev/"):
		return
	case !filepath.IsAbs(name) && w.prefix == "":
		w.notes = append(w.notes, fmt.Sprintf("%s: the log %s is relative to where the server was built for", where, name))
		return
	case !filepath.IsAbs(name):
		name = filepath.Join(w.prefix, name)
	}
	l.path = filepath.Clean(wildcards(name))
	w.logs = append(w.logs, l)
}

// piped finds the file that a program such as rotatelogs or cronolog writes.
func piped(command string) string {
	for i, word := range strings.Fields(strings.TrimLeft(command, "|$")) {
		if word = strings.Trim(word, `"'`); i > 0 && strings.HasPrefix(word, "/") {
			if strings.Contains(word, "%") {
				word = word[:strings.IndexByte(word, '%')] + "*"
			}
			return word
		}
	}
	return ""
}

// wildcards puts a * for each variable of nginx ("$host", "${host}") and makes
// other characters of patterns literal.
func wildcards(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '$':
			for i+1 < len(name) && (isWord(name[i+1]) || name[i+1] == '{' || name[i+1] == '}') {
				i++
			}
			b.WriteByte('*')
		case c == '?' || c == '[' || c == '\\':
			b.WriteByte('?')
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

func isWord(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// environment reads what a shell script such as Apache's envvars exports.
func environment(path string) map[string]string {
	vars := map[string]string{}
	data, err := os.ReadFile(path)
	if err != nil || len(data) > maxWebFile {
		return vars
	}
	for _, line := range bytes.Split(data, []byte{'\n'}) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(line)), "export "), "=")
		if !ok || strings.ContainsAny(name, " \t#$") || len(vars) >= maxWebLogs {
			continue
		}
		value, _, _ = strings.Cut(strings.Trim(value, `"'`), "$")
		vars[name] = value
	}
	return vars
}

// webServer is where a server's configuration usually begins.
type webServer struct {
	name   string
	kind   sentinel.SourceType
	conf   string
	prefix string // of relative logs
	env    string
}

var webServers = []webServer{
	{"nginx", sentinel.TypeNginx, "/etc/nginx/nginx.conf", "", ""},
	{"nginx", sentinel.TypeNginx, "/usr/local/etc/nginx/nginx.conf", "", ""},
	{"nginx", sentinel.TypeNginx, "/usr/local/nginx/conf/nginx.conf", "/usr/local/nginx", ""},
	{"nginx", sentinel.TypeNginx, "/usr/local/openresty/nginx/conf/nginx.conf", "/usr/local/openresty/nginx", ""},
	{"apache", sentinel.TypeApache, "/etc/apache2/apache2.conf", "/etc/apache2", "/etc/apache2/envvars"},
	{"apache", sentinel.TypeApache, "/etc/apache2/httpd.conf", "/etc/apache2", ""},
	{"apache", sentinel.TypeApache, "/etc/httpd/conf/httpd.conf", "/etc/httpd", ""},
	{"apache", sentinel.TypeApache, "/usr/local/apache2/conf/httpd.conf", "/usr/local/apache2", ""},
}

func newWebConf(root string, s webServer) *webConf {
	w := &webConf{root: root, apache: s.kind == sentinel.TypeApache, prefix: s.prefix, seen: map[string]bool{}, vars: map[string]string{}, formats: map[formatKey]LogFormat{}}
	w.base = filepath.Dir(s.conf)
	if w.apache {
		w.base = s.prefix
	}
	if s.env != "" {
		w.vars = environment(filepath.Join(root, s.env))
	}
	return w
}
