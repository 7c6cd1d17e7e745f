package ctl

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newWhitelist(a *app) *cobra.Command {
	return group("whitelist", "Addresses that are never blocked",
		newAllow(a, "add", "Never block an address or network; its automatic blocks are lifted", (*control.Client).Allow),
		newAllow(a, "remove", "Take an address or network off the whitelist", (*control.Client).Disallow),
		newAllowed(a), newSuggest(a))
}

func newAllow(a *app, use, shortText string, call func(*control.Client, context.Context, control.AllowParams) (*control.AllowResult, error)) *cobra.Command {
	var p control.AllowParams
	c := &cobra.Command{
		Use: use + " IP|NETWORK|NAME|AS64500|country:DE", Short: shortText, Args: someArgs(1, 1, "one address, network, name or place"),
		Long: shortText + `.

The addresses of a name (office.example.net) are looked up again and again, so
that it may be one of dynamic DNS.

A network by its number (AS64500) or a country (country:DE) is known by the
databases of 'sentinelctl geo'. Attacks from there are reported and not blocked
automatically; without a database nobody is protected by that.`,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			var name, place error
			p.Place, place = sentinel.ParsePlace(args[0])
			p.Name, name = sentinel.ParseHostName(args[0])
			switch {
			case place == nil:
				p.Name = ""
			case strings.HasPrefix(args[0], "country:"):
				return usagef("%v", place)
			case name != nil:
				if p.IP, err = networkArg(args[0]); err != nil {
					return err
				}
			}
			if p.Name == "" && p.Place.IsZero() && p.IP.Bits() == 0 && use == "add" {
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
				what := cmp.Or(p.Name, p.Place.String())
				if what == "" {
					what = p.IP.String()
				}
				a.allowed(use == "add", what, r)
				return nil
			})
		},
	}
	c.Flags().StringVar(&p.Reason, "reason", "", "why, for the records")
	return c
}

func (a *app) allowed(added bool, n string, r *control.AllowResult) {
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
	if len(r.Addresses) > 0 {
		s.printf("  now: %s\n", addressList(r.Addresses))
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
				if a.format != "table" { // names are elements too, by their "name"
					all := make([]any, 0, len(r.Entries)+len(r.Names))
					for i := range r.Entries {
						all = append(all, r.Entries[i])
					}
					for i := range r.Names {
						all = append(all, r.Names[i])
					}
					return list(a, all)
				}
				t := &table{head: []string{"Network", "From", "Added", "By", "Reason"}, flex: []int{4, 3}}
				for i := range r.Entries {
					e := &r.Entries[i]
					what := e.Place.String()
					if what == "" {
						what = e.Prefix.String()
					}
					t.add(cell{what, styleBold}, plain(e.Kind), plain(ago(a.now(), e.Added)), plain(orDash(e.Actor)), plain(orDash(e.Reason)))
				}
				t.print(a.out)
				a.names(r.Names)
				return nil
			})
		},
	}
}

// names shows the names of the whitelist and what is wrong with them.
func (a *app) names(list []control.AllowName) {
	if len(list) == 0 {
		return
	}
	a.out.printf("\n")
	t := &table{head: []string{"Name", "From", "Looked up", "Addresses"}, flex: []int{3, 0}}
	for i := range list {
		n := &list[i]
		text := plain(orDash(addressList(n.Addresses)))
		if n.Error != "" {
			text = cell{addressList(n.Addresses) + " (" + n.Error + ")", styleWarn}
			if len(n.Addresses) == 0 {
				text.text = n.Error
			}
		}
		t.add(cell{n.Name, styleBold}, plain(n.Kind), plain(ago(a.now(), n.Resolved)), text)
	}
	t.print(a.out)
}

// addressList writes addresses in a line, at most four.
func addressList(list []netip.Addr) string {
	var out []string
	for i, addr := range list {
		if i == 4 {
			out = append(out, fmt.Sprintf("and %d more", len(list)-i))
			break
		}
		out = append(out, addr.String())
	}
	return strings.Join(out, ", ")
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
