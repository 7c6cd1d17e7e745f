package ctl

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/drill"
)

// sortDoors puts doors in the order of their ports, IPv4 first.
func sortDoors(list []*door) {
	slices.SortFunc(list, func(a, b *door) int {
		return cmp.Or(cmp.Compare(a.at.Port(), b.at.Port()), a.at.Addr().Compare(b.at.Addr()))
	})
}

// doorsText names doors: "22 (sshd), 80 (nginx, IPv6)".
func doorsText(list []*door) string {
	var out []string
	for _, d := range list {
		text := d.port.String()
		if d.family.Host.Is6() {
			text += " IPv6"
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return shortJoin(out, 12)
}

func shortJoin(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:n], ", "), len(list)-n)
}

// logs knocks at the servers whose logs the agent should read, in words that
// they log, and looks whether the agent has read that.
func (x *exercise) logs(ctx context.Context) bool {
	next := 0
	done := map[uint16]bool{}
	for _, d := range x.doors {
		if d.family != x.lab.V4 || done[d.at.Port()] || next == len(d.family.Others) {
			continue
		}
		from := d.family.Others[len(d.family.Others)-1-next]
		kind := x.provoke(ctx, d, from)
		if kind == "" {
			continue
		}
		done[d.at.Port()] = true
		next++
		x.wasRead(ctx, d, from, kind)
		if ctx.Err() != nil {
			return false
		}
	}
	if next == 0 {
		x.tell(resultSkipped, "logs", "no SSH or web server answers: whether their logs are read is not shown")
	}
	return true
}

// provoke makes a server log something with an address, harmlessly: to an SSH
// server it says what is not SSH, of a web server it asks for a page. It
// returns what the server is.
func (x *exercise) provoke(ctx context.Context, d *door, from netip.Addr) string {
	c, err := x.lab.Dial(ctx, from, d.at, knockTime)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(2 * time.Second))
	if strings.HasPrefix(d.greeting, "SSH-") {
		_, _ = io.WriteString(c, "sentinel-drill\r\n")
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 4096))
		return "ssh"
	}
	if d.greeting != "" {
		return ""
	}
	_, _ = io.WriteString(c, "GET /sentinel-drill HTTP/1.0\r\nHost: sentinel-drill\r\nUser-Agent: sentinel-drill\r\n\r\n")
	answer := make([]byte, 5)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/" {
		return ""
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(c, 64<<10))
	return "web"
}

// wasRead waits until the agent has read a line with an address.
func (x *exercise) wasRead(ctx context.Context, d *door, from netip.Addr, kind string) {
	before := x.before.Sources
	var source string
	ok, err := wait(ctx, stepTime, func() (bool, error) {
		w, err := x.client.WhyNot(ctx, control.WhyNotParams{IP: single(from)})
		if err != nil || w.Seen == nil {
			return false, err
		}
		source = w.Seen.Source
		return true, nil
	})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		x.tell(resultFault, "log", "asking the agent: %v", err)
	case ok:
		x.tell(resultOK, "log", "what the server at port %s logs is read (%s)", d.port, source)
	case kind == "ssh" && !d.port.Published:
		x.fail("log", x.whyUnseen(ctx, before), "the SSH server at port %s has logged a line, and the agent has not read it within %s: nobody sees failed logins", d.port, stepTime)
	default:
		x.tell(resultWarning, "log", "the web server at port %s has answered, and the agent has read no line of it within %s: its log is not read, or is written late", d.port, stepTime)
	}
}

// whyUnseen compares the sources before and after a line that was not seen.
func (x *exercise) whyUnseen(ctx context.Context, before []control.SourceStatus) (out []cause) {
	st, err := x.client.Status(ctx)
	if err != nil {
		return nil
	}
	old := map[string]uint64{}
	for _, s := range before {
		old[s.ID] = s.Unparsed
	}
	files := 0
	for i := range st.Sources {
		s := &st.Sources[i]
		switch s.State {
		case "active", "draining", "waiting", "duplicate":
			files++
		default:
			out = append(out, cause{"log-unread", fmt.Sprintf("%s is not read: %s %s", s.ID, s.State, s.Reason), mendSource(s)})
		}
		if s.Unparsed > old[s.ID] {
			out = append(out, cause{"log-type", fmt.Sprintf("%s, which is read as type %s, has got lines that were not understood: its type is wrong, or the format is not known", s.ID, s.Type),
				"correct logs.sources[].type; sentinelctl logs unparsed shows the lines"})
		}
	}
	found, err := x.client.Discover(ctx)
	if err != nil {
		return out
	}
	for _, c := range found.Logs {
		if c.State == control.LogOff {
			out = append(out, cause{"log-unknown", c.Path + " exists and is not read", c.Hint})
		}
	}
	if len(out) == 0 {
		out = append(out, cause{"log-unknown", fmt.Sprintf("none of the %d logs that are read got the line: the server logs elsewhere, to the journal, or not at all", files),
			"find out where it logs (journalctl -t sshd, SyslogFacility and LogLevel of sshd_config) and name that in logs.sources"})
	}
	return out
}

