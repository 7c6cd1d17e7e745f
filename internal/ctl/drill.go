package ctl

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/drill"
)

// noHeld is of no address in particular.
var noHeld drill.Held

const (
	// stepTime is how long each step of the agent may take.
	stepTime = 10 * time.Second
	// slowTime is that of a firewall that is changed by slow commands.
	slowTime = time.Minute
	// blockTime is how long a block may take once there is a threat.
	blockTime = 3 * time.Second
	// knockTime is how long a port may take to answer, silenceTime how long it
	// must be silent to count as dropped.
	knockTime   = 2 * time.Second
	greetTime   = time.Second
	silenceTime = 1200 * time.Millisecond
	// drillLines is how many failed logins the attacker has.
	drillLines = 12
	// countTime is how often the agent reads the kernel's counters, roomily.
	countTime = 12 * time.Second // with iptables the counters are read every 10 s
	// tidyTime bounds cleaning up after Ctrl-C.
	tidyTime = 10 * time.Second
)

// step is one step of a drill.
type step struct {
	Name   string `json:"name"`
	Result string `json:"result"`
	// Found is what was seen; Took since the step before was over.
	Found string        `json:"found"`
	Took  time.Duration `json:"took"`
	// Causes are the reasons that were found for a fault.
	Causes []cause `json:"causes,omitempty"`
}

// cause is a reason why a step failed, and how to mend it.
type cause struct {
	ID   string `json:"id"`
	Text string `json:"text"`
	Mend string `json:"mend"`
}

// exercise is one drill.
type exercise struct {
	a     *app
	d     *doctor
	steps []step

	client *control.Client
	lab    *drill.Lab
	log    string
	// before is the agent's status when the drill began.
	before *control.Status
	last   time.Time
	began  time.Time
	// doors are what answered a stranger before anybody was blocked.
	doors []*door
	// held is a connection of the attacker that was open before.
	held     net.Conn
	heldDoor *door
	// blocked are the families whose attacker the agent has blocked.
	blocked map[*drill.Family]*sentinel.BlockRecord
}

// door is a port that answers.
type door struct {
	port   drill.Port
	at     netip.AddrPort
	family *drill.Family
	// greeting is what the program said first.
	greeting string
}

func (x *exercise) say(result, name, format string, args ...any) *step {
	now := time.Now()
	s := step{Name: name, Result: result, Found: fmt.Sprintf(format, args...), Took: now.Sub(x.last).Round(time.Millisecond)}
	x.last = now
	x.steps = append(x.steps, s)
	return &x.steps[len(x.steps)-1]
}

// end writes the step said last.
func (x *exercise) end() {
	if x.a.format != "table" || len(x.steps) == 0 {
		return
	}
	s := &x.steps[len(x.steps)-1]
	took := ""
	if s.Took >= time.Millisecond {
		took = " (" + s.Took.String() + ")"
	}
	x.a.found(s.Result, "drill."+s.Name, s.Found+took, "")
	for _, c := range s.Causes {
		x.a.found(resultFault, c.ID, c.Text, c.Mend)
	}
}

// tell says a step and writes it.
func (x *exercise) tell(result, name, format string, args ...any) {
	x.say(result, name, format, args...)
	x.end()
}

// fail says a step that failed with the causes found for it.
func (x *exercise) fail(name string, causes []cause, format string, args ...any) {
	x.say(resultFault, name, format, args...).Causes = causes
	x.end()
}

// run does the drill, and tidies up however it ends.
func (x *exercise) run(ctx context.Context) {
	x.last, x.began = time.Now(), time.Now()
	x.blocked = map[*drill.Family]*sentinel.BlockRecord{}
	if !x.prepare(ctx) {
		return
	}
	defer x.tidy(context.WithoutCancel(ctx))
	for _, next := range []func(context.Context) bool{x.knock, x.logs, x.attack, x.seen, x.decided, x.inKernel, x.dropped, x.unblock} {
		if ctx.Err() != nil || !next(ctx) {
			break
		}
	}
	if ctx.Err() != nil {
		x.tell(resultSkipped, "stopped", "stopped before its end")
	}
}

