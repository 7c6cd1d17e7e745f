package sentinel

import (
	"strings"
	"testing"
)

func TestParseListen(t *testing.T) {
	for text, want := range map[string]string{
		"udp://127.0.0.1:5514":                "",
		"tcp://[::1]:5514":                    "",
		"unix:///run/sentinel/log.sock":       "",
		"unixstream:///run/x":                 "",
		"udp://0.0.0.0:514":                   "can be reached from other hosts",
		"tcp://192.0.2.1:514":                 "can be reached from other hosts",
		"udp://127.0.0.1":                     "no address with a port",
		"udp://localhost:5514":                "no address with a port",
		"unix://run/x":                        "no absolute path",
		"unix:///run/../x":                    "no absolute path",
		"unix:///" + strings.Repeat("x", 120): "more than 107",
		"http://127.0.0.1:80":                 "is none of",
	} {
		l, err := ParseListen(text)
		switch {
		case want == "" && (err != nil || l.String() != text):
			t.Errorf("%s: %v, %v", text, l, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func FuzzListen(f *testing.F) {
	f.Add("udp://127.0.0.1:5514")
	f.Add("unix:///run/x")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseListen(text)
		if err != nil {
			return
		}
		if again, err := ParseListen(l.String()); err != nil || again != l || !IsListen(text) {
			t.Errorf("%q is %v, and then %v, %v", text, l, again, err)
		}
	})
}
