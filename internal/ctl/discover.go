package ctl

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newDiscover(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "discover", Short: "Look for logs on this host, and show what was found, why, and whether it is read", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Discover(ctx)
				if err != nil {
					return err
				}
				return answer(a, r, r.Logs, a.discovered)
			})
		},
	}
}

func (a *app) discovered(r *control.DiscoverResult) {
	s := a.out
	if len(r.Logs) == 0 {
		s.printf("  No logs were found. Name them in logs.sources of the configuration.\n")
	} else {
		t := &table{head: []string{"Log", "Type", "State", "Found by", "Note"}, flex: []int{4, 3, 0}}
		for i := range r.Logs {
			x := &r.Logs[i]
			st := stylePlain
			if x.State == control.LogDenied {
				st = styleWarn
			}
			note := strings.TrimPrefix(x.Problem+": "+x.Hint, ": ")
			if note = strings.TrimSuffix(note, ": "); note == "" && len(x.Formats) > 0 {
				note = "format " + strings.Join(x.Formats, ", ")
			}
			t.add(plain(x.Path), plain(string(x.Type)), cell{x.State, st}, plain(strings.Join(x.By, ", ")), cell{note, st})
		}
		t.print(s)
	}
	for _, n := range r.Notes {
		s.printf("  ! %s\n", s.paint(styleWarn, clean(n)))
	}
}