// prepare lays the cable.
func (x *exercise) prepare(ctx context.Context) bool {
	if x.a.euid != 0 {
		x.fail("begin", []cause{{"root", "only root may make a network namespace", "sudo sentinelctl doctor --drill"}}, "the drill needs root")
		return false
	}
	c, err := x.a.dial(ctx)
	if err == nil {
		x.client = c
		x.before, err = c.Status(ctx)
	}
	if err != nil {
		_, text, more := x.a.describe(nil, err)
		x.fail("begin", []cause{{"agent-down", text, cmp.Or(more, "sentinelctl start")}}, "the agent does not answer: nobody would be blocked")
		return false
	}
	if x.before.DrillLog == "" {
		x.fail("begin", []cause{{"no-drill-log", "the agent has no log for drills: its directory beside the database could not be made", "see the agent's log for the reason"}}, "there is no log for the attack")
		return false
	}
	x.log = x.before.DrillLog
	if x.lab, err = drill.Open(func(addr netip.Addr) bool { return x.fresh(ctx, addr) }); err != nil {
		x.tell(resultFault, "network", "%v", err)
		return false
	}
	if err := x.forget(ctx); err != nil {
		x.tell(resultFault, "begin", "lifting what an earlier drill left: %v", err)
		x.tidy(ctx)
		return false
	}
	text := fmt.Sprintf("attacker %s", x.lab.V4.Attacker)
	if x.lab.V6 != nil {
		text += fmt.Sprintf(" and %s", x.lab.V6.Attacker)
	}
	x.tell(resultOK, "network", "%s, behind %s", text, drill.Link)
	return true
}

// fresh reports whether the agent has no open case about an address or its
// network: a rule that has fired is silent for a while.
func (x *exercise) fresh(ctx context.Context, addr netip.Addr) bool {
	w, err := x.client.WhyNot(ctx, control.WhyNotParams{IP: single(addr)})
	return err == nil && len(w.Cases) == 0 && w.Block == nil
}

// forget lifts blocks and removes the file of an earlier drill.
func (x *exercise) forget(ctx context.Context) error {
	for _, f := range x.lab.Families() {
		if _, err := x.client.Unblock(ctx, control.UnblockParams{IP: single(f.Attacker), Reason: "drill"}); err != nil && control.CodeOf(err) != control.CodeRefused && control.CodeOf(err) != control.CodeNotFound {
			return err
		}
	}
	if err := os.Remove(x.log); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the log of an earlier drill: %w", err)
	}
	return nil
}

func single(a netip.Addr) control.Network {
	return control.Network{Prefix: netip.PrefixFrom(a, a.BitLen())}
}

// tidy removes all that the drill made.
func (x *exercise) tidy(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, tidyTime)
	defer cancel()
	if x.held != nil {
		_ = x.held.Close()
	}
	err := x.forget(ctx)
	for _, f := range x.lab.Families() {
		err = errors.Join(err, x.resolve(ctx, f))
	}
	err = errors.Join(err, x.lab.Close(), x.client.Close())
	if err != nil {
		x.tell(resultWarning, "tidy", "not all was removed: %v", err)
		return
	}
	x.tell(resultOK, "tidy", "the cable, the namespace, the log and the block are gone")
}

// resolve marks the threats of a drill's attacker as dealt with.
func (x *exercise) resolve(ctx context.Context, f *drill.Family) error {
	list, err := x.client.Threats(ctx, control.ThreatsParams{IP: single(f.Attacker), Status: sentinel.StatusOpen, Since: x.began.Add(-time.Minute)})
	if err != nil {
		return err
	}
	for _, t := range list.Threats {
		if _, err := x.client.SetThreatStatus(ctx, control.ThreatStatusParams{ID: t.ID, Status: sentinel.StatusResolved, Reason: "drill"}); err != nil {
			return err
		}
	}
	return nil
}

