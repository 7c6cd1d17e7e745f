package profile

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// App is an application.
type App uint8

// The applications.
const (
	Nextcloud App = iota
	WebDAV
	Git
	WordPress
	Grafana
	Matrix
	HomeAssistant
	NumApps
)

var apps = [NumApps]struct{ name, title string }{
	Nextcloud: {"nextcloud", "Nextcloud"}, WebDAV: {"webdav", "WebDAV"}, Git: {"git", "Git over HTTP"},
	WordPress: {"wordpress", "WordPress"}, Grafana: {"grafana", "Grafana"}, Matrix: {"matrix", "Matrix"},
	HomeAssistant: {"homeassistant", "Home Assistant"},
}

// String returns the name under which the application is configured and shown.
func (a App) String() string { return apps[a].name }

// Title returns its name for people.
func (a App) Title() string { return apps[a].title }

// Names lists the names of all applications.
func Names() []string {
	out := make([]string, NumApps)
	for a := range NumApps {
		out[a] = a.String()
	}
	return out
}

// Rules are the ids of the rules about searching for what might be there, for
// which requests are excepted.
var Rules = []string{"WEB_404_BURST", "WEB_SLOW_SCAN"}

// worked reports whether a request is one that only the application answers so.
func (a App) worked(h *sentinel.HTTP) bool {
	switch a {
	case Nextcloud:
		return dav(h.Method) && h.Status/100 == 2 && under(h.Path, "/remote.php/")
	case WebDAV:
		return h.Method == "PROPFIND" && h.Status == 207
	case Git:
		return h.Method == "POST" && h.Status == 200 && (strings.HasSuffix(h.Path, "/git-upload-pack") || strings.HasSuffix(h.Path, "/git-receive-pack"))
	case WordPress:
		// Who is not logged in is sent to the login page.
		return h.Status == 200 && h.Method == "GET" && under(h.Path, "/wp-admin/") && adminPage(h.Path)
	case Grafana:
		return h.Status == 200 && (under(h.Path, "/api/dashboards/uid/") || h.Method == "POST" && under(h.Path, "/api/ds/query"))
	case Matrix:
		return h.Status == 200 && (h.Method == "GET" && under(h.Path, "/_matrix/client/") && strings.HasSuffix(h.Path, "/sync") ||
			h.Method == "PUT" && under(h.Path, "/_matrix/federation/v1/send/"))
	case HomeAssistant:
		return h.Status == 101 && under(h.Path, "/api/websocket")
	}
	return false
}

// ordinary reports whether a request that failed is part of the application's
// ordinary use.
func (a App) ordinary(h *sentinel.HTTP) bool {
	switch a {
	case Nextcloud:
		return dav(h.Method) && under(h.Path, "/remote.php/") ||
			h.Method == "GET" && (under(h.Path, "/remote.php/") || under(h.Path, "/index.php/avatar/") || under(h.Path, "/index.php/core/preview") ||
				under(h.Path, "/ocs/v2.php/") || under(h.Path, "/apps/"))
	case WebDAV:
		return dav(h.Method)
	case Git:
		return h.Method == "GET" && repository(h.Path)
	case WordPress:
		return under(h.Path, "/wp-json/") || under(h.Path, "/wp-admin/")
	case Grafana:
		return h.Method == "GET" && (under(h.Path, "/api/") || under(h.Path, "/public/") || under(h.Path, "/avatar/"))
	case Matrix:
		return under(h.Path, "/_matrix/")
	case HomeAssistant:
		return h.Method == "GET" && (under(h.Path, "/api/") || under(h.Path, "/local/"))
	}
	return false
}

// dav reports whether a method is one of WebDAV, or PUT and DELETE as its clients
// use them.
func dav(method string) bool {
	switch method {
	case "PROPFIND", "REPORT", "DELETE", "MKCOL", "PUT", "MOVE", "COPY", "LOCK", "UNLOCK", "PROPPATCH", "SEARCH":
		return true
	}
	return false
}

// under reports whether a path lies under one of an application, which may be
// installed in a directory of the site.
func under(path, app string) bool {
	if strings.HasPrefix(path, app) {
		return true
	}
	if len(path) < 2 || path[0] != '/' {
		return false
	}
	i := strings.IndexByte(path[1:], '/')
	return i > 0 && strings.HasPrefix(path[1+i:], app)
}

// adminPage reports whether a path of WordPress is one that people look at, and
// neither a file nor what visitors may call.
func adminPage(path string) bool {
	page := path[strings.LastIndexByte(path, '/')+1:]
	switch page {
	case "admin-ajax.php", "admin-post.php", "load-scripts.php", "load-styles.php", "install.php":
		return false
	}
	return page == "" || strings.HasSuffix(page, ".php")
}

// repository reports whether a path is within a Git repository that is served as
// such ("/team/shop.git/info/refs"), and not the ".git" that somebody forgot in a
// site.
func repository(path string) bool {
	i := strings.Index(path, ".git/")
	if i < 1 || path[i-1] == '/' || strings.Contains(path[i+1:], "/.git") {
		return false
	}
	rest := path[i+len(".git/"):]
	return rest == "HEAD" || strings.HasPrefix(rest, "info/refs") || strings.HasPrefix(rest, "objects/") || strings.HasPrefix(rest, "info/lfs/")
}

// asset reports whether a path is of a file that pages consist of.
func asset(path string) bool {
	i := strings.LastIndexByte(path, '.')
	if i < 0 || len(path)-i > 12 {
		return false
	}
	switch strings.ToLower(path[i+1:]) {
	case "css", "js", "mjs", "map", "png", "jpg", "jpeg", "gif", "webp", "svg", "ico", "avif", "woff", "woff2", "ttf", "otf", "eot",
		"mp3", "mp4", "webm", "ogg", "wasm", "webmanifest":
		return true
	}
	return false
}
