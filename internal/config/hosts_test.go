package config

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestWhitelistFaults(t *testing.T) {
	for text, want := range map[string]string{
		"[office.example.net, 192.0.2.1]":          "",
		"[office.example.net, OFFICE.example.net]": "is already on line 2",
		"[10.0.0.300]":       "is not an address like 203.0.113.7",
		"[localhost]":        "is not an address like 203.0.113.7",
		"[0.0.0.0/0]":        "is every address there is",
		"office.example.net": "expected a list, each an address, a network, the name of a host, AS64500 or country:DE",
		"[" + strings.Repeat("a.example, ", 1) + "42]": "is not an address",
	} {
		_, problems := Parse("config.yml", []byte("response:\n  whitelist: "+text+"\n"))
		switch {
		case want == "" && len(problems) > 0, want != "" && len(problems) == 0:
			t.Errorf("%s: %v", text, problems)
		case want != "" && !strings.Contains(problems[0].Error(), want):
			t.Errorf("%s: %v, want %q", text, problems[0], want)
		}
	}
	var many []string
	for i := range maxNames + 1 {
		many = append(many, fmt.Sprintf("n%d.example.net", i))
	}
	if _, problems := Parse("config.yml", []byte("response:\n  whitelist: ["+strings.Join(many, ", ")+"]\n")); len(problems) != 1 {
		t.Errorf("too many names: %v", problems)
	}
}

func TestNameServer(t *testing.T) {
	for text, want := range map[string]string{
		"auto": "invalid AddrPort", "192.0.2.53": "192.0.2.53:53", "192.0.2.53:5353": "192.0.2.53:5353", "2001:db8::53": "[2001:db8::53]:53", "[2001:db8::53]:5353": "[2001:db8::53]:5353",
	} {
		got, err := nameServer(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "dns.example.net", "192.0.2.53:0", "192.0.2.53:99999", "1.2.3"} {
		if got, err := nameServer(text); err == nil || got != (netip.AddrPort{}) {
			t.Errorf("%s: %v", text, got)
		}
	}
}
