package agent

import (
	"os"
	"path/filepath"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
)

// "sentinelctl doctor --drill" shows that attackers are blocked by attacking from
// an address for documentation. Its lines go through a log like any other, in a
// directory beside the database that only the agent's user and root may write:
// who can write there can block addresses, as could whoever writes the database.

// drillDir is that directory, drillLog the log in it.
func drillDir(cfg *config.Config) string {
	return filepath.Join(filepath.Dir(cfg.Database.Path), "drill")
}
func drillLog(cfg *config.Config) string { return filepath.Join(drillDir(cfg), "drill.log") }

// drillSource is the source for it: a pattern, since the log is there during a
// drill only.
func drillSource(cfg *config.Config) collect.Source {
	return collect.Source{Path: filepath.Join(drillDir(cfg), "drill*.log"), Type: sentinel.TypeSSH}
}

// prepareDrill makes the directory.
func (a *Agent) prepareDrill() {
	dir := drillDir(a.cfg)
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = os.Chmod(dir, 0o700)
	}
	if err != nil {
		a.log.Warn("drills are not possible", "error", err)
		return
	}
	a.drill = drillLog(a.cfg)
}

// ofDrill reports whether a source is that of drills and nothing is wrong with
// it: people need not see it then.
func (a *Agent) ofDrill(st *collect.Status) bool {
	if filepath.Dir(st.Path) != drillDir(a.opt.Config) {
		return false
	}
	switch st.State {
	case collect.StateWaiting, collect.StateDraining, collect.StateMissing, collect.StateActive:
		return true
	}
	return false
}
