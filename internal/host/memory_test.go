package host

import (
	"strings"
	"testing"
)

func TestForgetProgram(t *testing.T) {
	if err := ForgetProgram(); err != nil {
		t.Fatal(err)
	}
	if u := Self(); u.Memory == 0 { // the program goes on
		t.Error("no memory in use")
	}
}

func TestCleanMappings(t *testing.T) {
	const exe = "/usr/bin/sentinel-agent"
	for line, want := range map[string]bool{
		"00400000-00aa8000 r-xp 00000000 fe:00 9981409      " + exe:  true,
		"00aa8000-01168000 r--p 006a8000 fe:00 9981409      " + exe:  true,
		"01168000-011d0000 rw-p 00d68000 fe:00 9981409      " + exe:  false, // holds variables
		"7f0300000000-7f0300001000 r--s 00000000 fe:00 1234 " + exe:  false, // shared
		"00400000-00aa8000 r-xp 00000000 fe:00 9981409      /bin/sh": false,
		"7ffd0000-7ffd1000 r-xp 00000000 00:00 0            [vdso]":  false,
		"nonsense":              false,
		"x-y r-xp 0 0 0 " + exe: false,
	} {
		if _, n, ok := clean(line, exe); ok != want || ok && n == 0 {
			t.Errorf("clean(%q) is %v, %d", line, ok, n)
		}
	}
}

func TestWrittenMappings(t *testing.T) {
	const exe = "/usr/bin/sentinel-agent"
	const smaps = `562332c5b000-562332c5d000 r--p 00000000 fe:00 247278   /usr/bin/sentinel-agent
Size:                  8 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
562332c5d000-562332c63000 r--p 00002000 fe:00 247278   /usr/bin/sentinel-agent
Anonymous:             4 kB
Swap:                  0 kB
562332c63000-562332c64000 r--p 00008000 fe:00 247278   /usr/bin/sentinel-agent
Anonymous:             0 kB
Swap:                  4 kB
562332c64000-562332c65000 r-xp 00009000 fe:00 247278   /usr/bin/sentinel-agent
Anonymous:             0 kB
`
	got := cleanMappings(strings.NewReader(smaps), exe)
	if len(got) != 2 || got[0] != (mapping{0x562332c5b000, 0x2000}) || got[1] != (mapping{0x562332c64000, 0x1000}) {
		t.Errorf("got %x; those with pages that were written to must be left out", got)
	}
}
