package enforce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The names of the backends in the configuration.
const (
	NameAuto     = "auto"
	NameNFTables = "nftables"
	NameIPTables = "iptables"
	NameUFW      = "ufw"
	NameDryRun   = "dryrun"
)

// Choice is a backend and the reason for it.
type Choice struct {
	Backend Backend
	// Reason is a sentence for people. It has what the probes found.
	Reason string
	// Working is false if no probe succeeded: nothing will be blocked until that
	// changes.
	Working bool
}

// Choose returns the backend of a name. What is asked for by name is taken,
// whether it works or not. For NameAuto the kernel is asked what it allows: our own nftables table,
// also beside ufw, is preferred to iptables with ipset. If neither works the
// choice is nftables, which goes on trying and says loudly that it cannot.
func Choose(ctx context.Context, name string, log *slog.Logger) Choice {
	return choose(ctx, name, host{ufw: ufwEnabled("/etc/ufw/ufw.conf"), log: log})
}

// host is where a firewall is chosen for.
type host struct {
	ns  int  // descriptor of the network namespace, 0: that of the process
	ufw bool // ufw is in use
	ipt IPTConfig
	log *slog.Logger
	// noNFT stands in for a kernel without nf_tables; nil but in tests.
	noNFT error
}

func choose(ctx context.Context, name string, h host) Choice {
	h.ipt.NetNS = h.ns
	switch name {
	case NameDryRun:
		return Choice{NewDryRun(h.log), "configured: nothing reaches the kernel", true}
	case NameNFTables:
		return Choice{NewNFT(NFTConfig{NetNS: h.ns}), "configured", true}
	case NameIPTables:
		c := Choice{NewIPT(h.ipt), "configured: iptables and ip6tables with ipset", true}
		if err := probeIPT(ctx, h.ipt); err != nil {
			c.Working = false
			c.Reason += fmt.Sprintf(", which do not work, so that attacks are only reported: %v", err)
		}
		return c
	case NameUFW:
		reason := fmt.Sprintf("configured: by the ufw command, which is slow: at most %d rules, and none of them ends by itself", MaxUFW)
		return Choice{NewUFW(UFWConfig{NetNS: h.ns}), reason, true}
	}
	nftFailed := h.noNFT
	if nftFailed == nil {
		nftFailed = probeNFT(h.ns)
	}
	if nftFailed == nil {
		reason := "automatic: own nftables table by netlink"
		if h.ufw {
			reason += ", beside ufw: its rules stay as they are, and none of its commands touches ours"
		}
		return Choice{NewNFT(NFTConfig{NetNS: h.ns}), reason, true}
	}
	iptFailed := probeIPT(ctx, h.ipt)
	if iptFailed == nil {
		return Choice{NewIPT(h.ipt), fmt.Sprintf("automatic: iptables with ipset, because nftables does not work: %v", nftFailed), true}
	}
	reason := fmt.Sprintf("automatic: nothing works, so that attacks are only reported: nftables: %v; iptables: %v", nftFailed, iptFailed)
	return Choice{NewNFT(NFTConfig{NetNS: h.ns}), reason, false}
}

// probeName is that of what a probe makes and removes at once.
const probeName = "sentinel-probe"

// probeNFT finds out whether we may make nftables tables, by making one and
// deleting it in the same transaction.
func probeNFT(ns int) error {
	c, err := dial(ns)
	if err != nil {
		return err
	}
	defer c.close()
	b := c.batch()
	b.change(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE).
		str(unix.NFTA_TABLE_NAME, probeName).u32(unix.NFTA_TABLE_FLAGS, 0).end()
	b.change(unix.NFT_MSG_DELTABLE, 0).str(unix.NFTA_TABLE_NAME, probeName).end()
	if err := c.commit(b); err != nil {
		return fmt.Errorf("%w%s", err, hint(err))
	}
	return nil
}

// probeIPT finds out whether iptables and ipset work together, by making a set
// and having a rule tested that looks into it.
func probeIPT(ctx context.Context, cfg IPTConfig) (err error) {
	n := NewIPT(cfg)
	program := n.families[0].program
	if _, err := find(program); err != nil {
		return err
	}
	c, err := dial(cfg.NetNS)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.destroySet(probeName); err != nil {
		return fmt.Errorf("%w%s", err, hint(err))
	}
	if err := c.createSet(probeName, false, 64); err != nil {
		return fmt.Errorf("%w%s", err, hint(err))
	}
	defer func() { err = errors.Join(err, c.destroySet(probeName)) }()
	test := fmt.Sprintf("*%s\n-A PREROUTING -m set --match-set %s src -j DROP\nCOMMIT\n", iptTable, probeName)
	if _, err = n.command.run(ctx, test, program+"-restore", "-w", "5", "--noflush", "--test"); err != nil {
		return fmt.Errorf("%w%s", err, hintIPT(err))
	}
	return nil
}

// ufwEnabled reports whether ufw's configuration says that it runs.
func ufwEnabled(path string) bool {
	data, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && key == "ENABLED" {
			return strings.EqualFold(strings.Trim(value, `"'`), "yes")
		}
	}
	return false
}
