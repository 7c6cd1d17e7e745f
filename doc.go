// Package sentinel is the vocabulary of SentinelAI: the values that flow from a
// line in a log file to a drop in the kernel's firewall.
//
//	collect ──► parse ──► detect ──► decide ──► store ──► enforce
//	 Lines      Events  Detections   Threats     │
//	                                 Blocks      └──────► control
//
// It holds data and its invariants only. It does no I/O, starts nothing, reads
// no clock, and imports nothing but the standard library, so that every other
// package can import it.
package sentinel
