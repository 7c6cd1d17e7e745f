package ctl

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/simulate"
)

// generateFlags are what "ai generate" was told.
type generateFlags struct {
	plan    simulate.Plan
	start   string
	attacks []string
	dir     string
}

func newGenerate(a *app) *cobra.Command {
	f := generateFlags{}
	c := &cobra.Command{
		Use: "generate", Short: "Make days of logs, with attackers who say what they are",
		Long: `Write a log as a web or SSH server would, with people, programs and crawlers, and
with attackers if you want some. The same options give the same log.

Two files are written into the folder: access.log (auth.log for the site ssh), and
clients.jsonl, which says of each address what it is: the kind of a harmless
client, or the behaviour and speed of an attacker, with its first and last line.

An attack is BEHAVIOUR:SPEED=COUNT, for example scanner:slow=3; speeds are fast,
medium and slow. Behaviours: ` + strings.Join(simulate.WebBehaviours(), ", ") + `;
ssh-brute for the site ssh. These take all days and have no speed: login-one-each
(a crowd of addresses with one attempt each), login-every-10m (one address, one
attempt in ten minutes), and ssh-one-each and ssh-every-10m for the site ssh.`,
		Example: `  sentinelctl ai generate --site shop --days 2 --attack scanner:slow=3 --out ./days
  sentinelctl ai generate --site ssh --attack ssh-one-each --out ./ssh
  sentinelctl ai analyze ./ssh/auth.log`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return a.generate(&f) },
	}
	fl := c.Flags()
	fl.StringVar(&f.plan.Site, "site", "blog", "`name`: "+strings.Join(simulate.Sites, ", ")+" or ssh")
	fl.IntVar(&f.plan.Days, "days", 1, "`number` of days")
	fl.IntVar(&f.plan.Clients, "clients", 200, "`number` of harmless clients a day, about")
	fl.StringArrayVar(&f.attacks, "attack", nil, "`behaviour:speed=count` of attackers, may be repeated")
	fl.IntVar(&f.plan.Quiet, "quiet", 0, "`number` of days before the attacks begin")
	fl.StringVar(&f.start, "start", "2026-03-02", "first `day` (UTC)")
	fl.Uint64Var(&f.plan.Seed, "seed", 1, "`number` that all random choices follow from")
	fl.StringVar(&f.dir, "out", "", "`folder` to write to, made if it is not there")
	return c
}

// generate writes the log and who is who.
func (a *app) generate(f *generateFlags) error {
	p := &f.plan
	if f.dir == "" {
		return usagef("--out is missing: where should the log go?")
	}
	var err error
	if p.Start, err = time.Parse(time.DateOnly, f.start); err != nil {
		return usagef("--start: %s is no day", quote(f.start)).hint("write it as 2026-03-02")
	}
	for _, text := range f.attacks {
		attack, err := parseAttack(text)
		if err != nil {
			return err
		}
		p.Attacks = append(p.Attacks, attack)
	}
	if err := p.Validate(); err != nil {
		return usagef("%v", err)
	}
	lines := p.Lines()
	name := "access.log"
	if p.Site == "ssh" {
		name = "auth.log"
	}
	var log bytes.Buffer
	for i := range lines {
		log.WriteString(lines[i].Text + "\n")
	}
	clients := whoIsWho(lines)
	var who bytes.Buffer
	enc := json.NewEncoder(&who)
	attackers := 0
	for _, c := range clients {
		if c.Behaviour != "" {
			attackers++
		}
		if err := enc.Encode(c); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(f.dir, 0o755); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(f.dir, name), log.Bytes()); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(f.dir, "clients.jsonl"), who.Bytes()); err != nil {
		return err
	}
	a.out.printf("%s of %s and %s in %s\n", plural(len(lines), "line"), plural(len(clients)-attackers, "harmless client"), plural(attackers, "attacker"), filepath.Join(f.dir, name))
	return nil
}

// parseAttack reads BEHAVIOUR[:SPEED][=COUNT].
func parseAttack(text string) (at simulate.Attack, err error) {
	rest, count, given := strings.Cut(text, "=")
	at.Count = 1
	if given {
		if at.Count, err = strconv.Atoi(count); err != nil {
			return at, usagef("--attack: %s is no number", quote(count)).hint("for example scanner:slow=3")
		}
	}
	at.Behaviour, at.Speed, given = strings.Cut(rest, ":")
	if !given && !simulate.Patient(at.Behaviour) {
		at.Speed = "medium"
	}
	return at, nil
}

// client is a row of clients.jsonl.
type client struct {
	Address   netip.Addr `json:"address"`
	Kind      string     `json:"kind"`
	Behaviour string     `json:"behaviour,omitempty"`
	Speed     string     `json:"speed,omitempty"`
	First     time.Time  `json:"first"`
	Last      time.Time  `json:"last"`
	Lines     int        `json:"lines"`
}

// whoIsWho lists the clients in the order of their first lines.
func whoIsWho(lines []simulate.Line) []*client {
	var list []*client
	known := make(map[netip.Addr]*client)
	for i := range lines {
		l := &lines[i]
		c := known[l.Client]
		if c == nil {
			c = &client{Address: l.Client, Kind: l.Kind, Behaviour: l.Label, Speed: l.Speed, First: l.Time}
			known[l.Client] = c
			list = append(list, c)
		}
		c.Last = l.Time
		c.Lines++
	}
	return list
}
