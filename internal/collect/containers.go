package collect

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// Container engines keep what containers print in files, one a container. It can
// be anything, also text that an attacker chose and that looks like the line of
// another program; so the log of a container is read only as what it is known to
// be: by its image, or by what its lines look like.

// Bounds of looking for containers.
const (
	maxContainers = 500
	maxInspect    = 1 << 20 // of config.v2.json
	guessBytes    = 64 << 10
)

// engineDir is where an engine keeps the logs of its containers. log is a pattern
// with a * for the container.
type engineDir struct {
	engine, log string
	// config is beside the log; it has the names of the container and its image.
	config string
}

var engineDirs = []engineDir{
	{"docker", "/var/lib/docker/containers/*/*-json.log", "config.v2.json"},
	{"podman", "/var/lib/containers/storage/overlay-containers/*/userdata/ctr.log", ""},
	{"kubernetes", "/var/log/containers/*.log", ""},
}

// imageTypes are the types of what an image writes, by the last part of its name.
// Web servers have the type of one, so that of their lines only requests count.
var imageTypes = map[string]sentinel.SourceType{
	"nginx": sentinel.TypeNginx, "nginx-unprivileged": sentinel.TypeNginx, "openresty": sentinel.TypeNginx, "traefik": sentinel.TypeNginx,
	"caddy": sentinel.TypeNginx, "haproxy": sentinel.TypeNginx, "nginx-proxy": sentinel.TypeNginx, "swag": sentinel.TypeNginx,
	"httpd": sentinel.TypeApache, "wordpress": sentinel.TypeApache, "drupal": sentinel.TypeApache, "joomla": sentinel.TypeApache, "phpmyadmin": sentinel.TypeApache,
	"vaultwarden": sentinel.TypeApp, "gitea": sentinel.TypeApp, "forgejo": sentinel.TypeApp, "grafana": sentinel.TypeApp,
	"mysql": sentinel.TypeDB, "mariadb": sentinel.TypeDB, "postgres": sentinel.TypeDB, "mongo": sentinel.TypeDB,
	"docker-mailserver": sentinel.TypeMail, "dovecot": sentinel.TypeMail, "postfix": sentinel.TypeMail,
}

// containers adds the logs of containers.
func (d *Discoverer) containers() {
	for _, e := range engineDirs {
		base := filepath.Join(d.Root, e.log[:strings.IndexByte(e.log, '*')])
		if _, err := os.ReadDir(base); errors.Is(err, os.ErrPermission) {
			host := (&webConf{root: d.Root}).host(base)
			d.note("the logs of containers in %s are for root alone; to have them read: setfacl -m u:sentinel:x %s && setfacl -R -m u:sentinel:rX,d:u:sentinel:rX %s",
				host, filepath.Dir(host), host)
			continue
		}
		names, _ := filepath.Glob(filepath.Join(d.Root, e.log)) // our patterns are valid
		if len(names) > maxContainers {
			d.note("of %d containers of %s only %d are looked at; name the logs of others in logs.sources", len(names), e.engine, maxContainers)
			names = names[:maxContainers]
		}
		for _, name := range names {
			d.container(&e, name)
		}
	}
}

// container adds the log of one.
func (d *Discoverer) container(e *engineDir, file string) {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	name, image := "", ""
	switch {
	case e.engine == "kubernetes":
		name = strings.TrimSuffix(filepath.Base(file), ".log") // pod, namespace and container
	case e.config != "":
		name, image = inspect(filepath.Join(filepath.Dir(file), e.config))
	}
	by := e.engine + " container"
	if name != "" {
		by += " " + name
	}
	if image != "" {
		by += " (" + image + ")"
	}
	kind := d.containerType(image, file)
	host := (&webConf{root: d.Root}).host(file)
	// A pattern, so that no file is missed when the container is removed.
	if e.engine == "docker" {
		host = filepath.Join(filepath.Dir(host), "*-json.log")
	} else {
		host += "*"
	}
	if kind == "" {
		if f := d.add(host, sentinel.TypeAuto, by); f != nil {
			f.Unknown = true
		}
		return
	}
	d.add(host, kind, by)
}

// inspect reads the name and image of a container, empty if they cannot be read.
func inspect(file string) (name, image string) {
	data, err := readHead(file, maxInspect)
	if err != nil {
		return "", ""
	}
	var c struct {
		Name   string
		Config struct{ Image string }
	}
	if json.Unmarshal(data, &c) != nil {
		return "", ""
	}
	return strings.TrimPrefix(c.Name, "/"), c.Config.Image
}

// containerType says what a container's log is, empty if that is not known.
func (d *Discoverer) containerType(image, file string) sentinel.SourceType {
	repository, _, _ := strings.Cut(image, "@")
	repository = path.Base(repository)
	repository, tag, _ := strings.Cut(repository, ":")
	kind := imageTypes[repository]
	if repository == "php" || repository == "nextcloud" {
		if strings.Contains(tag, "apache") || repository == "nextcloud" && !strings.Contains(tag, "fpm") {
			kind = sentinel.TypeApache
		}
	}
	if kind != "" || d.Guess == nil {
		return kind
	}
	switch kind = d.Guess(tailLines(file)); kind {
	case sentinel.TypeNginx, sentinel.TypeApache, sentinel.TypeMail, sentinel.TypeFTP, sentinel.TypeDNS, sentinel.TypeDB:
		return kind
	}
	return "" // JSON and syslog can be of anything
}

// tailLines returns the last whole lines of a file, few of them.
func tailLines(file string) []string {
	fd, err := open(file)
	if err != nil {
		return nil
	}
	f := rawFile(fd)
	defer f.Close()
	size, err := sizeOf(fd)
	if err != nil {
		return nil
	}
	buf := make([]byte, guessBytes)
	from := max(0, size-guessBytes)
	n, err := readAt(f, buf, from)
	if err != nil {
		return nil
	}
	text := buf[:n]
	if from > 0 {
		_, text, _ = bytes.Cut(text, []byte{'\n'})
	}
	return strings.Split(string(bytes.TrimSpace(text)), "\n")
}

// readHead reads a file of up to so many bytes.
func readHead(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

func sizeOf(fd int) (int64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, err
	}
	return st.Size, nil
}