// whyUnread looks for reasons why the drill's log is not read.
func (x *exercise) whyUnread(ctx context.Context) []cause {
	st, err := x.client.Status(ctx)
	if err != nil {
		return nil
	}
	for i := range st.Sources {
		if s := &st.Sources[i]; s.ID == x.log || s.Path == x.log {
			if s.State != "active" {
				return []cause{{"log-unread", fmt.Sprintf("%s is not read: %s %s", x.log, s.State, s.Reason), mendSource(s)}}
			}
			return []cause{{"log-late", fmt.Sprintf("%s is read, but the agent is %s behind", x.log, size(uint64(max(0, s.Lag)))), "see sentinelctl status for the load, and performance.* in the configuration"}}
		}
	}
	return []cause{{"log-unread", "the agent has not found " + x.log, "see the agent's log; a sandbox of its unit may hide the directory"}}
}

// whyNoThreat looks for reasons why failed logins are no threat.
func (x *exercise) whyNoThreat(ctx context.Context) (out []cause) {
	rules, err := x.client.Rules(ctx, control.RulesParams{Type: "brute_force"})
	if err != nil {
		return nil
	}
	on, off := 0, []string{}
	for _, r := range rules.Rules {
		if !slices.Contains(r.Sources, "ssh") {
			continue
		}
		if r.Enabled {
			on++
		} else {
			off = append(off, r.ID)
		}
	}
	switch {
	case on == 0:
		out = append(out, cause{"rules-off", "no rule against guessed passwords is in use", "set detection.rules.enabled: true, and take SSH_BRUTE_001 out of detection.rules.disabled"})
	case len(off) > 0:
		out = append(out, cause{"rules-off", "rules against guessed passwords are switched off: " + shortJoin(off, 6), "take them out of detection.rules.disabled"})
	}
	if w, err := x.client.WhyNot(ctx, control.WhyNotParams{IP: single(x.lab.V4.Attacker)}); err == nil {
		out = append(out, cause{"no-threat", w.Verdict, cmp.Or(strings.Join(w.Hints, "; "), "sentinelctl threats why-not "+x.lab.V4.Attacker.String())})
	}
	return out
}

// whyNoBlock says why the policy did not block.
func (x *exercise) whyNoBlock(ctx context.Context) []cause {
	w, err := x.client.WhyNot(ctx, control.WhyNotParams{IP: single(x.lab.V4.Attacker)})
	if err != nil {
		return nil
	}
	switch {
	case w.Block != nil && w.Block.Simulated:
		return []cause{{"observe", "response.mode is observe: the agent shows what it would block, and drops nothing", "set response.mode: protect"}}
	case w.Protection != nil:
		return []cause{{"whitelisted", w.Verdict, "sentinelctl whitelist remove " + w.Protection.Prefix.String() + ", or take it out of response.whitelist: networks for documentation need no protection"}}
	}
	if text := w.Verdict; strings.Contains(text, "auto_block") {
		return []cause{{"auto-block-off", "response.auto_block is off: only people block", "set response.auto_block: true"}}
	}
	return []cause{{"not-blocked", w.Verdict, cmp.Or(strings.Join(w.Hints, "; "), "sentinelctl threats why-not "+x.lab.V4.Attacker.String())}}
}

// looks is how often the kernel is looked at for a cause: another program may
// have broken what was mended since.
const looks = 15

// whyPasses looks for reasons why the kernel lets an attacker pass.
func (x *exercise) whyPasses(ctx context.Context, f *drill.Family) (out []cause) {
	st, err := x.client.Status(ctx)
	if err != nil {
		return nil
	}
	fw := &st.Firewall
	if n := fw.Restores - x.before.Firewall.Restores; n > 0 {
		out = append(out, cause{"flushed", fmt.Sprintf("another program has deleted or changed our rules %s while the drill ran, and the agent put them back", times(n)),
			"find the program: 'nft monitor', or a script or service that runs 'nft -f', 'iptables-restore' or 'flush ruleset'"})
	}
	switch {
	case fw.Backend == "dryrun":
		return append(out, cause{"dryrun", "response.firewall.backend is dryrun: nothing reaches the kernel", "set response.firewall.backend: auto"})
	case !fw.Healthy:
		out = append(out, cause{"refused", "the firewall refuses: " + fw.Error, "see whether the agent has CAP_NET_ADMIN, and whether the backend's programs are installed"})
	}
	for i := range looks {
		if i > 0 {
			select {
			case <-ctx.Done():
				return out
			case <-time.After(100 * time.Millisecond):
			}
		}
		k, h, err := x.find(ctx, f.Attacker)
		if k == nil || err != nil {
			continue
		}
		for _, fault := range k.Faults(fw.Backend, h, f.Attacker) {
			if !slices.ContainsFunc(out, func(c cause) bool { return c.ID == fault.ID }) {
				out = append(out, cause{fault.ID, fault.Text, fault.Mend})
			}
		}
	}
	if len(out) == 0 {
		out = append(out, cause{"passes", "the kernel names the attacker and yet lets it pass, for a reason that was not found", "report it with the output of: nft list ruleset; iptables-save; sentinelctl status --format json"})
	}
	return out
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return thousands(n) + " times"
}

// whyDoorsPass adds what published ports have of their own.
func (x *exercise) whyDoorsPass(ctx context.Context, passing []*door) []cause {
	out := x.whyPasses(ctx, passing[0].family)
	var published []*door
	for _, d := range passing {
		if d.port.Published {
			published = append(published, d)
		}
	}
	if len(published) > 0 && len(published) < len(x.doors) && len(published) == len(passing) {
		out = slices.Insert(out, 0, cause{"published-order", fmt.Sprintf("only published ports let it pass (%s): their packets are redirected before this firewall's rules see them, as Docker does it", doorsText(published)),
			"set response.firewall.backend: nftables (or auto), which drops before address translation"})
	}
	return out
}
