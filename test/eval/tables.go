package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// table is one result, to be printed or written into the report.
type table struct {
	title string
	// about is said before the table, note after it; Markdown in the report.
	about, note string
	head        []string
	rows        [][]string
	// words is how many columns at the left hold words, the others figures.
	words int
}

// printTables writes tables for a terminal.
func printTables(out io.Writer, tables []table) error {
	for _, t := range tables {
		fmt.Fprintf(out, "\n%s\n", strings.ToUpper(t.title))
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, row := range append([][]string{t.head}, t.rows...) {
			fmt.Fprintln(w, strings.Join(row, "\t"))
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if t.note != "" {
			fmt.Fprintln(out, t.note)
		}
	}
	return nil
}

// markdown writes tables as sections of a page.
func markdown(out io.Writer, tables []table) {
	for _, t := range tables {
		fmt.Fprintf(out, "\n## %s\n\n", t.title)
		if t.about != "" {
			fmt.Fprintf(out, "%s\n\n", t.about)
		}
		if len(t.rows) > 0 {
			marks := make([]string, len(t.head))
			for i := range marks {
				if marks[i] = "---"; i >= t.words {
					marks[i] = "---:"
				}
			}
			for _, row := range append([][]string{t.head, marks}, t.rows...) {
				fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
			}
		}
		if t.note != "" {
			fmt.Fprintf(out, "\n%s\n", t.note)
		}
	}
}
