package ctl

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newWhitelist(a *app) *cobra.Command {
	return group("whitelist", "Addresses that are never blocked",
		newAllow(a, "add", "Never block an address or network; its automatic blocks are lifted", (*control.Client).Allow),
		newAllow(a, "remove", "Take an address or network off the whitelist", (*control.Client).Disallow),
		newAllowed(a))
}

func newAllow(a *app, use, shortText string, call func(*control.Client, context.Context, control.AllowParams) (*control.AllowResult, error)) *cobra.Command {
	var p control.AllowParams
	c := &cobra.Command{
		Use: use + " IP|NETWORK", Short: shortText, Args: someArgs(1, 1, "one address or network"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if p.IP, err = networkArg(args[0]); err != nil {
				return err
			}
			if p.IP.Bits() == 0 && use == "add" {
				return usagef("%s is the whole internet: nobody would ever be blocked", p.IP).
					hint("to see what would be blocked without blocking: response.mode: observe")
			}
			if err := checkReason(p.Reason); err != nil {
				return err
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := call(c, ctx, p)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(r)
				}
				a.allowed(use == "add", p.IP, r)
				return nil
			})
		},
	}
	c.Flags().StringVar(&p.Reason, "reason", "", "why, for the records")
	return c
}

func (a *app) allowed(added bool, n control.Network, r *control.AllowResult) {
	s := a.out
	switch {
	case added && r.Changed:
		s.printf("  %s is %s\n", n, s.paint(styleGood, "never blocked from now on"))
	case added:
		s.printf("  %s was on the whitelist already\n", n)
	case r.Changed:
		s.printf("  %s is %s\n", n, s.paint(styleGood, "off the whitelist"))
	default:
		s.printf("  %s was not on the whitelist\n", n)
	}
	for i := range r.Unblocked {
		s.printf("  %s %s\n", s.paint(styleGood, "Unblocked"), clean(networkText(&r.Unblocked[i])))
	}
	if r.Note != "" {
		s.lines("  ", r.Note)
	}
}

func newAllowed(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show what is never blocked, and why", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Allowed(ctx)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return list(a, r.Entries)
				}
				t := &table{head: []string{"Network", "From", "Added", "By", "Reason"}, flex: []int{4, 3}}
				for i := range r.Entries {
					e := &r.Entries[i]
					t.add(cell{e.Prefix.String(), styleBold}, plain(e.Kind), plain(ago(a.now(), e.Added)), plain(orDash(e.Actor)), plain(orDash(e.Reason)))
				}
				t.print(a.out)
				return nil
			})
		},
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
