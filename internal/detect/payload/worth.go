package payload

import (
	"strings"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// ordinary are the bytes of which most paths and values consist.
var ordinary = func() (t [256]bool) {
	for c := range t {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
			t[c] = true
		}
	}
	for _, c := range []byte("/._-~=&,") {
		t[c] = true
	}
	return t
}()

// plain reports whether a text has ordinary bytes only.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		if !ordinary[s[i]] {
			return false
		}
	}
	return true
}

// assets are the endings of files that servers hand out as they are.
var assets = []string{".js", ".css", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".ico", ".webp", ".woff", ".woff2", ".ttf", ".map", ".mp4", ".webm"}

// Worth reports whether a request is worth a score: it has a query, or bytes in
// its path that paths seldom have. Files with no more than a version behind the
// question mark are not.
func Worth(h *sentinel.HTTP) bool {
	if h.Query == "" {
		return !plain(h.Path)
	}
	if dot := strings.LastIndexByte(h.Path, '.'); dot >= 0 && len(h.Path)-dot <= 6 && plain(h.Query) && plain(h.Path) {
		end := h.Path[dot:]
		for _, a := range assets {
			if a == end {
				return false
			}
		}
	}
	return true
}
