package control

import "testing"

// What looks like an option, a command or a path is no address: it never comes
// near a firewall.
func TestFaultArguments(t *testing.T) {
	t.Run("E13 nothing but addresses and networks is taken", func(t *testing.T) {
		for _, text := range []string{
			"1.1.1.1; reboot", "-F", "--flush", "1.1.1.1 -j ACCEPT", "$(reboot)", "`reboot`", "1.1.1.1\n-F", "1.1.1.1\x00", "1.1.1.1/24;",
			"any", "0/0 ", "../../etc/passwd", "1.1.1.1|sh", "1.1.1.1 ", " 1.1.1.1", "1.1.1.1'", "\"1.1.1.1\"", "1.1.1.1-1.1.1.9",
			"010.0.0.1", "0x01010101", "16843009", "1.1.1", "1.1.1.1/33", "1.1.1.1/-1", "1.1.1.1/+8", "::1/129",
		} {
			if n, err := ParseNetwork(text); err == nil {
				t.Errorf("%q was taken as %s", text, n)
			}
		}
		// The zone of an address is free text, and is left out.
		if n, err := ParseNetwork("fe80::1%eth0;reboot"); err != nil || n.String() != "fe80::1" {
			t.Errorf("%s, %v", n, err)
		}
	})
}
