package enforce

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// RemoveAll takes away all that any backend ever put into the firewall of the
// network namespace of the process: all blocks are open again. It works without
// an agent and is no error if there is nothing. A running agent would notice and
// restore what is its own. It needs root where ufw is installed.
func RemoveAll(ctx context.Context) error { return removeAll(ctx, command{}, "ufw") }

func removeAll(ctx context.Context, c command, ufw string) error {
	return errors.Join(removeNFT(ctx, c.ns), removeAnyIPT(ctx, c), removeUFW(ctx, c, ufw))
}

// RemoveBackend takes away what the backend of a name put into the firewall, for
// when another one has been chosen.
func RemoveBackend(ctx context.Context, name string) error {
	switch name {
	case NameNFTables:
		return removeNFT(ctx, 0)
	case NameIPTables:
		return removeAnyIPT(ctx, command{})
	case NameUFW:
		return removeUFW(ctx, command{}, "ufw")
	}
	return nil
}

// removeNFT deletes our table, if the kernel has tables at all.
func removeNFT(ctx context.Context, ns int) error {
	c, err := dial(ns)
	if err != nil {
		return err
	}
	defer c.close()
	err = removeTable(ctx, c)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return err
}

// removeAnyIPT removes our rules and sets, whichever kind of iptables made them.
// Without a set of ours there is no rule that looks into one.
func removeAnyIPT(ctx context.Context, c command) error {
	nl, err := dial(c.ns)
	if err != nil {
		return err
	}
	defer nl.close()
	found, err := nl.headers("")
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || err == nil && len(ourSets(found)) == 0 {
		return nil // also if the kernel has no sets
	}
	if err != nil {
		return fmt.Errorf("looking for our sets: %w%s", err, hint(err))
	}
	programs := [2][]string{{"iptables-nft"}, {"ip6tables-nft"}}
	for i, kind := range []string{"ip", "ip6"} {
		// A look at a table that is not there would make it.
		if hasLegacyTable(c.ns, kind+"_tables_names") {
			programs[i] = append(programs[i], kind+"tables-legacy")
		}
		if _, err := find(kind + "tables-nft"); err != nil {
			programs[i] = append(programs[i], kind+"tables")
		}
	}
	return removeIPT(ctx, c, programs)
}

// hasLegacyTable reports whether the old iptables has the table that our rules
// would be in.
func hasLegacyTable(ns int, names string) (has bool) {
	_ = within(ns, func() error {
		data, err := os.ReadFile("/proc/thread-self/net/" + names)
		has = err == nil && slices.Contains(strings.Fields(string(data)), iptTable)
		return err
	})
	return has
}

// removeUFW deletes our rules of ufw, if it is installed.
func removeUFW(ctx context.Context, c command, program string) error {
	if _, err := find(program); err != nil {
		return nil
	}
	if os.Geteuid() != 0 {
		if ufwEnabled("/etc/ufw/ufw.conf") {
			return errors.New("only root can take our rules out of ufw, if there are any: sentinelctl unblock --all --yes, while the agent is stopped")
		}
		return nil
	}
	return NewUFW(UFWConfig{NetNS: c.ns, Program: program}).Remove(ctx)
}
