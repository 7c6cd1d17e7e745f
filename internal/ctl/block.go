package ctl

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// networkArg reads the argument of commands about addresses.
func networkArg(text string) (control.Network, error) {
	n, err := control.ParseNetwork(text)
	if err != nil {
		return n, usagef("%v", err)
	}
	return n, nil
}

func newBlock(a *app) *cobra.Command {
	var (
		p        control.BlockParams
		duration string
		confirm  string
	)
	c := &cobra.Command{
		Use: "block IP|NETWORK", Short: "Block an address or network now", Args: someArgs(1, 1, "one address or network"),
		Long: `Block an address or network now. Without --duration or --permanent the block
lasts as long as the configuration says. Of an IPv6 address its /64 is blocked.

With --confirm the block takes effect at once and is lifted again after that time
unless "sentinelctl confirm" comes: if it cuts yourself off, you only have to wait.`,
		Example: `  sentinelctl block 203.0.113.7
  sentinelctl block 198.51.100.0/24 --duration 7d --reason "scans us every night"
  sentinelctl block 198.51.100.0/22 --confirm 60s`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if p.IP, err = networkArg(args[0]); err != nil {
				return err
			}
			if p.IP.Bits() == 0 {
				return usagef("%s is the whole internet", p.IP).hint("name the network that attacks, for example 198.51.100.0/24")
			}
			if duration != "" {
				d, err := control.ParseDuration(duration)
				switch {
				case err != nil:
					return usagef("--duration: %v", err)
				case p.Permanent:
					return usagef("--duration and --permanent contradict each other").hint("leave one of them out")
				case d < time.Second:
					return usagef("--duration: a block lasts at least 1s").hint("to lift a block: sentinelctl unblock %s", p.IP)
				}
				p.Duration = control.Seconds(d)
			}
			if confirm != "" {
				d, err := control.ParseDuration(confirm)
				switch {
				case err != nil:
					return usagef("--confirm: %v", err)
				case d < time.Second || d > control.MaxConfirm:
					return usagef("--confirm: %s is not between 1s and 24h", quote(confirm)).hint("60s leaves enough time to try whether you are still in")
				}
				p.Confirm = control.Seconds(d)
			}
			if err := checkReason(p.Reason); err != nil {
				return err
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Block(ctx, p)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(r)
				}
				a.blocked(p.IP, r)
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVarP(&duration, "duration", "d", "", "how `long`: 90s, 15m, 24h, 7d")
	f.StringVar(&confirm, "confirm", "", "lift it after this `long` unless it is confirmed: 60s, 5m")
	f.BoolVar(&p.Permanent, "permanent", false, "until somebody unblocks it")
	f.StringVar(&p.Reason, "reason", "", "why, for the records")
	f.BoolVar(&p.Force, "force", false, "although the whitelist of the configuration has it (root only)")
	return c
}

func (a *app) blocked(asked control.Network, r *control.BlockResult) {
	s := a.out
	b := &r.Block
	what := networkText(b)
	if b.Prefix.IsValid() && b.Prefix != asked.Prefix {
		what += fmt.Sprintf(" (which holds %s)", asked)
	}
	verb := "Blocked"
	switch {
	case b.Simulated:
		verb = "Would block"
	case !r.New:
		verb = "Blocked already:"
	}
	until := "until somebody unblocks it"
	if !b.Expires.IsZero() {
		until = "until " + stampSeconds(b.Expires) + " (" + short(b.Expires.Sub(a.now())+time.Second/2) + ")"
	}
	st := styleGood
	if !r.Applied {
		st = styleWarn
	}
	s.printf("  %s %s %s\n", s.paint(st, clean(verb)), clean(what), until)
	if r.Note != "" {
		s.lines("  ", r.Note)
	}
	switch {
	case b.Trial:
		then := "It then lasts until somebody unblocks it."
		if !b.Until.IsZero() {
			then = "It then lasts until " + stampSeconds(b.Until) + "."
		}
		s.printf("  %s\n  %s\n", s.paint(styleWarn, "To keep it: sentinelctl confirm "+networkText(b)), s.paint(styleDim, then))
	case !b.Simulated:
		s.printf("  %s\n", s.paint(styleDim, "Undo: sentinelctl unblock "+networkText(b)))
	}
}

func newConfirm(a *app) *cobra.Command {
	var p control.ConfirmParams
	c := &cobra.Command{
		Use: "confirm IP|NETWORK", Short: "Keep a block that was made with --confirm", Args: someArgs(1, 1, "one address or network"),
		Long: `Keep a block that was made with "sentinelctl block --confirm". Without this it is
lifted when its time is over, whether or not the agent runs then.`,
		Example: `  sentinelctl block 198.51.100.0/22 --confirm 60s
  sentinelctl confirm 198.51.100.0/22`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if p.IP, err = networkArg(args[0]); err != nil {
				return err
			}
			if err := checkReason(p.Reason); err != nil {
				return err
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Confirm(ctx, p)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(r)
				}
				r.New = true // as it stands now
				a.blocked(p.IP, r)
				return nil
			})
		},
	}
	c.Flags().StringVar(&p.Reason, "reason", "", "why, for the records")
	return c
}

