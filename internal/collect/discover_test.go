package collect

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// tree writes files below a new directory.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

// rows are what a discovery found, as text.
func rows(d Discovery) (list []string) {
	for _, f := range d.Logs {
		row := fmt.Sprintf("%s %s (%s)", f.Type, f.Path, strings.Join(f.By, ", "))
		if f.Problem != "" {
			row += " " + f.Problem
		}
		list = append(list, row)
	}
	return list
}

func wantRows(t *testing.T, d Discovery, want ...string) {
	t.Helper()
	if got := rows(d); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestDiscoverUsualPlaces(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{
		"auth.log", "auth.log.1", "nginx/access.log", "nginx/access.log.2.gz", "nginx/shop.access.log", "nginx/blog/access.log", "syslog", "other.log",
		"ufw.log", "kern.log", "mail.log", "vsftpd.log", "postgresql/postgresql-15-main.log", "postgresql/postgresql-15-main.log.1",
	} {
		files["var/log/"+name] = "x\n"
	}
	root := tree(t, files)
	must(t, os.Symlink("auth.log", filepath.Join(root, "var/log/secure"))) // the same file
	must(t, os.Mkdir(filepath.Join(root, "var/log/messages"), 0o755))
	d := Discoverer{Root: root}.Discover(t.Context())
	wantRows(t, d,
		"ssh /var/log/auth.log (usual place)",
		"nginx /var/log/nginx/access.log (usual place)",
		"nginx /var/log/nginx/shop.access.log (usual place)",
		"nginx /var/log/nginx/blog/access.log (usual place)",
		"syslog /var/log/syslog (usual place)",
		"kernel /var/log/kern.log (usual place)",
		"firewall /var/log/ufw.log (usual place)",
		"mail /var/log/mail.log (usual place)",
		"ftp /var/log/vsftpd.log (usual place)",
		"db /var/log/postgresql/postgresql-15-main.log (usual place)",
	)
	if len(d.Notes) > 0 || d.Logs[0].Born.IsZero() {
		t.Errorf("notes %q, born %s", d.Notes, d.Logs[0].Born)
	}
}

const nginxConf = `
user www-data;
error_log /var/log/nginx/error.log; # all
http {
	include mime.types; access_log /var/log/nginx/access.log combined;
	log_format shop '$remote_addr "$request" '
		'"access_log /forged.log"';
	include /etc/nginx/sites-enabled/*;
	include /etc/nginx/conf.d/*.conf;
}
`

func TestDiscoverWebServers(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/nginx/nginx.conf":             nginxConf,
		"etc/nginx/sites-enabled/shop":     "server {\n  server_name shop;\n  access_log \"/srv/shop logs/access.log\" shop buffer=32k;\n  location / { access_log off; }\n  location /x { access_log /srv/x.log; }\n}\n",
		"etc/nginx/conf.d/vhosts.conf":     "server { access_log /srv/${host}/logs/access-$server_port.log;\n error_log syslog:server=unix:/dev/log;\n access_log logs/relative.log; }\ninclude /etc/nginx/conf.d/vhosts.conf;\n",
		"srv/shop logs/access.log":         "x\n",
		"srv/a.example/logs/access-80.log": "x\n",
		"var/log/nginx/access.log":         "x\n",
		"etc/apache2/apache2.conf": "ServerRoot /etc/apache2\nErrorLog ${APACHE_LOG_DIR}/error.log\n" +
			"Define site blog\nIncludeOptional sites-enabled/*.conf\nTransferLog \\\n  logs/transfer.log\n",
		"etc/apache2/envvars":                   "export APACHE_RUN_USER=www-data\nexport APACHE_LOG_DIR=/var/log/apache2$SUFFIX\n",
		"etc/apache2/sites-enabled/000.conf":    "<VirtualHost *:80>\n  # CustomLog /commented.log combined\n  CustomLog ${APACHE_LOG_DIR}/other_vhosts.log vhost_combined\n  CustomLog \"|/usr/bin/rotatelogs -l /srv/${site}/access.%Y-%m-%d 86400\" combined\n  ErrorLog syslog:local1\n</VirtualHost>\n",
		"var/log/apache2/other_vhosts.log":      "x\n",
		"var/log/apache2/error.log":             "x\n",
		"etc/apache2/sites-enabled/ignored.bak": "CustomLog /no.log combined\n",
	})
	d := Discoverer{Root: root}.Discover(t.Context())
	const later = " nothing there yet"
	wantRows(t, d,
		"nginx /var/log/nginx/access.log (usual place, /etc/nginx/nginx.conf:5)",
		"apache /var/log/apache2/error.log (usual place, /etc/apache2/apache2.conf:2)",
		"nginx /var/log/nginx/error.log (/etc/nginx/nginx.conf:3)"+later,
		"nginx /srv/shop logs/access.log (/etc/nginx/sites-enabled/shop:3)",
		"nginx /srv/x.log (/etc/nginx/sites-enabled/shop:5)"+later,
		"nginx /srv/*/logs/access-*.log (/etc/nginx/conf.d/vhosts.conf:1)",
		"apache /var/log/apache2/other_vhosts.log (/etc/apache2/sites-enabled/000.conf:3)",
		"apache /srv/blog/access.* (/etc/apache2/sites-enabled/000.conf:4)"+later,
		"apache /etc/apache2/logs/transfer.log (/etc/apache2/apache2.conf:5)"+later,
	)
	if want := []string{"/etc/nginx/conf.d/vhosts.conf:3: the log logs/relative.log is relative to where the server was built for"}; !slices.Equal(d.Notes, want) {
		t.Errorf("notes %q, want %q", d.Notes, want)
	}
}

