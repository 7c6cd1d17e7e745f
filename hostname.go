package sentinel

import (
	"fmt"
	"net/netip"
	"strings"
)

// ParseHostName reads the name of a host, such as "office.example.net": lower
// case, without a final dot. It wants a dot inside and a letter in the last part,
// so that no mistyped address is taken for a name.
func ParseHostName(text string) (string, error) {
	name := strings.ToLower(strings.TrimSuffix(text, "."))
	bad := fmt.Errorf("%.60q is not the name of a host such as office.example.net", text)
	labels := strings.Split(name, ".")
	if _, err := netip.ParseAddr(name); err == nil || len(name) > 253 || len(labels) < 2 {
		return "", bad
	}
	for _, label := range labels {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", bad
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return "", bad
			}
		}
	}
	if strings.IndexFunc(labels[len(labels)-1], func(r rune) bool { return r >= 'a' && r <= 'z' }) < 0 {
		return "", bad
	}
	return name, nil
}
