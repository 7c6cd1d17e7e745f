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
// restore what is its own.
func RemoveAll(ctx context.Context) error { return removeAll(ctx, command{}, "", "ufw") }

// RemoveOthers takes away what backends other than the one named put into the
// firewall, for when another was chosen.
func RemoveOthers(ctx context.Context, keep string) error {
	return removeAll(ctx, command{}, keep, "ufw")
}

func removeAll(ctx context.Context, c command, keep, ufw string) error {
	var failures error
	if keep != NameNFTables {
		failures = errors.Join(failures, removeNFT(ctx, c.ns))
	}
	if keep != NameIPTables {
		failures = errors.Join(failures, removeAnyIPT(ctx, c))
	}
	if keep != NameUFW {
		failures = errors.Join(failures, removeUFW(ctx, c, ufw))
	}
	return failures
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
		return nil // then we have made none, and could not ask
	}
	u := NewUFW(UFWConfig{NetNS: c.ns, Program: program})
	return u.Remove(ctx)
}