func TestDiscoverProxies(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/caddy/Caddyfile":                         "shop.example {\n\tlog {\n\t\toutput file /srv/caddy/shop.log {\n\t\t\troll_size 1mb\n\t\t}\n\t}\n}\nblog.example {\n log { output stdout }\n # output file /no.log\n}\n",
		"etc/traefik/traefik.yml":                     "log:\n  level: INFO\naccessLog:\n  filePath: \"/srv/traefik/access.json\"\n  format: json\n",
		"etc/lighttpd/lighttpd.conf":                  "server.errorlog = \"/var/log/lighttpd/error.log\"\n# accesslog.filename = \"/no.log\"\n",
		"etc/lighttpd/conf-enabled/10-accesslog.conf": "accesslog.filename = \"/srv/lighttpd/access.log\"\n",
		"srv/caddy/shop.log":                          "", "srv/traefik/access.json": "", "srv/lighttpd/access.log": "", "var/log/haproxy.log": "",
	})
	d := Discoverer{Root: root}.Discover(t.Context())
	wantRows(t, d,
		"auto /var/log/haproxy.log (usual place)",
		"json /srv/caddy/shop.log (/etc/caddy/Caddyfile:3)",
		"auto /srv/traefik/access.json (/etc/traefik/traefik.yml:4)",
		"apache /srv/lighttpd/access.log (/etc/lighttpd/conf-enabled/10-accesslog.conf:1)")
	if f := d.Logs[3].Formats; len(f) != 1 || !strings.HasPrefix(f[0].Text, "%h %V ") {
		t.Errorf("formats of lighttpd: %+v", f)
	}
	must(t, os.WriteFile(filepath.Join(root, "etc/lighttpd/conf-enabled/10-accesslog.conf"),
		[]byte("accesslog.filename = \"/srv/lighttpd/access.log\"\naccesslog.format = \"%a %V \\\"%r\\\" %s\"\n"), 0o644))
	d = Discoverer{Root: root}.Discover(t.Context())
	if want := []LogFormat{{Text: `%a %V "%r" %s`, Where: "/etc/lighttpd/conf-enabled/10-accesslog.conf:2"}}; !slices.Equal(d.Logs[3].Formats, want) {
		t.Errorf("formats of lighttpd: %+v", d.Logs[3].Formats)
	}
}

