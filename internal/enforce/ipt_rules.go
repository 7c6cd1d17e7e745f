package enforce

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// mark is the comment of a rule of ours. Its number changes when what the rules
// do changes.
func mark(name string) string { return "sentinel/1:" + name }

// jump is the rule that leads into our chain, without -A and its place.
func (f *iptFamily) jump() string {
	return "-m set ! --match-set " + f.allow.name + " src -m comment --comment " + mark("jump") + " -j " + iptChain
}

// chain are the rules of our chain for the rates given.
func (f *iptFamily) chain(rates []sentinel.Rate) []string {
	rule := func(name, match, target string) string {
		return "-A " + iptChain + " " + match + " -m comment --comment " + mark(name) + " -j " + target
	}
	out := []string{rule("block", "-m set --match-set "+f.block.name+" src", "DROP")}
	if len(rates) > 0 {
		out = append(out, rule("established", "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", "RETURN"))
	}
	mask := "32"
	if f.v6 {
		mask = "64"
	}
	for _, r := range rates {
		name := strings.ReplaceAll(r.String(), "/", "")
		out = append(out, rule("limit-"+name, "-m set --match-set "+f.limits[r].name+" src -m hashlimit --hashlimit-above "+
			strconv.Itoa(r.Count)+"/"+hashUnits[r.Per]+" --hashlimit-burst "+strconv.Itoa(burst(r))+
			" --hashlimit-mode srcip --hashlimit-srcmask "+mask+" --hashlimit-name sentinel-"+name, "DROP"))
	}
	return out
}

var hashUnits = map[time.Duration]string{time.Second: "second", time.Minute: "minute", time.Hour: "hour", 24 * time.Hour: "day"}

// readRules returns the rules that are ours, in the program's words: those that
// lead into our chain first. Others' rules are not looked at.
func (n *IPT) readRules(ctx context.Context, f *iptFamily) ([]string, error) {
	out, err := n.command.run(ctx, "", f.program, "-w", "5", "-t", iptTable, "-S")
	if err != nil {
		return nil, err
	}
	return ourRules(out), nil
}

// ourRules picks our lines from what "iptables -S" prints.
func ourRules(text string) []string {
	var jumps, chain []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch words := strings.Fields(line); {
		case len(words) < 3 || words[0] != "-A":
		case words[1] == iptChain:
			chain = append(chain, line)
		case slices.Contains(words, iptChain) && (strings.HasSuffix(line, "-j "+iptChain) || strings.HasSuffix(line, "-g "+iptChain)):
			jumps = append(jumps, line)
		}
	}
	return append(jumps, chain...)
}

// intact reports whether the rules are as they were left, or, where that is not
// known, as another process of this version leaves them.
func (f *iptFamily) intact(lines []string) bool {
	if f.rules != nil {
		return slices.Equal(lines, f.rules)
	}
	var marks []string
	for _, line := range lines {
		_, after, _ := strings.Cut(line, "--comment ")
		name, _, _ := strings.Cut(after, " ")
		marks = append(marks, strings.Trim(name, `"`))
	}
	want := []string{mark("jump")}
	for _, line := range f.chain(nil) {
		_, after, _ := strings.Cut(line, "--comment ")
		name, _, _ := strings.Cut(after, " ")
		want = append(want, name)
	}
	if slices.Equal(marks, want) && strings.HasPrefix(lines[0], "-A PREROUTING ") {
		f.rules = lines
		return true
	}
	return false
}

// writeRules makes our chain and what leads into it anew, atomically.
func (n *IPT) writeRules(ctx context.Context, f *iptFamily, rates []sentinel.Rate) error {
	if err := n.drops.keep(ctx, n, f); err != nil {
		return err
	}
	lines, err := n.readRules(ctx, f)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%s\n:%s - [0:0]\n", iptTable, iptChain)
	for _, line := range f.chain(rates) {
		b.WriteString(line + "\n")
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "-A "+iptChain+" ") {
			b.WriteString("-D" + line[len("-A"):] + "\n")
		}
	}
	b.WriteString("-I PREROUTING 1 " + f.jump() + "\nCOMMIT\n")
	if _, err := n.command.run(ctx, b.String(), f.program+"-restore", "-w", "5", "--noflush"); err != nil {
		f.rules = nil
		return err
	}
	if f.rules, err = n.readRules(ctx, f); err != nil {
		f.rules = nil
		return err
	}
	f.written = slices.Clone(rates)
	return nil
}

