package ctl

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
	"github.com/sentinel-ai/sentinel-ai/internal/geo"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

func newGeo(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "geo [ADDRESS...]", Short: "Show by which databases countries are told, and where addresses are",
		Long: `Show the databases of countries and networks that the agent uses, of what date they
are and on what terms, what is wrong with others, and where addresses are. They are
files on this host: nothing is asked over the network.`,
		Example: "  sentinelctl geo\n  sentinelctl geo 203.0.113.7 2001:db8::1",
		RunE: func(cmd *cobra.Command, args []string) error {
			var p control.GeoParams
			for _, arg := range args {
				addr, err := netip.ParseAddr(arg)
				if err != nil {
					return usagef("%.80q is not an address", arg)
				}
				p.Addresses = append(p.Addresses, sentinel.Normalize(addr))
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Geo(ctx, p)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(r)
				}
				if len(r.Found) == 0 {
					a.geography(&r.GeoStatus)
					return nil
				}
				t := &table{head: []string{"Address", "Country", "Network"}, flex: []int{2}}
				for _, f := range r.Found {
					g := sentinel.Geo{Country: f.Country, ASN: f.ASN, Org: f.Org}
					t.add(cell{f.IP.String(), styleBold}, plain(orDash(g.Country)), plain(orDash(g.Network())))
				}
				t.print(a.out)
				for _, f := range r.Faults {
					a.out.lines("  ", fmt.Sprintf("%s: %s", f.Path, f.Text))
				}
				return nil
			})
		},
	}
}

// locator opens the databases of a configuration for work without the agent, and
// names what is wrong with them.
func (a *app) locator(cfg *config.Config) func(netip.Addr) sentinel.Geo {
	country, asn := cfg.Geo.Paths()
	db := geo.New(geo.Config{Country: country, ASN: asn})
	db.Refresh()
	_, faults := db.Status()
	for _, f := range faults {
		a.err.printf("%s %s\n", a.err.paint(styleWarn, "geography:"), clean(f.Path+": "+f.Text))
	}
	_ = a.err.flush()
	return db.Lookup
}

// listings reads the lists of addresses with a bad name, for the same.
func (a *app) listings(cfg *config.Config) func(netip.Addr) []decide.Listing {
	lists := setup.LoadBadNames(cfg, nil)
	for _, f := range lists.Faults {
		a.err.printf("%s %s\n", a.err.paint(styleWarn, "list:"), clean(f))
	}
	_ = a.err.flush()
	return func(addr netip.Addr) []decide.Listing { return decide.FindBadNames(lists.Lists, addr) }
}

// geography shows the databases.
func (a *app) geography(st *control.GeoStatus) {
	s := a.out
	switch {
	case !st.Enabled:
		s.printf("  geo.enabled is false: countries and networks are not told\n")
	case len(st.Databases) == 0:
		s.printf("  no database: countries and networks are not told (docs/geography.md says where to get one)\n")
	}
	for i := range st.Databases {
		d := &st.Databases[i]
		s.printf("\n  %s\n", s.paint(styleBold, clean(d.Path)))
		fact := func(name, text string) { s.lines("    ", fmt.Sprintf("%-9s %s", name, text)) }
		fact("Tells", strings.Join(d.Use, " and "))
		fact("Type", d.Type)
		built := d.Built.Format(time.DateOnly)
		if age := a.now().Sub(d.Built); age > 180*24*time.Hour {
			built += fmt.Sprintf(" (%s ago: addresses change hands, a newer one tells more)", long(age))
		}
		fact("Date", built)
		fact("Size", size(uint64(max(0, d.Size))))
		if d.Licence != "" {
			fact("Terms", d.Licence)
		}
	}
	for _, f := range st.Faults {
		s.printf("  %s\n", s.paint(styleWarn, clean(fmt.Sprintf("not used: %s: %s", f.Path, f.Text))))
	}
	s.printf("\n")
}

// listsText is the line of status about lists of addresses with a bad name.
func listsText(lists []control.ListStatus) string {
	var parts []string
	for i := range lists {
		l := &lists[i]
		parts = append(parts, fmt.Sprintf("%s (%s, weight %.2f)", l.Name, plural(l.Entries, "network"), l.Weight))
	}
	return clean(strings.Join(parts, ", "))
}

// geoText is the line of status.
func geoText(st *control.GeoStatus) string {
	var parts []string
	for i := range st.Databases {
		d := &st.Databases[i]
		parts = append(parts, fmt.Sprintf("%s of %s", strings.Join(d.Use, " and "), d.Built.Format(time.DateOnly)))
	}
	if len(parts) == 0 {
		return ""
	}
	return clean(strings.Join(parts, ", "))
}
