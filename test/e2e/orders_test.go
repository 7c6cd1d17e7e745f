package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/enforce"
)

// quiet is an agent with a log in which nothing happens.
func quiet(t *testing.T, l *lab, response ...string) (*agentProc, *logFile) {
	t.Helper()
	log := newLog(t, filepath.Join(tempDir(t), "auth.log"))
	return runAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}, response: response}), log
}

// refused wants an order to be refused with a hint at what would be right.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	var e *control.Error
	switch {
	case !errors.As(err, &e) || e.Code != control.CodeRefused && e.Code != control.CodeInvalidParams:
		t.Errorf("%s: %v, want a refusal", what, err)
	case e.Error() == "":
		t.Errorf("%s: refused without a word", what)
	}
}

func TestFaultOrders(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a, _ := quiet(t, l)
	c := a.client(t)
	ctx := t.Context()
	target := evil[0].String()

	t.Run("block and unblock reach the kernel", func(t *testing.T) {
		if r := a.block(t, control.BlockParams{IP: network(t, target), Reason: "test"}); !r.Applied || !r.New {
			t.Errorf("%+v, want a new block that is applied", r)
		}
		l.cut(t, evil[0])
		l.open(t, good)
		if r, err := c.Unblock(ctx, control.UnblockParams{IP: network(t, target)}); err != nil || len(r.Unblocked) != 1 {
			t.Errorf("%+v, %v; want one block lifted", r, err)
		}
		l.open(t, evil[0])
	})
	t.Run("A03 what is whitelisted is not blocked by hand", func(t *testing.T) {
		if _, err := c.Allow(ctx, control.AllowParams{IP: network(t, "203.0.113.12"), Reason: "a friend"}); err != nil {
			t.Fatal(err)
		}
		_, err := c.Block(ctx, control.BlockParams{IP: network(t, "203.0.113.12")})
		refused(t, "whitelisted by a person", err)
		_, err = c.Block(ctx, control.BlockParams{IP: network(t, "10.1.1.1")})
		refused(t, "whitelisted by configuration", err)
		if r := a.block(t, control.BlockParams{IP: network(t, "10.1.1.1"), Force: true}); !r.Applied || !r.Block.Forced {
			t.Errorf("%+v, want a forced block", r)
		}
		if _, err := c.Unblock(ctx, control.UnblockParams{IP: network(t, "10.1.1.1")}); err != nil {
			t.Error(err)
		}
	})
	t.Run("A04 whitelisting lifts a block at once", func(t *testing.T) {
		a.block(t, control.BlockParams{IP: network(t, target)})
		if l.reaches(evil[0]) {
			t.Fatal("the block is not in force")
		}
		r, err := c.Allow(ctx, control.AllowParams{IP: network(t, target)})
		if err != nil || !r.Changed {
			t.Fatalf("%+v, %v; want a changed whitelist", r, err)
		}
		l.open(t, evil[0])
		if _, err := c.Disallow(ctx, control.AllowParams{IP: network(t, target)}); err != nil {
			t.Error(err)
		}
	})
	t.Run("A08 a network that holds a whitelisted address is refused", func(t *testing.T) {
		_, err := c.Block(ctx, control.BlockParams{IP: network(t, "203.0.113.0/28")})
		refused(t, "a network with a whitelisted address", err)
		l.open(t, good)
	})
	t.Run("A10 networks that cut off everybody are refused", func(t *testing.T) {
		for _, text := range []string{
			"0.0.0.0/0", "::/0", "0.0.0.0/8", "128.0.0.0/1", "8.0.0.0/15", "2000::/3", "2001:db8::/31",
			"224.0.0.1", "ff02::1", "255.255.255.255", "0.0.0.0", "::", "127.0.0.1", "::1", "fe80::1",
			victim4.String(), victim6.String(), gateway.String(),
		} {
			for _, force := range []bool{false, true} {
				_, err := c.Block(ctx, control.BlockParams{IP: network(t, text), Force: force, Permanent: force})
				refused(t, text, err)
			}
		}
		if k := l.kernel(t); len(k) > 0 {
			t.Errorf("the kernel drops %v", k)
		}
	})
	t.Run("E09 a block ends by itself", func(t *testing.T) {
		r := a.block(t, control.BlockParams{IP: network(t, target), Duration: control.Seconds(2 * time.Second)})
		if l.reaches(evil[0]) && time.Now().Before(r.Block.Expires) {
			t.Error("the block is not in force")
		}
		l.open(t, evil[0])
		until(t, "it is no longer listed", func() bool { return len(a.blocks(t)) == 0 })
	})
	t.Run("E15 an established connection is cut", func(t *testing.T) {
		conn, err := l.dial(evil[0], echoPort)
		must(t, err)
		defer conn.Close()
		until(t, "the connection works", func() bool { return alive(conn) })
		a.block(t, control.BlockParams{IP: network(t, target)})
		if alive(conn) {
			t.Error("bytes still flow")
		}
	})
	t.Run("E17 a clean stop keeps the blocks", func(t *testing.T) {
		if code := a.stop(t); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if k := l.kernel(t); !slices.Equal(k, []string{target}) || l.reaches(evil[0]) {
			t.Errorf("the kernel drops %v, want %s", k, target)
		}
		a.start(t)
		a.ready(t)
	})
	t.Run("A13 the table can be removed when the agent is dead", func(t *testing.T) {
		a.kill()
		if l.reaches(evil[0]) {
			t.Fatal("the block went with the agent")
		}
		var err error
		l.victim.Do(func() { err = enforce.RemoveAll(context.Background()) })
		must(t, err)
		l.open(t, evil[0])
	})
}

