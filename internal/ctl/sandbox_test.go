package ctl

import (
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func TestSandboxText(t *testing.T) {
	many := []string{"CAP_A", "CAP_B", "CAP_C", "CAP_D", "CAP_E", "CAP_F", "CAP_G"}
	a := &app{out: &screen{}}
	for _, test := range []struct {
		status control.SandboxStatus
		want   string
	}{
		{control.SandboxStatus{Landlock: 7, Seccomp: true, Capabilities: []string{"CAP_NET_ADMIN"}}, "Landlock 7, seccomp, CAP_NET_ADMIN"},
		{control.SandboxStatus{Seccomp: true, Problems: []string{"Landlock: none\x1b"}}, `seccomp, no capability; Landlock: none\x1b`},
		{control.SandboxStatus{Off: true, Exec: true, Capabilities: many}, "none, 7 capabilities"},
	} {
		if got := a.sandboxText(&test.status); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}
