// Package drill tries the host's firewall from outside, with real packets: it
// lays a cable to a network namespace of its own, whose addresses are set aside
// for documentation, finds the ports at which this host answers, and knocks at
// them. It also reads, by its own means, what the kernel's firewall holds.
//
// It changes nothing of the host but the end of that cable, a network interface
// with an address, which goes away with the process that laid it, even if that
// is killed: a namespace without a process or a name ends, and so does a cable
// with one end. It needs root.
package drill
