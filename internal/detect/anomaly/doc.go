// Package anomaly says how unusual it is what happens, by what is usual on this
// host: what one client does within minutes, and what a whole log counts.
//
// It knows no attacks. Its value A, 0 to 1, raises the score of what the rules
// found and makes people look where they found nothing; alone it never blocks.
//
// All of it is plain values: no I/O, no goroutine and no clock. What attackers
// choose is bounded, and what is learned from them is gated.
package anomaly
