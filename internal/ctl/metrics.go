package ctl

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

func newMetrics(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "metrics", Short: "Print the agent's figures in the text format of Prometheus", Args: noArgs,
		Long: `Print the agent's figures in the text format of Prometheus, for a collector of
text files for example. metrics.listen of the configuration serves them by HTTP.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.ask(cmd, func(ctx context.Context, c *control.Client) error {
				r, err := c.Metrics(ctx)
				if err != nil {
					return err
				}
				if a.format != "table" {
					return a.json(r)
				}
				for line := range strings.Lines(r.Text) {
					a.out.printf("%s\n", clean(strings.TrimSuffix(line, "\n")))
				}
				return nil
			})
		},
	}
}