// knock finds out which ports answer a stranger.
func (x *exercise) knock(ctx context.Context) bool {
	ports, err := drill.Ports(ctx)
	if err != nil && len(ports) == 0 {
		x.tell(resultWarning, "ports", "%v", err)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	var silent []string
	for _, p := range ports {
		for _, f := range x.lab.Families() {
			at, ok := f.Reach(p)
			if !ok {
				continue
			}
			wg.Go(func() {
				room <- struct{}{}
				defer func() { <-room }()
				greeting, ok := x.greet(ctx, f.Attacker, at)
				mu.Lock()
				defer mu.Unlock()
				if ok {
					x.doors = append(x.doors, &door{port: p, at: at, family: f, greeting: greeting})
				} else if f == x.lab.V4 || at.Addr() != f.Host {
					silent = append(silent, p.String())
				}
			})
		}
	}
	wg.Wait()
	sortDoors(x.doors)
	x.hold(ctx)
	note := ""
	if len(silent) > 0 {
		note = fmt.Sprintf("; %s not answer a stranger even now (%s)", map[bool]string{true: "1 port does", false: fmt.Sprintf("%d ports do", len(silent))}[len(silent) == 1], shortJoin(silent, 6))
	}
	if len(x.doors) == 0 {
		x.tell(resultWarning, "ports", "no port answers a stranger: what is dropped can only be counted%s", note)
		return true
	}
	x.tell(resultOK, "ports", "%s before the attack: %s%s", map[bool]string{true: "1 port answers", false: fmt.Sprintf("%d ports answer", len(x.doors))}[len(x.doors) == 1], doorsText(x.doors), note)
	return true
}

// greet connects, and reads what a program says first.
func (x *exercise) greet(ctx context.Context, from netip.Addr, to netip.AddrPort) (greeting string, ok bool) {
	c, err := x.lab.Dial(ctx, from, to, knockTime)
	if err != nil {
		return "", false
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(greetTime))
	line, _ := bufio.NewReaderSize(c, 256).ReadString('\n')
	return line, true
}

// hold keeps one connection of an attacker open.
func (x *exercise) hold(ctx context.Context) {
	for _, d := range x.doors {
		if c, err := x.lab.Dial(ctx, d.family.Attacker, d.at, knockTime); err == nil {
			x.held, x.heldDoor = c, d
			return
		}
	}
}

// attack writes failed logins of the attackers to the drill's log.
func (x *exercise) attack(ctx context.Context) bool {
	var b strings.Builder
	now := time.Now()
	for _, f := range x.lab.Families() {
		for i := range drillLines {
			fmt.Fprintf(&b, "%s sentinel-drill sshd[%d]: Failed password for invalid user drill%d from %s port %d ssh2\n",
				now.Format("2006-01-02T15:04:05.000000-07:00"), 30000+i, i, f.Attacker, 40000+i)
		}
	}
	if err := writeAs(x.log, []byte(b.String())); err != nil {
		x.tell(resultFault, "write", "%v", err)
		return false
	}
	x.tell(resultOK, "write", "%d failed logins are in %s", drillLines*len(x.lab.Families()), x.log)
	return true
}

// writeAs makes a file that belongs to the owner of its directory, at once with
// all its text.
func writeAs(path string, text []byte) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("writing the drill's log: %w", err)
	}
	temp := filepath.Join(filepath.Dir(path), ".new")
	if err := os.WriteFile(temp, text, 0o640); err != nil {
		return fmt.Errorf("writing the drill's log: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		err = os.Chown(temp, int(st.Uid), int(st.Gid))
	}
	if err = errors.Join(err, os.Rename(temp, path)); err != nil {
		return errors.Join(fmt.Errorf("writing the drill's log: %w", err), os.Remove(temp))
	}
	return nil
}

