package ctl

import (
	"github.com/spf13/cobra"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/rule"
)

func newRulesSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of rule files, for editors that complete and check YAML by one", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			data, err := rule.Schema()
			if err != nil {
				return err
			}
			a.out.printf("%s\n", data)
			return nil
		},
	}
}
