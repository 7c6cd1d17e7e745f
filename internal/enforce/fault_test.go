package enforce

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/netnstest"
)

// The rows of the catalogue of faults that concern the firewall, for each
// backend.
func TestFaultFirewalls(t *testing.T) {
	for _, row := range []struct {
		name string
		test func(*testing.T, firewall)
	}{
		{"E09 a block ends by itself", testExpiry},
		{"E14 a container's published port is closed", testContainerPublishedPort},
		{"E15 an established connection is cut", testEstablishedConnectionIsCut},
		{"E15 its entries in the table of connections are gone", testConnectionsForgotten},
		{"E16 a host with one address family", testOneFamilyOnly},
		{"E19 no gap while everything is replaced", testNoGapWhileReplacing},
		{"· what is blocked and what is not", testBlocksDropPackets},
		{"· limits of rates", testRateLimit},
	} {
		for _, fw := range firewalls {
			t.Run(row.name+", "+fw.name, func(t *testing.T) {
				t.Parallel()
				row.test(t, fw)
			})
		}
	}
}

// sizeOf is the size for everyday runs, or the full one under "make faults".
func sizeOf(everyday, full int) int {
	if os.Getenv("SENTINEL_FAULTS") == "long" {
		return full
	}
	return everyday
}

func TestFaultNFTables(t *testing.T) {
	for _, row := range []struct {
		name string
		test func(*testing.T)
	}{
		{"A13 removal leaves nothing", testStopKeepsRemoveRemoves},
		{"E03 another program flushes or deletes", testForeignChangeIsUndone},
		{"E05 restoring takes ever less of the time", testEnforcerFlushWar},
		{"E06 many blocks", testManyBlocks},
		{"E07 a full set", testFullSet},
		{"E08 one bad element among many", testBadElement},
		{"E10 a block is extended, shortened and made permanent", testExtend},
	} {
		t.Run(row.name, row.test)
	}
}

func TestFaultFlushWar(t *testing.T) {
	for _, fw := range firewalls {
		t.Run("E05 another program flushes all the time, "+fw.name, func(t *testing.T) {
			t.Parallel()
			testFlushWar(t, fw)
		})
	}
}

// testFlushWar: another program flushes our rules several times a second. We give
// up restoring at once, say so, and the rules are back when it stops.
func testFlushWar(t *testing.T, fw firewall) {
	l := newLabWith(t, fw)
	l.desired.Load(manyBlocks(2000), nil)
	l.desired.Set(blockFor("198.51.100.66/32", time.Hour))
	var wars atomic.Int32
	e := l.start(Config{Alarm: func(a Alarm) {
		if a.Kind == AlarmWar {
			wars.Add(1)
		}
	}})
	netnstest.Eventually(t, 10*time.Second, "watching", func() bool { return !e.Status().LastCheck.IsZero() })
	for end := time.Now().Add(8 * time.Second); time.Now().Before(end); time.Sleep(250 * time.Millisecond) {
		if fw.name == nftables.name {
			l.nft("flush", "ruleset")
		} else {
			l.victim.Command(fw.name, "-t", "raw", "-F")
			l.victim.Command("ipset", "flush")
		}
	}
	s := e.Status()
	if !s.FlushWar || wars.Load() != 1 || s.Restores > 16 {
		t.Errorf("%d restores, %d alarms, %+v", s.Restores, wars.Load(), s)
	}
	l.blocked(45*time.Second, evil4, victim4, true)
}

func TestFaultIPTables(t *testing.T) {
	for _, row := range []struct {
		name string
		test func(*testing.T, firewall)
	}{
		{"A13 removal leaves nothing of ours and all of others", testRemoveIPTables},
		{"E03 another program flushes rules or sets", testForeignChangeOfIPTables},
		{"E04 single elements and rules are changed", testCheckOfIPTables},
		{"E06 many blocks", testManyBlocksInIPTables},
		{"E07 a full set", testFullIPSet},
		{"E10 a block is extended", testExtendInIPTables},
		{"· more rates than there may be", testManyRatesInIPTables},
	} {
		for _, fw := range iptablesKinds {
			t.Run(row.name+", "+fw.name, func(t *testing.T) {
				t.Parallel()
				row.test(t, fw)
			})
		}
	}
}