// removeIPT takes our rules and sets away, whichever of the programs given for
// each family made them. Programs that are not installed have made none.
func removeIPT(ctx context.Context, c command, programs [2][]string) error {
	var failures error
	for _, list := range programs {
		for _, program := range list {
			if err := removeRules(ctx, c, program); err != nil && !errors.Is(err, errNoCommand) {
				failures = errors.Join(failures, err)
			}
		}
	}
	nl, err := dial(c.ns)
	if err != nil {
		return errors.Join(failures, err)
	}
	defer nl.close()
	found, err := nl.headers("")
	if err != nil {
		if len(found) == 0 { // no ipset in the kernel: there are no sets
			return failures
		}
		return errors.Join(failures, err)
	}
	for _, name := range ourSets(found) {
		failures = errors.Join(failures, nl.destroySet(name))
	}
	return failures
}

// removeRules takes our rules away by one program.
func removeRules(ctx context.Context, c command, program string) error {
	out, err := c.run(ctx, "", program, "-w", "5", "-t", iptTable, "-S")
	if err != nil {
		return err
	}
	if !strings.Contains(out, "-N "+iptChain+"\n") {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "*%s\n", iptTable)
	for _, line := range ourRules(out) {
		if !strings.HasPrefix(line, "-A "+iptChain+" ") {
			b.WriteString("-D" + line[len("-A"):] + "\n")
		}
	}
	fmt.Fprintf(&b, "-F %s\n-X %s\nCOMMIT\n", iptChain, iptChain)
	_, err = c.run(ctx, b.String(), program+"-restore", "-w", "5", "--noflush")
	return err
}

// dropCounts sums up the counters of our rules. Reading them starts a program,
// so that it is done every countEvery only.
type dropCounts struct {
	base   Drops // of rules that are gone
	last   [2]Drops
	read   time.Time
	summed Drops
}

const countEvery = 10 * time.Second

// Drops implements Backend; what it returns may be 10 seconds old.
func (n *IPT) Drops(ctx context.Context) (Drops, error) {
	d := &n.drops
	if time.Since(d.read) < countEvery && !d.read.IsZero() {
		return d.summed, nil
	}
	sum := d.base
	for i, f := range n.families {
		if f.missing == nil {
			now, err := n.countRules(ctx, f)
			if err != nil {
				return Drops{}, fmt.Errorf("reading the counters of %s: %w", f.program, err)
			}
			if now.Packets < d.last[i].Packets { // reset by another program
				d.base.add(d.last[i])
				sum.add(d.last[i])
			}
			d.last[i] = now
		}
		sum.add(d.last[i])
	}
	d.read, d.summed = time.Now(), sum
	return sum, nil
}

// keep saves the counters of rules that are about to be replaced.
func (d *dropCounts) keep(ctx context.Context, n *IPT, f *iptFamily) error {
	now, err := n.countRules(ctx, f)
	if err != nil {
		return err
	}
	i := 0
	if f.v6 {
		i = 1
	}
	if now.Packets < d.last[i].Packets {
		now = d.last[i]
	}
	d.base.add(now)
	d.last[i] = Drops{}
	return nil
}

// countRules reads the counters of the rules that drop.
func (n *IPT) countRules(ctx context.Context, f *iptFamily) (Drops, error) {
	out, err := n.command.run(ctx, "", f.program, "-w", "5", "-t", iptTable, "-v", "-S")
	if err != nil {
		return Drops{}, err
	}
	return parseCounters(out), nil
}

// parseCounters adds up "-c PACKETS BYTES" of our rules with the target DROP.
func parseCounters(text string) (sum Drops) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 3 || words[0] != "-A" || words[1] != iptChain || !slices.Contains(words, "DROP") {
			continue
		}
		if i := slices.Index(words, "-c"); i >= 0 && i+2 < len(words) {
			packets, err1 := strconv.ParseUint(words[i+1], 10, 64)
			bytes, err2 := strconv.ParseUint(words[i+2], 10, 64)
			if err1 == nil && err2 == nil {
				sum.add(Drops{packets, bytes})
			}
		}
	}
	return sum
}