func TestDiscoverContainers(t *testing.T) {
	const docker = "var/lib/docker/containers/"
	config := func(name, image string) string {
		return fmt.Sprintf(`{"Name":"/%s","Config":{"Image":%q}}`, name, image)
	}
	root := tree(t, map[string]string{
		docker + "a/a-json.log": "x\n", docker + "a/config.v2.json": config("shop", "registry.example:5000/x/nginx:1.27"), docker + "a/a-json.log.1": "x\n",
		docker + "b/b-json.log": "x\n", docker + "b/config.v2.json": config("blog", "php:8.3-apache@sha256:00"),
		docker + "c/c-json.log": "half\nweb 1\nweb 2\n", docker + "c/config.v2.json": config("own", "my/app"),
		docker + "d/d-json.log": "json\n", docker + "d/config.v2.json": "{broken",
		"var/lib/containers/storage/overlay-containers/e/userdata/ctr.log": "web\n",
		"var/log/containers/pod_ns_app-1.log":                              "y\n",
	})
	guess := func(lines []string) sentinel.SourceType {
		switch {
		case strings.HasPrefix(lines[len(lines)-1], "web"):
			return sentinel.TypeNginx
		case lines[0] == "json":
			return sentinel.TypeJSON
		}
		return sentinel.TypeAuto
	}
	d := Discoverer{Root: root, Guess: guess}.Discover(t.Context())
	wantRows(t, d,
		"nginx /var/lib/docker/containers/a/*-json.log (docker container shop (registry.example:5000/x/nginx:1.27))",
		"apache /var/lib/docker/containers/b/*-json.log (docker container blog (php:8.3-apache@sha256:00))",
		"nginx /var/lib/docker/containers/c/*-json.log (docker container own (my/app))",
		"auto /var/lib/docker/containers/d/*-json.log (docker container)",
		"nginx /var/lib/containers/storage/overlay-containers/e/userdata/ctr.log* (podman container)",
		"auto /var/log/containers/pod_ns_app-1.log* (kubernetes container pod_ns_app-1)")
	for i, f := range d.Logs {
		if f.Unknown != (f.Type == sentinel.TypeAuto) {
			t.Errorf("%d: %+v", i, f)
		}
	}
}

// Whoever may not read the logs of containers is told what to do.
func TestDiscoverContainersDenied(t *testing.T) {
	root := tree(t, map[string]string{"var/lib/docker/containers/a/a-json.log": "x\n"})
	must(t, os.Chmod(root, 0o755))
	must(t, os.Chmod(filepath.Dir(root), 0o755))
	must(t, os.Chmod(filepath.Join(root, "var/lib/docker"), 0o700))
	notes := withoutRights(t, func() []string { return Discoverer{Root: root}.Discover(t.Context()).Notes })
	const want = "the logs of containers in /var/lib/docker/containers are for root alone"
	if len(notes) != 1 || !strings.HasPrefix(notes[0], want) {
		t.Errorf("notes %q", notes)
	}
}