// networkText is a block's network; a single address stands without length.
func networkText(b *sentinel.BlockRecord) string {
	if !b.Prefix.IsValid() {
		return "-"
	}
	return control.Network{Prefix: b.Prefix}.String()
}

func newUnblock(a *app) *cobra.Command {
	var (
		reason   string
		all, yes bool
	)
	c := &cobra.Command{
		Use: "unblock IP|NETWORK", Short: "Lift the blocks of an address or network",
		Long: `Lift the blocks of an address, or all blocks within a network. --all lifts every
block; as root it works without an agent too, by removing all that we put into the firewall.`,
		Example: `  sentinelctl unblock 203.0.113.7 --reason "our own monitoring"
  sentinelctl unblock --all --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkReason(reason); err != nil {
				return err
			}
			if all {
				if len(args) > 0 {
					return usagef("--all and %s contradict each other", quote(args[0])).hint("leave one of them out")
				}
				return a.unblockAll(cmd, reason, yes)
			}
			if err := someArgs(1, 1, "one address or network")(cmd, args); err != nil {
				return err
			}
			n, err := networkArg(args[0])
			if err != nil {
				return err
			}
			if n.Bits() == 0 {
				return usagef("%s is the whole internet", n).hint("to lift every block: sentinelctl unblock --all --yes")
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Unblock(ctx, control.UnblockParams{IP: n, Reason: reason})
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(r)
				}
				return a.unblocked(n, r)
			})
		},
	}
	f := c.Flags()
	f.StringVar(&reason, "reason", "", "why, for the records")
	f.BoolVar(&all, "all", false, "lift every block")
	f.BoolVarP(&yes, "yes", "y", false, "with --all: do it without asking")
	return c
}

func (a *app) unblocked(n control.Network, r *control.UnblockResult) error {
	s := a.out
	if len(r.Unblocked) == 0 {
		return failf(exitNotFound, "%s is not blocked", n).hint("sentinelctl blocklist shows what is")
	}
	for i := range r.Unblocked {
		b := &r.Unblocked[i]
		s.printf("  %s %s\n", s.paint(styleGood, "Unblocked"), clean(networkText(b)))
		if b.Reason != "" {
			s.printf("  %s\n", s.paint(styleDim, truncate(clean("it was blocked "+ago(a.now(), b.Created)+": "+b.Reason), s.width-2)))
		}
	}
	if r.Note != "" {
		s.lines("  ", r.Note)
	}
	s.printf("  %s\n", s.paint(styleDim, "To keep it from being blocked again: sentinelctl whitelist add "+n.String()))
	return nil
}

// unblockAll lifts every block. Where there is no agent to do it, root removes
// all that we put into the firewall.
func (a *app) unblockAll(cmd *cobra.Command, reason string, yes bool) error {
	if !yes {
		return usagef("--all lifts every block").hint("if that is what you want: sentinelctl unblock --all --yes")
	}
	var lifted []sentinel.BlockRecord
	err := a.ask(cmd, func(ctx context.Context, c *control.Client) error {
		r, err := c.AllBlocks(ctx, control.BlocksParams{Limit: control.MaxPage})
		if err != nil {
			return err
		}
		for i := range r.Blocks {
			if r.Blocks[i].Prefix.IsValid() {
				u, err := c.Unblock(ctx, control.UnblockParams{IP: control.Network{Prefix: r.Blocks[i].Prefix}, Reason: reason})
				if err != nil && control.CodeOf(err) != control.CodeNotFound {
					return err
				}
				if u != nil {
					lifted = append(lifted, u.Unblocked...)
				}
			}
		}
		return nil
	})
	var dial *control.DialError
	switch {
	case errors.As(err, &dial) && dial.NotRunning:
		return a.removeFirewall(cmd.Context(), err)
	case err != nil:
		return err
	case a.format != "table":
		return a.json(control.UnblockResult{Unblocked: append([]sentinel.BlockRecord{}, lifted...)})
	case len(lifted) == 0:
		a.out.printf("  Nothing is blocked.\n")
	default:
		a.out.printf("  %s %s\n", a.out.paint(styleGood, "Lifted"), plural(len(lifted), "block"))
	}
	return nil
}

// removeFirewall is the panic button: the agent is dead and we are root.
func (a *app) removeFirewall(ctx context.Context, dial error) error {
	if a.euid != 0 {
		f := &failure{}
		_ = errors.As(dial, &f)
		return failf(exitNoAgent, "the agent is not running, and only root can open the firewall without it").hint("sudo sentinelctl unblock --all --yes")
	}
	if err := a.removeTable(ctx); err != nil {
		return failf(exitFailed, "the agent is not running, and removing what it put into the firewall failed: %w", err).hint("try: nft delete table inet sentinel")
	}
	if a.format != "table" {
		return a.json(map[string]any{"unblocked": []string{}, "note": "the agent is not running: what it had put into the firewall was removed"})
	}
	a.out.printf("  The agent is not running. %s: nothing is blocked now.\n", a.out.paint(styleGood, "All that it had put into the firewall was removed"))
	a.out.printf("  When the agent starts again it restores the blocks that have not ended.\n")
	a.out.printf("  To prevent that, start it and run this command again.\n")
	return nil
}

func newBlocklist(a *app) *cobra.Command {
	var (
		ip, origin string
		limit      int
	)
	c := &cobra.Command{
		Use: "blocklist", Aliases: []string{"blocks"}, Short: "Show the blocks in force, newest first", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			p := control.BlocksParams{Origin: sentinel.Origin(strings.ToLower(origin)), Limit: control.MaxPage}
			switch p.Origin {
			case "", sentinel.OriginRule, sentinel.OriginCLI, sentinel.OriginBot, sentinel.OriginCloud:
			default:
				return usagef("--origin: %s is none", quote(origin)).hint("write rule, cli, bot or cloud")
			}
			if ip != "" {
				if p.IP, err = control.ParseNetwork(ip); err != nil {
					return usagef("--ip: %v", err)
				}
			}
			if limit < 0 {
				return usagef("--limit: %d is negative", limit).hint("0 shows all")
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.AllBlocks(ctx, p)
				if err != nil {
					return err
				}
				if limit > 0 {
					r.Blocks = r.Blocks[:min(limit, len(r.Blocks))]
				}
				if a.format != "table" {
					return list(a, r.Blocks)
				}
				a.blocks(r)
				return nil
			})
		},
	}
	f := c.Flags()
	f.StringVar(&ip, "ip", "", "only blocks that overlap this `address` or network")
	f.StringVar(&origin, "origin", "", "only those made by `whom`: rule, cli, bot, cloud")
	f.IntVarP(&limit, "limit", "n", 0, "at most `N` (0: all)")
	return c
}

func (a *app) blocks(r *control.BlocksResult) {
	s := a.out
	if len(r.Blocks) == 0 {
		s.printf("  Nothing is blocked.\n")
		return
	}
	now := a.now()
	t := &table{head: []string{"Address", "Since", "Ends", "By", "Reason"}, flex: []int{4, 3}}
	for i := range r.Blocks {
		b := &r.Blocks[i]
		until := "never"
		if !b.Expires.IsZero() {
			until = "in " + long(max(0, b.Expires.Sub(now)+time.Second/2))
		}
		by := string(b.Origin)
		if b.Actor != "" && b.Origin != sentinel.OriginRule {
			by = b.Actor
		}
		reason := b.Reason
		if !b.Rate.IsZero() {
			reason = "(slowed to " + b.Rate.String() + ") " + reason
		}
		if b.Trial {
			reason = "(unless confirmed) " + reason
		}
		if b.Simulated {
			reason = "(simulated) " + reason
		}
		t.add(cell{networkText(b), styleBold}, plain(ago(now, b.Created)), plain(until), plain(by), plain(cmp.Or(reason, "-")))
	}
	t.print(s)
	if r.Total > len(r.Blocks) {
		s.printf("\n  %s\n", s.paint(styleDim, fmt.Sprintf("%s of %s shown", thousands(len(r.Blocks)), thousands(r.Total))))
	}
}
