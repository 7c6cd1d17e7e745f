package sentinel_test

import (
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestParseHostName(t *testing.T) {
	for text, want := range map[string]string{
		"office.example.net": "office.example.net", "Home.DynDNS.org.": "home.dyndns.org", "a-b.c_d.xn--p1ai": "a-b.c_d.xn--p1ai",
		"": "", "localhost": "", "10.0.0.1": "", "10.0.0.300": "", "10.0.0": "", "203.0.113.0/24": "", "2001:db8::1": "", "a..b": "", ".a.b": "",
		"-a.b": "", "a-.b": "", "a b.c": "", "a.b\n": "", "ä.example": "", strings.Repeat("a", 64) + ".b": "", strings.Repeat("a.", 127) + "ab": "",
	} {
		got, err := sentinel.ParseHostName(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzParseHostName(f *testing.F) {
	f.Add("office.example.net")
	f.Add("10.0.0.300")
	f.Fuzz(func(t *testing.T, text string) {
		name, err := sentinel.ParseHostName(text)
		if err != nil {
			return
		}
		if again, err := sentinel.ParseHostName(name); err != nil || again != name || strings.ContainsAny(name, " \n\x1b/") {
			t.Errorf("%q became %q, then %q, %v", text, name, again, err)
		}
	})
}
