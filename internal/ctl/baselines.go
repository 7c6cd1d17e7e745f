package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newBaselines(a *app) *cobra.Command {
	var metric string
	c := &cobra.Command{
		Use: "baselines [LOG]", Short: "Show what the agent has learned to be usual of a log",
		Long: `Without a log, list those that are watched and how far learning has come. With
one, show for each hour of the week within what range most stretches of five
minutes lie. --metric chooses what is shown; without it, requests (or lines).`,
		Example: `  sentinelctl ai baselines
  sentinelctl ai baselines /var/log/nginx/access.log
  sentinelctl ai baselines /var/log/auth.log --metric auth_fail`,
		Args: someArgs(0, 1, "a log"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Baselines(ctx, control.BaselinesParams{Source: strings.Join(args, "")})
				if err != nil {
					return err
				}
				switch {
				case a.format == "json":
					return a.json(r)
				case a.format == "jsonl" && len(args) == 0:
					return list(a, r.Anomaly.Sources)
				case a.format == "jsonl":
					return list(a, r.Metrics)
				case len(args) == 0:
					a.watched(&r.Anomaly)
					return nil
				}
				return a.baseline(r, metric)
			})
		},
	}
	c.Flags().StringVar(&metric, "metric", "requests", "show this `metric`")
	return c
}

// watchedClients says how far it is learned what clients of web servers do.
func (a *app) watchedClients(c *control.AnomalyClients) {
	switch {
	case c == nil:
	case c.Error != "":
		a.out.printf("  %s\n\n", a.out.paint(styleBad, "Clients are not judged: "+clean(c.Error)))
	default:
		text := fmt.Sprintf("Clients of web servers: %d %% learned, %s judged, %s remembered", c.Percent, plural(c.Judged, "window"), thousands(c.Remembered))
		if !c.Fitted.IsZero() {
			text += ", own forest of " + ago(a.now(), c.Fitted)
		}
		a.out.printf("  %s.\n\n", text)
	}
}

// watched lists how far the logs are.
func (a *app) watched(st *control.AnomalyStatus) {
	s := a.out
	if !st.Enabled {
		s.printf("  What is usual is not learned: detection.anomaly.enabled is false.\n")
		return
	}
	if st.Error != "" {
		s.printf("  %s\n", s.paint(styleBad, "Nothing is learned or told: "+clean(st.Error)))
		return
	}
	a.watchedClients(st.Clients)
	if len(st.Sources) == 0 {
		s.printf("  No line has been read yet.\n")
		return
	}
	t := &table{head: []string{"Log", "Learned", "Since", "Five minutes", "Last unusual"}, flex: []int{0}}
	t.numbers(1, 3)
	for _, x := range st.Sources {
		last := "-"
		if !x.Deviated.IsZero() {
			last = ago(a.now(), x.Deviated)
		}
		learned := plain(fmt.Sprintf("%d %%", x.Percent))
		if x.Learning {
			learned.style = styleWarn
		}
		t.add(plain(x.Source), learned, plain(x.Since.In(time.Local).Format("2006-01-02 15:04")), plain(thousands(x.Bins)), plain(last))
	}
	t.print(s)
	if st.NotWatched > 0 {
		s.printf("  %s not watched: there are too many.\n", plural(st.NotWatched, "more log"))
	}
}

// baseline shows one metric as a table of the hours of the week.
func (a *app) baseline(r *control.BaselinesResult, metric string) error {
	i := slices.IndexFunc(r.Metrics, func(m control.BaselineMetric) bool { return m.Metric == metric })
	if i < 0 {
		var names []string
		for _, m := range r.Metrics {
			names = append(names, m.Metric)
		}
		return usagef("--metric: nothing has been learned of %q; of this log there is %s", metric, strings.Join(names, ", "))
	}
	s := a.out
	var cells [7][24]string
	for _, h := range r.Metrics[i].Hours {
		if h.Weekday >= 0 && h.Weekday < 7 && h.Hour >= 0 && h.Hour < 24 {
			text := clean(h.Text)
			if h.Samples == 0 {
				text = "(" + text + ")"
			}
			cells[h.Weekday][h.Hour] = text
		}
	}
	s.printf("  %s of %s in five minutes, by the hour of the week\n\n", clean(metric), clean(r.Source))
	t := &table{head: []string{"Hour", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}}
	t.numbers(1, 2, 3, 4, 5, 6, 7)
	for hour := range 24 {
		row := []cell{plain(fmt.Sprintf("%02dh", hour))}
		for day := range 7 {
			row = append(row, plain(cells[(day+1)%7][hour]))
		}
		t.add(row...)
	}
	t.print(s)
	s.printf("\n  In brackets: not seen yet, from other hours. Also learned: --metric")
	for _, m := range r.Metrics {
		if m.Metric != metric {
			s.printf(" %s", clean(m.Metric))
		}
	}
	s.printf("\n")
	return nil
}

func newForget(a *app) *cobra.Command {
	var p control.ForgetParams
	c := &cobra.Command{
		Use: "forget [LOG]", Short: "Forget what was learned to be usual of a log, and learn anew",
		Long: `Use it when what was learned is not what is usual: an attack went on while the
agent learned, or the site has changed. Learning begins anew and takes as long as
the first time. --all forgets every log, also what cannot be read any more.`,
		Example: `  sentinelctl ai forget /var/log/nginx/access.log
  sentinelctl ai forget --all`,
		Args: someArgs(0, 1, "a log"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p.Source = strings.Join(args, "")
			if (p.Source == "") != p.All {
				return usagef("name either a log or --all")
			}
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Forget(ctx, p)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(r)
				}
				if len(r.Sources) == 0 {
					a.out.printf("  There was nothing to forget.\n")
				}
				for _, x := range r.Sources {
					a.out.printf("  Forgot what is usual of %s; learning begins anew.\n", clean(x))
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&p.All, "all", false, "forget every log")
	return c
}

// learningText says in status how far learning has come, empty from older agents
// and where nothing is learned.
func (a *app) learningText(st *control.AnomalyStatus) string {
	if st == nil || !st.Enabled || st.Error != "" || len(st.Sources) == 0 {
		return ""
	}
	var least *control.AnomalySource
	learning, known := 0, 0
	var last time.Time
	for i := range st.Sources {
		x := &st.Sources[i]
		if x.Deviated.After(last) {
			last = x.Deviated
		}
		if !x.Learning {
			known++
			continue
		}
		learning++
		if least == nil || x.Percent < least.Percent {
			least = x
		}
	}
	var parts []string
	if c := st.Clients; c != nil && c.Error == "" {
		if c.Learning {
			parts = append(parts, fmt.Sprintf("learning what clients do, %d %%", c.Percent))
		} else {
			parts = append(parts, "what clients do is known")
		}
	}
	if known > 0 {
		parts = append(parts, "what is usual is known of "+plural(known, "log"))
	}
	switch {
	case learning == 1:
		parts = append(parts, fmt.Sprintf("learning %d %% (%s, since %s)", least.Percent, clean(least.Source), least.Since.In(time.Local).Format("Jan 2")))
	case learning > 1:
		parts = append(parts, fmt.Sprintf("learning %s, %d %% or more, since %s", plural(learning, "log"), least.Percent, least.Since.In(time.Local).Format("Jan 2")))
	}
	if !last.IsZero() {
		parts = append(parts, "last unusual "+ago(a.now(), last))
	}
	return strings.Join(parts, "; ")
}
