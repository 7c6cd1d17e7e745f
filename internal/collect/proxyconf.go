package collect

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// proxyConf is where another web server or proxy says where its logs are. Its
// configuration is not read as a whole: only lines of one form are looked for.
type proxyConf struct {
	files []string // patterns
	kind  sentinel.SourceType
	log   *regexp.Regexp // the first group is the path
	// format, if there is one, finds formats, of which usual is the one without it.
	format *regexp.Regexp
	usual  string
}

var proxyConfs = []proxyConf{
	{
		files: []string{"/etc/caddy/Caddyfile", "/etc/caddy/Caddyfile.d/*", "/etc/caddy/conf.d/*", "/etc/caddy/sites/*"},
		kind:  sentinel.TypeJSON,
		log:   regexp.MustCompile(`(?m)^\s*output\s+file\s+"?([^\s"{]+)`),
	},
	{
		files: []string{"/etc/traefik/traefik.yml", "/etc/traefik/traefik.yaml", "/etc/traefik/traefik.toml"},
		kind:  sentinel.TypeAuto,
		log:   regexp.MustCompile(`(?m)^\s*filePath\s*[:=]\s*["']?([^\s"'#]+)`),
	},
	{
		files:  []string{"/etc/lighttpd/lighttpd.conf", "/etc/lighttpd/conf-enabled/*.conf", "/etc/lighttpd/conf.d/*.conf", "/etc/lighttpd/vhosts.d/*.conf"},
		kind:   sentinel.TypeApache,
		log:    regexp.MustCompile(`(?m)^\s*accesslog\.filename\s*=\s*"([^"]+)"`),
		format: regexp.MustCompile(`(?m)^\s*accesslog\.format\s*=\s*"((?:[^"\\]|\\.)+)"`),
		usual:  `%h %V %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i"`,
	},
}

// proxies adds the logs that the configurations of other servers name.
func (d *Discoverer) proxies() {
	for _, c := range proxyConfs {
		var logs []webLog
		var formats []LogFormat
		for _, pattern := range c.files {
			names, _ := filepath.Glob(filepath.Join(d.Root, pattern)) // our patterns are valid
			for _, name := range names[:min(len(names), maxWebFiles)] {
				d.proxy(&c, name, &logs, &formats)
			}
		}
		if len(formats) == 0 && c.format != nil {
			formats = []LogFormat{{Text: c.usual}}
		}
		for _, l := range logs {
			if f := d.add(l.path, c.kind, l.where); f != nil {
				f.Type = c.kind
				for _, x := range formats {
					f.addFormat(x)
				}
			}
		}
	}
}

// proxy reads one file.
func (d *Discoverer) proxy(c *proxyConf, file string, logs *[]webLog, formats *[]LogFormat) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxWebFile {
		return
	}
	w := webConf{root: d.Root}
	data, err := os.ReadFile(file)
	if err != nil {
		d.note("reading %s: %v", w.host(file), unwrapPath(err))
		return
	}
	text := string(data)
	where := func(at int) string { return webWhere(w.host(file), 1+strings.Count(text[:at], "\n")) }
	for _, m := range c.log.FindAllStringSubmatchIndex(text, maxWebLogs) {
		if path := text[m[2]:m[3]]; filepath.IsAbs(path) && !strings.HasPrefix(path, "/dev/") {
			*logs = append(*logs, webLog{path: filepath.Clean(wildcards(path)), where: where(m[2])})
		}
	}
	if c.format == nil {
		return
	}
	for _, m := range c.format.FindAllStringSubmatchIndex(text, maxLogFormats) {
		x := LogFormat{Text: strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(text[m[2]:m[3]]), Where: where(m[2])}
		if !slices.Contains(*formats, x) {
			*formats = append(*formats, x)
		}
	}
}
