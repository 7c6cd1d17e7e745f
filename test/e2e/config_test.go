package e2e

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// value asks the agent for one key.
func (a *agentProc) value(t *testing.T, key string) control.ConfigValue {
	t.Helper()
	var r *control.ConfigResult
	c := a.client(t)
	within(t, func(ctx context.Context) (err error) {
		r, err = c.Config(ctx, key)
		return err
	})
	if len(r.Values) != 1 {
		t.Fatalf("%s has %d values", key, len(r.Values))
	}
	return r.Values[0]
}

// The configuration changed while the agent runs: in the file and on the socket.
func TestFaultConfigChange(t *testing.T) {
	t.Parallel()
	must(t, sentinelctl())
	l := newLab(t)
	a, log := quiet(t, l, "max_blocks: 70 # since May")
	wants := func(t *testing.T, says string, args ...string) {
		t.Helper()
		if out, errs, code := l.ctl(t, a, args...); code != 0 || !strings.Contains(out, says) {
			t.Errorf("sentinelctl %q: exit code %d, want 0 and %q in\n%s%s", args, code, says, out, errs)
		}
	}
	t.Run("a value set in the file takes effect at once", func(t *testing.T) {
		wants(t, "The agent has read it", "config", "set", "response.mode", "observe")
		if s := a.status(); s.Mode != "observe" {
			t.Errorf("the mode is %s", s.Mode)
		}
		log.write(t, failures(evil[0].String(), 10)...)
		a.expect(t, "a block is simulated", func(s *control.Status) bool { return s.Simulated == 1 })
		l.open(t, evil[0])
		wants(t, "The agent has read it", "config", "unset", "response.mode")
		wants(t, "take effect after a restart", "config", "set", "agent.hostname", "web-9")
		if v := a.value(t, "agent.hostname"); v.Value != "auto" || !v.Waiting {
			t.Errorf("in force is %+v", v)
		}
		text, err := os.ReadFile(a.path("config.yml"))
		must(t, err)
		if !strings.Contains(string(text), "max_blocks: 70 # since May\n") || strings.Contains(string(text), "mode:") {
			t.Errorf("the file is\n%s", text)
		}
	})
	t.Run("D06 nothing is written that has a fault", func(t *testing.T) {
		before, err := os.ReadFile(a.path("config.yml"))
		must(t, err)
		generation := a.status().Generation
		for _, args := range [][]string{{"response.min_score", "0.3"}, {"response.max_block", "5"}, {"response.whitelist", "[nonsense]"}} {
			for _, where := range [][]string{nil, {"--runtime"}} {
				if out, errs, code := l.ctl(t, a, append(append([]string{"config", "set"}, where...), args...)...); code == 0 || errs == "" {
					t.Errorf("config set %q %q: exit code %d\n%s%s", where, args, code, out, errs)
				}
			}
		}
		after, err := os.ReadFile(a.path("config.yml"))
		must(t, err)
		if string(after) != string(before) || a.status().Generation != generation {
			t.Errorf("generation %d, was %d; the file is\n%s", a.status().Generation, generation, after)
		}
	})
	t.Run("G07 keys that name files, addresses or secrets are refused on the socket", func(t *testing.T) {
		generation, c := a.status().Generation, a.client(t)
		for _, key := range append(config.Keys(), "response", "agent", "logs.sources[0].path") {
			if config.AtRuntime(key) {
				continue
			}
			_, err := c.SetConfig(t.Context(), key, "/tmp/x")
			if code := control.CodeOf(err); code != control.CodeRefused && code != control.CodeNotFound {
				t.Errorf("%s: %v", key, err)
			}
		}
		if got := a.status().Generation; got != generation {
			t.Errorf("generation %d, was %d", got, generation)
		}
		if _, err := os.Stat(a.path("runtime.yml")); !os.IsNotExist(err) {
			t.Errorf("something was stored: %v", err)
		}
	})
	t.Run("what is set at run time wins over the file, also after kill -9", func(t *testing.T) {
		wants(t, "Taken by the agent: response.max_blocks", "config", "set", "--runtime", "response.max_blocks", "80")
		wants(t, "Taken by the agent: agent.log_level\n", "config", "set", "--runtime", "agent.log_level", "debug")
		wants(t, "Set at run time, over the file: agent.log_level, response.max_blocks", "reload")
		wants(t, "was told another value at run time, which wins", "config", "set", "response.max_blocks", "75")
		a.kill()
		a.start(t)
		a.ready(t)
		if v := a.value(t, "response.max_blocks"); v.Value != "80" || v.Origin != config.FromRuntime || v.Line == 0 {
			t.Errorf("%+v", v)
		}
		wants(t, "response.max_blocks", "config", "unset", "--runtime")
		if v := a.value(t, "response.max_blocks"); v.Value != "75" || v.Origin != config.FromFile {
			t.Errorf("%+v", v)
		}
	})
	t.Run("a faulty file of what was set at run time costs its faulty keys only", func(t *testing.T) {
		must(t, os.WriteFile(a.path("runtime.yml"), []byte("agent: {socket: /tmp/other}\nresponse: {max_blocks: 0, min_score: 0.7}\n"), 0o600))
		a.kill()
		a.start(t)
		a.ready(t)
		if v := a.value(t, "response.min_score"); v.Value != "0.7" {
			t.Errorf("%+v", v)
		}
		if s := a.status(); !hasAlarm(s, "config", "max_blocks") {
			t.Errorf("no alarm: %+v", s.Alarms)
		}
		wants(t, "response.min_score", "config", "unset", "--runtime")
	})
}

// D07 for changes on the socket, too.
func TestFaultConfigStorm(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := quiet(t, l)
	t.Run("D07 changes on the socket and reloads at once", func(t *testing.T) {
		const callers, calls = 4, 25
		before := a.status().Generation
		var all sync.WaitGroup
		for i := range callers {
			c := a.client(t)
			all.Go(func() {
				for j := range calls {
					a.signal(syscall.SIGHUP)
					key := []string{"response.max_blocks", "response.max_new_blocks_per_minute"}[i%2]
					if _, err := c.SetConfig(t.Context(), key, strconv.Itoa(1000+100*i+j)); err != nil {
						t.Errorf("%s: %v", key, err)
					}
				}
			})
		}
		all.Wait()
		// What was stored is what is in force, and nothing else has changed.
		stored, err := os.ReadFile(a.path("runtime.yml"))
		must(t, err)
		changed := []string{}
		cfg, err := config.Load(a.path("config.yml"))
		must(t, err)
		over, problems := cfg.Overlay("runtime.yml", stored)
		must(t, problems.Err())
		want, err := over.Values("")
		must(t, err)
		for _, v := range want {
			if got := a.value(t, v.Key); got != control.ConfigValue(v) {
				t.Errorf("in force is %+v, stored %+v", got, v)
			}
			if v.Origin == config.FromRuntime {
				changed = append(changed, v.Key)
			}
		}
		if !slices.Equal(changed, []string{"response.max_blocks", "response.max_new_blocks_per_minute"}) {
			t.Errorf("set at run time are %q", changed)
		}
		if got := a.status().Generation; got < before+callers*calls {
			t.Errorf("generation %d after %d changes", got, callers*calls)
		}
		t.Logf("%d changes and %d reloads", callers*calls, a.status().Generation-before-callers*calls)
	})
}
