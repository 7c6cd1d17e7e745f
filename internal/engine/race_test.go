//go:build race

package engine

// race: the race detector is at work, under which pools of the standard library
// forget on purpose.
const race = true
