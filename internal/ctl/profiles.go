package ctl

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newProfiles(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "profiles", Short: "Show the applications that were recognised in logs", Args: noArgs,
		Long: `Some applications ask for so much that is not there that their ordinary use looks
like a search for holes: WebDAV and Nextcloud clients, Git, WordPress, Grafana,
Matrix, Home Assistant. Where one was recognised, that does not count as a search,
for its users and within its own paths. detection.profiles.NAME of the
configuration says that one is in use (on) or never to be considered (off).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				st, err := c.Status(ctx)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return list(a, st.Profiles)
				}
				a.profiles(st.Profiles)
				return nil
			})
		},
	}
}

func (a *app) profiles(all []control.ProfileStatus) {
	s := a.out
	if len(all) == 0 {
		s.printf("  No application has answered in a log yet.\n")
		return
	}
	t := &table{head: []string{"Application", "Log", "State", "Since", "Last answer", "Excepted"}, flex: []int{1}}
	t.numbers(5)
	for i := range all {
		x := &all[i]
		state, since := plain("answered "+plural(x.Addresses, "address")+" of 3"), "-"
		switch {
		case x.On && x.Pinned:
			state = cell{"on (configured)", styleGood}
		case x.On:
			state = cell{"on", styleGood}
		case x.Pinned:
			state = cell{"off (configured)", styleDim}
		case x.Addresses >= 3:
			state = plain("known for less than a day")
		}
		if !x.Since.IsZero() {
			since = ago(a.now(), x.Since)
		}
		t.add(plain(x.Title), plain(x.Source), state, plain(since), plain(ago(a.now(), x.Last)), plain(thousands(x.Excepted)))
	}
	t.print(s)
}

// profilesText names in status the applications that are recognised.
func profilesText(all []control.ProfileStatus) string {
	var on []string
	for i := range all {
		if all[i].On {
			on = append(on, clean(all[i].Title)+" ("+clean(all[i].Source)+")")
		}
	}
	return strings.Join(on, ", ")
}