// TestDiscoverAsks has what the real programs print.
func TestDiscoverAsks(t *testing.T) {
	root := tree(t, map[string]string{
		"etc/apache2/sites-enabled/x.conf": "<VirtualHost *:80>\nCustomLog /srv/x.log combined\n</VirtualHost>\n",
		"srv/x.log":                        "", "srv/n.log": "",
	})
	d := Discoverer{Root: root}

	conf := filepath.Join(root, "nginx.conf")
	must(t, os.WriteFile(conf, []byte("pid "+root+"/pid;\nerror_log "+root+"/error.log;\nevents {}\nhttp { access_log "+root+"/srv/n.log; }\n"), 0o644))
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		nginx = "/usr/sbin/nginx"
	}
	out, err := exec.Command(nginx, "-T", "-q", "-c", conf).Output()
	if err != nil {
		t.Fatalf("this test needs nginx (run make setup): %v", err)
	}
	slash := d
	slash.Root = "/"
	slash.dump(string(out))
	wantRows(t, Discovery{Logs: slash.list},
		fmt.Sprintf("nginx %s/error.log (nginx -T: %s:2)", root, conf),
		fmt.Sprintf("nginx %s/srv/n.log (nginx -T: %s:4)", root, conf))

	d.hosts("VirtualHost configuration:\n*:80                   x.example (/etc/apache2/sites-enabled/x.conf:1)\nServerRoot: \"/etc/apache2\"\nMain ErrorLog: \"/var/log/apache2/error.log\"\n")
	d.units("nginx.service loaded active running A high performance web server\napache2.service loaded active running x\nssh.service loaded active running x\n")
	wantRows(t, Discovery{Logs: d.list},
		"apache /srv/x.log (/etc/apache2/sites-enabled/x.conf:2, unit apache2.service)",
		"apache /var/log/apache2/error.log (apache2ctl -S, unit apache2.service)")
	if want := []string{"nginx.service runs, and none of its logs was found: name them in logs.sources"}; !slices.Equal(d.notes, want) {
		t.Errorf("notes %q", d.notes)
	}
}

func TestDiscoverAskFails(t *testing.T) {
	var d Discoverer
	if _, ok := d.ask(t.Context(), script(t, "echo 'nginx: [emerg] open() failed (13: Permission denied)' >&2; exit 1"), "-T"); ok || len(d.notes) != 1 ||
		!strings.HasSuffix(d.notes[0], "-T does not work for this user: nginx: [emerg] open() failed (13: Permission denied)") {
		t.Errorf("notes %q", d.notes)
	}
	if text, ok := d.ask(t.Context(), script(t, "yes | head -c 8000000")); !ok || len(text) != maxCommandText {
		t.Errorf("%d bytes, %t", len(text), ok)
	}
	if _, ok := d.ask(t.Context(), "/nowhere/nginx"); ok || len(d.notes) != 1 {
		t.Errorf("notes %q", d.notes)
	}
}

func TestMend(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("this test needs root")
	}
	root := tree(t, map[string]string{"a.log": "", "b.log": "", "deep/c.log": ""})
	must(t, os.Chmod(filepath.Join(root, "a.log"), 0o640))
	must(t, os.Chown(filepath.Join(root, "a.log"), 0, 4)) // adm
	must(t, os.Chmod(filepath.Join(root, "b.log"), 0o600))
	for name, want := range map[string]string{
		"a.log": "usermod -aG adm root, then restart the agent",
		"b.log": "setfacl -m u:root:r " + filepath.Join(root, "b.log") + ", and the same in its logrotate",
	} {
		if got := mend(filepath.Join(root, name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// FuzzWebConf: no text makes reading it fail, grow or leave absolute paths.
func FuzzWebConf(f *testing.F) {
	f.Add(nginxConf, false)
	f.Add("ServerRoot \"/a\"\nCustomLog \"|/bin/rotatelogs /x/%Y\" c\nDefine a ${a}${a}\nErrorLog ${a}\n", true)
	f.Add("access_log ${;{}\"';access_log \"", false)
	f.Fuzz(func(t *testing.T, text string, apache bool) {
		s := webServers[0]
		if apache {
			s.kind, s.prefix = sentinel.TypeApache, "/etc/apache2"
		}
		w := newWebConf("/nowhere", s)
		w.scan(strings.NewReader(text), "fuzz", -1)
		for _, l := range w.logs {
			if !filepath.IsAbs(l.path) {
				t.Errorf("path %q", l.path)
			}
			if _, err := filepath.Match(l.path, ""); err != nil {
				t.Errorf("pattern %q: %v", l.path, err)
			}
		}
	})
}

// withoutRights runs f with the rights of nobody on files.
func withoutRights[T any](t *testing.T, f func() T) T {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Getuid() != 0 {
		t.Fatal("this test needs root")
	}
	must(t, unix.Setfsuid(65534))
	defer func() { must(t, unix.Setfsuid(0)) }()
	return f()
}