func TestModes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, response string }{
		{"observe", "mode: observe"},
		{"dry run", "firewall: {backend: dryrun}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t)
			a, log := quiet(t, l, test.response)
			log.write(t, failures(evil[0].String(), 10)...)
			a.expect(t, "the attacker is listed", func(s *control.Status) bool { return s.Blocks == 1 && s.Last24h.Threats >= 1 })
			if !slices.Equal(a.blocks(t), []string{evil[0].String()}) {
				t.Errorf("listed are %v", a.blocks(t))
			}
			if k := l.kernel(t); len(k) > 0 {
				t.Errorf("the kernel drops %v", k)
			}
			l.open(t, evil[0])
			if s := a.status(); test.name == "observe" && (s.Mode != "observe" || s.Simulated != 1) {
				t.Errorf("status has mode %s and %d simulated blocks", s.Mode, s.Simulated)
			} else if test.name == "dry run" && s.Firewall.Backend != "dryrun" {
				t.Errorf("the firewall is %s", s.Firewall.Backend)
			}
		})
	}
}

// A bad configuration ends the start with its place, not with a stack trace.
func TestFaultBadConfig(t *testing.T) {
	t.Parallel()
	need(t, "nft")
	for _, test := range []struct{ name, text, place string }{
		{"D14 unknown key", "agent:\n  log_levle: info\n", "config.yml:2:3"},
		{"D14 wrong type", "response:\n  max_blocks: many\n", "config.yml:2:15"},
		{"D14 negative duration", "response:\n  block_duration:\n    HIGH: -1h\n", "config.yml:3:11"},
		{"D14 out of bounds", "response:\n  min_score: 0.3\n", "config.yml:2:14"},
		{"D14 not YAML", "agent: [\n", "config.yml:"},
		{"D14 one log twice", "logs:\n  sources:\n    - path: /var/log/a\n    - path: /var/log//a\n", "config.yml:4:13"},
		{"D14 bad network", "response:\n  whitelist: [10.0.0.0/33]\n", "config.yml:2:15"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(tempDir(t), "config.yml")
			must(t, os.WriteFile(path, []byte(test.text), 0o644))
			for _, args := range [][]string{{"-check"}, nil} {
				checkFault(t, append(args, "-config", path), test.place)
			}
		})
	}
}
