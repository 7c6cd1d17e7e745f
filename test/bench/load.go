package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/store"
)

// idle measures an agent to which nothing happens.
func idle(b *bench) ([]row, error) {
	var sources []source
	for name, kind := range map[string]string{"auth.log": "ssh", "access.log": "nginx", "syslog": "system"} {
		s := source{filepath.Join(b.dir, "idle-"+name), kind}
		if err := os.WriteFile(s.path, nil, 0o644); err != nil {
			return nil, err
		}
		sources = append(sources, s)
	}
	dir, err := b.agentDir("idle", sources...)
	if err != nil {
		return nil, err
	}
	a, err := b.start(dir, 0)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	if a.client != nil { // nobody asks while we measure
		_ = a.client.Close()
		a.client = nil
	}
	settle, period := 5*time.Second, 30*time.Second
	if b.short {
		settle, period = 5*time.Second, 15*time.Second
	}
	time.Sleep(settle)
	start := time.Now()
	before, err := a.cpu()
	if err != nil {
		return nil, err
	}
	time.Sleep(period)
	after, err := a.cpu()
	if err != nil {
		return nil, err
	}
	share := 100 * (after - before).Seconds() / time.Since(start).Seconds()
	rss, err := a.memory("status", "VmRSS")
	if err != nil {
		return nil, err
	}
	anon, err := a.memory("status", "RssAnon")
	if err != nil {
		return nil, err
	}
	pss, err := a.memory("smaps_rollup", "Pss")
	if err != nil {
		return nil, err
	}
	return []row{
		{"idle memory, all rules, 3 sources", "RSS ≤ 30 MB",
			fmt.Sprintf("RSS %.1f MB (own %.1f, of the program's file %.1f), PSS %.1f MB", mb(rss), mb(anon), mb(rss-anon), mb(pss)),
			verdict(mb(rss) <= 30)},
		{"idle CPU", "≤ 0.2 % of one core", fmt.Sprintf("%.3f %% over %v", share, period), verdict(share <= 0.2)},
	}, nil
}

func mb(bytes uint64) float64 { return float64(bytes) / 1e6 }

// steady writes lines at an even rate.
func steady(b *bench) ([]row, error) {
	const rate = 20_000
	period := 60 * time.Second
	if b.short {
		period = 10 * time.Second
	}
	a, f, err := b.startOnLog("steady")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer a.stop()
	before, err := a.cpu()
	if err != nil {
		return nil, err
	}
	g := newLogins()
	written, buf := 0, []byte(nil)
	start := time.Now()
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		now := time.Now()
		due := int(min(now.Sub(start), period).Seconds() * rate)
		buf = buf[:0]
		for ; written < due; written++ {
			buf = g.line(buf, now)
		}
		if _, err := f.Write(buf); err != nil {
			return nil, err
		}
		if now.Sub(start) >= period {
			tick.Stop()
			break
		}
	}
	wrote := time.Since(start)
	if err := a.read(written, time.Minute); err != nil {
		return nil, err
	}
	behind := time.Since(start) - wrote
	after, err := a.cpu()
	if err != nil {
		return nil, err
	}
	peak, err := a.memory("status", "VmHWM")
	if err != nil {
		return nil, err
	}
	share := 100 * (after - before).Seconds() / period.Seconds()
	return []row{{
		figure: fmt.Sprintf("%s lines/s for %v", count(rate), period),
		target: "≤ 15 % of one core, 0 lost",
		measured: fmt.Sprintf("%.1f %%, 0 of %s lost, %s behind at the end, peak RSS %.0f MB", share, count(written), ms(behind),
			mb(peak)),
		reached: verdict(share <= 15),
	}}, nil
}

// distinct lets the agent read failed logins of ever new addresses, among which
// some come back.
func distinct(b *bench) ([]row, error) {
	const forcers = 100
	log := filepath.Join(b.dir, "distinct.log")
	dir, err := b.agentDir("distinct", source{log, "ssh"})
	if err != nil {
		return nil, err
	}
	ready := log + ".ready"
	g := newStrangers(b.lines(), forcers)
	if err := write(ready, g, b.lines(), time.Now().Add(-recent), recent); err != nil {
		return nil, err
	}
	a, err := b.start(dir, 0)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	if err := os.Rename(ready, log); err != nil {
		return nil, err
	}
	if err := a.read(b.lines(), 2*time.Minute); err != nil {
		return nil, err
	}
	peak, err := a.memory("status", "VmHWM")
	if err != nil {
		return nil, err
	}
	blocked, err := a.blocked()
	if err != nil {
		return nil, err
	}
	found := 0
	for _, f := range g.forced {
		if blocked[f] {
			found++
		}
	}
	r := row{
		figure: fmt.Sprintf("%s distinct attackers, %d of them brute force", count(b.lines()), forcers),
		target: "≤ 150 MB, all of those blocked",
		measured: fmt.Sprintf("peak RSS %.0f MB, %d of %d blocked, %d others", mb(peak), found, forcers,
			len(blocked)-found),
		reached: verdict(mb(peak) <= 150 && found == forcers),
	}
	if found < forcers {
		return []row{r}, fmt.Errorf("only %d of %d brute forcers are blocked", found, forcers)
	}
	return []row{r}, nil
}

