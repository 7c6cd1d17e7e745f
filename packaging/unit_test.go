package packaging

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// maxExposure is what systemd-analyze may find, of 10. A plain root service has
// 9 and more.
const maxExposure = 2.5

// service is the unit of the agent itself.
const service = "sentinel-agent.service"

// unit returns the text of a unit.
func unit(t *testing.T, name string) string {
	t.Helper()
	text, err := Units.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// analyze writes a unit beside a program that exists and runs systemd-analyze
// on it.
func analyze(t *testing.T, name string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("this test needs systemd-analyze: run make setup")
	}
	dir := t.TempDir()
	agent := filepath.Join(dir, "sentinel-agent")
	if err := os.WriteFile(agent, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	text := strings.ReplaceAll(unit(t, name), "/usr/local/bin/sentinel-agent", agent)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, append(args, path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// systemd understands every line of the unit.
func TestUnitIsValid(t *testing.T) {
	if out := analyze(t, service, "verify", "--man=no"); strings.Contains(out, "sentinel-agent.service") {
		t.Error(out)
	}
}

func TestUnitExposure(t *testing.T) {
	names, err := fs.Glob(Units, "*.service")
	if err != nil || len(names) == 0 {
		t.Fatalf("units %v, %v", names, err)
	}
	for _, name := range names {
		out := analyze(t, name, "security", "--offline=true", "--no-pager")
		m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("%s: no level in\n%s", name, out)
		}
		if level, err := strconv.ParseFloat(m[1], 64); err != nil || level > maxExposure {
			t.Errorf("%s: exposure %s, at most %v\n%s", name, m[1], maxExposure, out)
		}
	}
}

// What the manual says of the unit holds.
func TestUnitHas(t *testing.T) {
	for _, line := range []string{
		"Type=notify", "WatchdogSec=60s", "User=sentinel", "SupplementaryGroups=adm systemd-journal",
		"CapabilityBoundingSet=CAP_NET_ADMIN", "AmbientCapabilities=CAP_NET_ADMIN", "NoNewPrivileges=yes",
		"ProtectSystem=strict", "MemoryDenyWriteExecute=yes", "UMask=0027", "StateDirectoryMode=0750",
	} {
		if !strings.Contains(unit(t, service), "\n"+line+"\n") {
			t.Errorf("the unit has no line %s", line)
		}
	}
}
