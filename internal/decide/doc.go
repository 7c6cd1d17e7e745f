// Package decide turns detections and orders into threats and blocks. It is the
// only place with an opinion on safety:
//
//   - the allowlist wins over everything, in every notation of an address;
//   - below the threshold we report and never block, and without a rule that may
//     block nothing blocks;
//   - every automatic block ends; only a person can ask for one without an end;
//   - the number of blocks and the rate of new ones are bounded;
//   - every refusal has a reason, which is stored and shown.
//
// Read [Decider.Detect] first: a detection joins a case (case.go), the case is
// scored (score.go), the policy judges it (policy.go), and a block enters the
// table (blocks.go). [Decider.Order] is the same for what people want.
//
// All of it is plain values and one struct. There is no I/O, no goroutine and
// no clock: time comes in as an argument. Times keep their monotonic reading if
// they have one, so that a jump of the wall clock neither ends nor prolongs the
// blocks that were made by this process.
package decide
