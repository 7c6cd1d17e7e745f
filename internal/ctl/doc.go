// Package ctl is sentinelctl: its commands, and how they show what they found.
//
// Most commands ask the running agent over its socket (package control). Three
// need none: "ai analyze" replays old logs through the same engine, "rules lint"
// and "rules test" look at rule files, "config validate" at configurations.
//
// Whatever was written by others (log lines, user names, reasons) passes clean
// before it reaches a screen, so that no terminal obeys an attacker. Output for
// programs (--format json, jsonl) has RFC 3339 times and no colours; output for
// people fits the terminal and says how long ago things were.
//
// A command is a function that returns a *cobra.Command and uses app for all it
// needs: streams, clock, terminal. A new one gets its own file and its line in
// newRoot.
package ctl
