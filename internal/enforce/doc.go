// Package enforce keeps the kernel's firewall equal to the blocks in force.
//
// It is a loop, not an event handler: the agent puts what should be in force
// into a Desired (after the store's commit) and wakes the Enforcer, which sends
// the kernel the difference. Expiry, unblocking, restart, reboot and tampering
// need no code of their own: all are differences.
//
// # What is in the kernel
//
// One table of our own, "inet sentinel", so that what we add is removed whole
// and nothing of anybody else's is touched:
//
//	table inet sentinel {
//	    set allow4 { type ipv4_addr; flags interval; }           never dropped
//	    set allow6 { type ipv6_addr; flags interval; }
//	    set block4 { type ipv4_addr; flags timeout; }            one address
//	    set block6 { type ipv6_addr; flags timeout; }            one /64, by its first address
//	    set net4   { type ipv4_addr; flags interval, timeout; }  wider networks
//	    set net6   { type ipv6_addr; flags interval, timeout; }
//	    set limit4 { type ipv4_addr; flags interval, timeout; limit rate ...; }
//	    set limit6 { type ipv6_addr; flags interval, timeout; limit rate ...; }
//	    counter drop_block4 {} ... one for each set but the allow sets
//	    chain prerouting {
//	        type filter hook prerouting priority -310; policy accept;
//	        ip saddr @allow4 return
//	        ip6 saddr @allow6 return
//	        ip saddr @block4 counter name "drop_block4" drop
//	        ip saddr @net4 counter name "drop_net4" drop
//	        ip6 saddr & ffff:ffff:ffff:ffff:: @block6 counter name "drop_block6" drop
//	        ip6 saddr @net6 counter name "drop_net6" drop
//	        tcp flags & (fin | syn | rst | ack) != syn return
//	        ip saddr @limit4 counter name "drop_limit4" drop
//	        ip6 saddr @limit6 counter name "drop_limit6" drop
//	    }
//	}
//
// The hook lies before connection tracking and address translation. So a block
// also holds for connections that are already established (their packets are
// dropped from now on and both ends run into their time-outs), for forwarded
// packets, and for the published ports of containers. What the allow sets hold
// passes even inside a blocked network, which is then still subject to the
// host's other tables.
//
// Each element of the limit sets has a bucket of its own rate and matches only
// while that is empty. So new TCP connections and packets of other protocols
// beyond the rate are dropped, and established connections go on. This needs
// Linux 5.7; an older kernel gets no limits, and status says so.
//
// Addresses and /64s lie in hash sets, where one more among 100,000 costs the
// same as the first. Wider networks are cut into ranges that do not overlap,
// each with the latest end of the networks that cover it.
//
// Every element has its remaining time as the kernel's own time-out: a block
// ends in time even if the agent is dead. A clean stop leaves the table as it
// is; Remove and RemoveAll take it away.
package enforce
