// Package payload knows requests that look like attacks although no rule names
// them: a linear model over short pieces of the request target.
//
// A [Model] is 2^16 weights of one byte. A text's score is the bias plus the sum
// of the weights of its pieces (n-grams of 2 to 4 bytes, each counted once)
// divided by the root of their number. A [Stage] is the model at work on one
// host: it scores what is worth it, keeps its threshold above what is usual
// here, and learns which pages are harmless. What it finds is advisory: it can
// raise a score and never justifies a block.
//
// The package is pure: text, time and random numbers come in as data.
package payload
