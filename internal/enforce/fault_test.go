package enforce

import "testing"

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
