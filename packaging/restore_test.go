package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd understands the unit that restores blocks at boot, and orders it
// before the network without a cycle.
func TestRestoreUnit(t *testing.T) {
	text, err := os.ReadFile("sentinel-restore.service")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	agent, unit := filepath.Join(dir, "sentinel-agent"), filepath.Join(dir, "sentinel-restore.service")
	if err := os.WriteFile(agent, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(text), "/usr/local/bin/sentinel-agent", agent)
	if err := os.WriteFile(unit, []byte(changed), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput()
	if err != nil || strings.Contains(string(out), "sentinel-restore.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	for _, line := range []string{
		"ExecStart=/usr/local/bin/sentinel-agent -restore", "Type=oneshot", "DefaultDependencies=no", "Wants=network-pre.target",
		"Before=network-pre.target shutdown.target", "CapabilityBoundingSet=CAP_NET_ADMIN", "User=sentinel",
	} {
		if !strings.Contains(string(text), "\n"+line+"\n") {
			t.Errorf("the unit has no line %q", line)
		}
	}
}
