// Package detect counts: it turns the matches of rules into detections that
// have reached their thresholds.
//
// All counters of all rules live in one table with one budget (table.go). A key
// is a 64-bit keyed hash of the counter's number and the group's fields. Rules
// with the same conditions and the same grouping share a counter, so that the
// thresholds 3 in 5 minutes, 10 in an hour and 15 in a day cost one look-up and
// one ring of stamps.
//
//	sliding (≤ 64)   the last stamps of the key; exact            stamps.go
//	sliding (> 64)   32 panes; short by at most window/32         panes.go
//	leaky            one theoretical arrival time (GCRA)          leaky.go
//	distinct (≤ 64)  the values seen last, with stamps; exact     distinct.go
//	distinct (> 64)  HyperLogLog in four panes; about 3 %         sketch.go
//	sequence         the latest start of each prefix; exact       sequence.go
//
// Time is event time. The package never reads the clock, does no I/O and
// allocates nothing for events that only count.
package detect