// wait asks until f says that it is so, or the time is over.
func wait(ctx context.Context, patience time.Duration, f func() (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ok, err := f()
		if ok || err != nil {
			return ok, err
		}
		select {
		case <-ctx.Done():
			return false, nil
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// each waits until something is so for every family; it returns the attackers
// for whom it did not come true.
func (x *exercise) each(ctx context.Context, patience time.Duration, f func(*drill.Family) (bool, error)) (missed []netip.Addr, err error) {
	end := time.Now().Add(patience)
	for _, fam := range x.lab.Families() {
		ok, err := wait(ctx, time.Until(end), func() (bool, error) { return f(fam) })
		if err != nil {
			return nil, err
		}
		if !ok {
			missed = append(missed, fam.Attacker)
		}
	}
	return missed, nil
}

// over says how a step of the agent ended: false ends the drill.
func (x *exercise) over(ctx context.Context, name, done, not string, missed []netip.Addr, err error, causes func() []cause) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		x.tell(resultFault, name, "asking the agent: %v", err)
		return false
	case len(missed) > 0:
		x.fail(name, causes(), "%s in time: %s", not, addrs(missed))
		return false
	}
	x.tell(resultOK, name, "%s", done)
	return true
}

func addrs(list []netip.Addr) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

// seen waits until the agent has read the lines.
func (x *exercise) seen(ctx context.Context) bool {
	missed, err := x.each(ctx, stepTime, func(f *drill.Family) (bool, error) {
		w, err := x.client.WhyNot(ctx, control.WhyNotParams{IP: single(f.Attacker)})
		return err == nil && w.Seen != nil && w.Seen.Source == x.log, err
	})
	return x.over(ctx, "read", "the agent has read them", "the agent has not read the lines", missed, err, func() []cause { return x.whyUnread(ctx) })
}

// decided waits for the threat, then for the block.
func (x *exercise) decided(ctx context.Context) bool {
	threats := map[*drill.Family]control.ThreatRow{}
	missed, err := x.each(ctx, stepTime, func(f *drill.Family) (bool, error) {
		list, err := x.client.Threats(ctx, control.ThreatsParams{IP: single(f.Attacker), Since: x.began.Add(-time.Minute)})
		if err != nil || len(list.Threats) == 0 {
			return false, err
		}
		threats[f] = list.Threats[0]
		return true, nil
	})
	if !x.over(ctx, "threat", "the agent calls it a threat", "the agent sees no threat in them", missed, err, func() []cause { return x.whyNoThreat(ctx) }) {
		return false
	}
	missed, err = x.each(ctx, blockTime, func(f *drill.Family) (bool, error) {
		list, err := x.client.Blocks(ctx, control.BlocksParams{IP: single(f.Attacker)})
		if err != nil {
			return false, err
		}
		for i := range list.Blocks {
			if b := &list.Blocks[i]; !b.Simulated {
				x.blocked[f] = b
				return true, nil
			}
		}
		return false, nil
	})
	return x.over(ctx, "block", "the agent has decided to block it", "the agent does not block", missed, err, func() []cause { return x.whyNoBlock(ctx) })
}

// inKernel looks for the attackers in the kernel, without the agent's help.
func (x *exercise) inKernel(ctx context.Context) bool {
	missed, err := x.each(ctx, x.kernelTime(), func(f *drill.Family) (bool, error) {
		_, h, err := x.find(ctx, f.Attacker)
		return err == nil && len(h.Dropped) > 0, nil
	})
	ok := x.over(ctx, "kernel", "the kernel's firewall names it", "the kernel's firewall does not name the attacker", missed, err, func() []cause { return x.whyPasses(ctx, x.lab.V4) })
	// Packets say more than names.
	return ok || ctx.Err() == nil && err == nil
}

// kernelTime is how long the firewall may take: commands of ufw are slow.
func (x *exercise) kernelTime() time.Duration {
	if x.before.Firewall.Backend == "ufw" {
		return slowTime
	}
	return stepTime
}

// find looks for an address in the kernel.
func (x *exercise) find(ctx context.Context, addr netip.Addr) (*drill.Kernel, drill.Held, error) {
	k, err := x.a.inspect(ctx)
	if k == nil {
		return nil, drill.Held{}, err
	}
	h, err := k.Find(ctx, addr)
	return k, h, err
}

// dropped knocks at each door again, as the attacker and as somebody else.
func (x *exercise) dropped(ctx context.Context) bool {
	passing, neighbours := x.knockAgain(ctx)
	if ctx.Err() != nil {
		return false
	}
	ok := true
	if len(passing) > 0 {
		ok = false
		x.fail("drop", x.whyDoorsPass(ctx, passing), "packets of the attacker pass at %s", doorsText(passing))
	} else if len(x.doors) > 0 {
		x.tell(resultOK, "drop", "packets of the attacker are dropped at %s", doorsText(x.doors))
	}
	if len(neighbours) > 0 {
		x.tell(resultWarning, "neighbour", "another address of the same network does not get through either at %s: something else drops it", doorsText(neighbours))
	} else if len(x.doors) > 0 {
		x.tell(resultOK, "neighbour", "another address of the same network still gets through")
	}
	if x.held != nil && len(passing) == 0 {
		cut, err := drill.Cut(x.held, silenceTime)
		switch {
		case err != nil:
			x.tell(resultSkipped, "established", "%v", err)
		case cut:
			x.tell(resultOK, "established", "the connection to %s that was open before is cut", x.heldDoor.port)
		default:
			ok = false
			x.fail("established", x.whyPasses(ctx, x.heldDoor.family), "the connection to %s that was open before goes on", x.heldDoor.port)
		}
	}
	return x.counted(ctx) && ok || len(x.blocked) > 0
}

// knockAgain returns the doors at which the attacker still gets an answer, and
// those at which somebody else gets none.
func (x *exercise) knockAgain(ctx context.Context) (passing, neighbours []*door) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for i, d := range x.doors {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			_, answered := x.lab.Answers(ctx, d.family.Attacker, d.at, silenceTime)
			other := d.family.Others[i%len(d.family.Others)]
			_, open := x.lab.Answers(ctx, other, d.at, knockTime)
			mu.Lock()
			defer mu.Unlock()
			if answered {
				passing = append(passing, d)
			}
			if !open {
				neighbours = append(neighbours, d)
			}
		})
	}
	wg.Wait()
	sortDoors(passing)
	sortDoors(neighbours)
	return passing, neighbours
}