// restore starts an agent that has many blocks in its database, with a kernel
// that has none.
func restore(b *bench) ([]row, error) {
	n := 100_000
	if b.short {
		n = 20_000
	}
	log := filepath.Join(b.dir, "restore.log")
	if err := os.WriteFile(log, nil, 0o644); err != nil {
		return nil, err
	}
	dir, err := b.agentDir("restore", source{log, "ssh"})
	if err != nil {
		return nil, err
	}
	last, err := fill(filepath.Join(dir, "db"), n)
	if err != nil {
		return nil, err
	}
	if err := b.freshLab(); err != nil {
		return nil, err
	}
	start := time.Now()
	a, err := b.launch(dir, 0)
	if err != nil {
		return nil, err
	}
	defer a.stop()
	// All come in one transaction of the kernel, so that one is asked for: its
	// presence is cheap to see.
	if err := a.wait(time.Minute, "all blocks are restored", func() (bool, error) {
		return b.lab.drops(context.Background(), last), nil
	}); err != nil {
		return nil, err
	}
	took := time.Since(start)
	used, err := a.cpu()
	if err != nil {
		return nil, err
	}
	held, err := b.lab.kernel(context.Background())
	if err != nil {
		return nil, err
	}
	peak, err := a.memory("status", "VmHWM")
	if err != nil {
		return nil, err
	}
	r := row{
		figure:   count(n) + " blocks restored at the start",
		target:   "≤ 2 s",
		measured: fmt.Sprintf("%.2f s from the program's start (CPU %.2f s, peak RSS %.0f MB)", took.Seconds(), used.Seconds(), mb(peak)),
		reached:  verdict(took <= 2*time.Second),
	}
	if held != n {
		return []row{r}, fmt.Errorf("the kernel holds %d of %d blocks", held, n)
	}
	return []row{r}, nil
}

// fill writes a database with n blocks in force and returns the last of them.
func fill(path string, n int) (last netip.Addr, err error) {
	ctx := context.Background()
	st, err := store.Open(ctx, path, store.Options{})
	if err != nil {
		return last, err
	}
	defer st.Close()
	now := time.Now()
	v := uint32(0)
	for done := 0; done < n; {
		var r store.Results
		for ; done < n && len(r.Blocks) < 10_000; done++ {
			for v += 2654435761; !public(v); v += 2654435761 {
			}
			last = v4(v)
			at := now.Add(-time.Hour + time.Duration(done)*time.Millisecond)
			r.Blocks = append(r.Blocks, sentinel.BlockRecord{
				ID: fmt.Sprintf("01K%023d", done), Prefix: netip.PrefixFrom(last, 32), Reason: "SSH brute force: 5 failed logins within 5 minutes",
				Origin: sentinel.OriginRule, Score: 0.8, Created: at, Expires: at.Add(24 * time.Hour),
			})
		}
		if err := st.Commit(ctx, r); err != nil {
			return last, err
		}
	}
	return last, st.Close()
}

// burst writes the lines of many attackers at once.
func burst(b *bench) ([]row, error) {
	const attackers = 1000
	a, f, err := b.startOnLog("burst")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer a.stop()
	var text strings.Builder
	at := time.Now().Format(time.Stamp)
	for i := range attackers {
		from := fmt.Sprintf("44.%d.%d.%d", 1+i/62500, i/250%250, 1+i%250)
		for j := range 5 {
			text.Write(failed(nil, at, 3000+5*i+j, "root", from, 4000+5*i+j))
		}
	}
	time.Sleep(1500 * time.Millisecond)
	start := time.Now()
	if _, err := f.WriteString(text.String()); err != nil {
		return nil, err
	}
	if err := a.wait(time.Minute, "all are blocked", func() (bool, error) {
		s, err := a.status()
		return err == nil && s.Firewall.Actual >= attackers, err
	}); err != nil {
		return nil, err
	}
	took := time.Since(start)
	held, err := b.lab.kernel(context.Background())
	if err != nil {
		return nil, err
	}
	r := row{
		figure:   count(attackers) + " new attackers at once, 5 lines each",
		target:   "all blocked ≤ 0.5 s",
		measured: fmt.Sprintf("%.3f s", took.Seconds()),
		reached:  verdict(took <= 500*time.Millisecond),
	}
	if held != attackers {
		return []row{r}, fmt.Errorf("the kernel holds %d of %d attackers", held, attackers)
	}
	return []row{r}, nil
}
