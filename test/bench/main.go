// Command bench measures what the project promises about speed, latency and
// memory, and prints it beside what is promised. It judges nothing by time: it
// fails only if something is wrong, such as a line lost or an attacker not
// blocked.
//
// It runs the built programs in bin/ on logs that it writes itself, the same
// ones each time, and, as root, in network namespaces of its own.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// row is one line of the table.
type row struct {
	figure, target, measured string
	// reached is nil where there is nothing to reach.
	reached *bool
}

// figure measures one or more rows.
type figure struct {
	name    string
	seconds int // it takes about so long
	measure func(*bench) ([]row, error)
}

var figures = []figure{
	{"allocations", 5, allocations},
	{"replay-sshd", 8, func(b *bench) ([]row, error) { return b.replay("sshd", 1_000_000) }},
	{"replay-nginx", 10, func(b *bench) ([]row, error) { return b.replay("nginx", 700_000) }},
	{"rules", 10, scaling},
	{"sigma", 10, withSigma},
	{"anomaly", 8, unusual},
	{"daemon-sshd", 8, func(b *bench) ([]row, error) { return b.daemon("sshd") }},
	{"daemon-nginx", 8, func(b *bench) ([]row, error) { return b.daemon("nginx") }},
	{"latency", 50, latency},
	{"idle", 36, idle},
	{"steady", 65, steady},
	{"distinct", 15, distinct},
	{"restore", 15, restore},
	{"burst", 5, burst},
	{"peers", 5, peers},
}

// bench is what the figures share.
type bench struct {
	dir   string // for everything that is written; removed at the end
	bin   string
	short bool
	sigma string    // a folder with rules in Sigma's format
	log   io.Writer // progress
	lab   *lab      // made when it is needed first
	logs  map[string]string
}

func main() {
	only := flag.String("only", "", "measure only the figures whose name matches this `expression`")
	short := flag.Bool("short", false, "shorter logs and waits; the figures are rougher")
	bin := flag.String("bin", "bin", "`folder` with the programs")
	sigma := flag.String("sigma", "../shared/sigma/rules", "`folder` with rules in Sigma's format, for the figure of that name")
	keep := flag.Bool("keep", false, "leave the logs and databases and say where they are")
	flag.Usage = func() {
		fmt.Fprint(os.Stderr, "Usage: bench [-only NAME] [-short] [-bin FOLDER] [-sigma FOLDER] [-keep]\n\nFigures:")
		for _, f := range figures {
			fmt.Fprint(os.Stderr, " ", f.name)
		}
		fmt.Fprint(os.Stderr, "\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*only, *bin, *sigma, *short, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(only, bin, sigma string, short, keep bool) (err error) {
	want, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("reading -only: %w", err)
	}
	var chosen []figure
	seconds := 0
	for _, f := range figures {
		if want.MatchString(f.name) {
			chosen = append(chosen, f)
			seconds += f.seconds
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no figure is named like %q; see -help", only)
	}
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(bin, "sentinel-agent")); err != nil {
		return fmt.Errorf("the programs are missing, run make build first: %w", err)
	}
	dir, err := os.MkdirTemp("", "sentinel-bench-")
	if err != nil {
		return err
	}
	b := &bench{dir: dir, bin: bin, sigma: sigma, short: short, log: os.Stderr, logs: map[string]string{}}
	defer func() {
		if b.lab != nil {
			b.lab.close()
		}
		if keep {
			fmt.Fprintln(os.Stderr, "kept:", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	if !short {
		fmt.Fprintf(b.log, "This takes about %d minutes.\n", 1+seconds/60)
	}
	var table []row
	var faults []error
	for _, f := range chosen {
		start := time.Now()
		fmt.Fprintf(b.log, "%-14s", f.name)
		rows, err := f.measure(b)
		table = append(table, rows...)
		if err != nil {
			err = fmt.Errorf("%s: %w", f.name, err)
			faults = append(faults, err)
			table = append(table, row{figure: f.name, measured: "failed, see below", reached: verdict(false)})
		}
		fmt.Fprintf(b.log, "%5.1f s\n", time.Since(start).Seconds())
	}
	fmt.Fprintln(b.log)
	print(os.Stdout, table)
	fmt.Println(footer)
	return errors.Join(faults...)
}

const footer = `
Speeds are lines per second of processor time, with GOMAXPROCS=1; on a machine
that does other work, too, wall time and latency say less. Latency is an upper
bound: from just before the write of the deciding line to just before the
sending of the first packet that did not arrive.`

func verdict(ok bool) *bool { return &ok }

// print writes the rows with aligned columns.
func print(w io.Writer, table []row) {
	cells := [][4]string{{"FIGURE", "TARGET", "MEASURED", ""}}
	for _, r := range table {
		c := [4]string{r.figure, r.target, r.measured, ""}
		switch {
		case r.reached == nil:
		case *r.reached:
			c[3] = "reached"
		default:
			c[3] = "NOT REACHED"
		}
		cells = append(cells, c)
	}
	var width [4]int
	for _, c := range cells {
		for i, text := range c {
			width[i] = max(width[i], len([]rune(text)))
		}
	}
	for _, c := range cells {
		var line strings.Builder
		for i, text := range c {
			line.WriteString(text + strings.Repeat(" ", width[i]-len([]rune(text))+2))
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// count writes a number with commas.
func count[T int | int64 | uint64 | float64](n T) string {
	text := fmt.Sprintf("%.0f", float64(n))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