// counted waits until the kernel's counters show that something was dropped.
func (x *exercise) counted(ctx context.Context) bool {
	if len(x.doors) == 0 { // nobody has knocked yet
		for _, f := range x.lab.Families() {
			x.lab.Answers(ctx, f.Attacker, netip.AddrPortFrom(f.Host, 22), silenceTime)
		}
	}
	var grown uint64
	end := time.Now().Add(countTime)
	for ctx.Err() == nil && time.Now().Before(end) {
		st, err := x.client.Status(ctx)
		if err == nil && st.Firewall.Dropped > x.before.Firewall.Dropped {
			grown = st.Firewall.Dropped - x.before.Firewall.Dropped
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	switch {
	case ctx.Err() != nil:
		return false
	case grown > 0:
		x.tell(resultOK, "counter", "the kernel has counted %s more dropped packets", thousands(grown))
		return true
	case len(x.doors) > 0:
		x.tell(resultSkipped, "counter", "this firewall's counters have not moved")
		return true
	}
	x.fail("counter", x.whyPasses(ctx, x.lab.V4), "no packet was dropped")
	return false
}

// unblock frees the attackers and knocks once more.
func (x *exercise) unblock(ctx context.Context) bool {
	if err := x.forget(ctx); err != nil {
		x.tell(resultFault, "unblock", "%v", err)
		return false
	}
	missed, err := x.each(ctx, x.kernelTime(), func(f *drill.Family) (bool, error) {
		for _, d := range x.doors {
			if d.family == f {
				_, answered := x.lab.Answers(ctx, f.Attacker, d.at, silenceTime)
				return answered, nil
			}
		}
		_, h, err := x.find(ctx, f.Attacker)
		return err == nil && len(h.Dropped) == 0, nil
	})
	return x.over(ctx, "unblock", "unblocked, it gets through again", "unblocked, it still does not get through", missed, err, func() []cause {
		return []cause{{"unblock", "the kernel drops the attacker although the agent has lifted the block", "sentinelctl status shows what the firewall refuses; look for rules of other programs"}}
	})
}
