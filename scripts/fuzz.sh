#!/bin/sh
# Runs every fuzz target of the module for the given time (default 10s) or number
# of inputs (5000x). Go would spend up to a minute on making each new input of some
# KiB shorter, which is no fuzzing: 100 tries are enough.
set -eu
time=${1:-10s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cd "$(dirname "$0")/.."
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
	grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | sed 's/^func //' | sort -u | while read -r target; do
		echo "fuzz $dir $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 100x "$dir" </dev/null >"$log" 2>&1 || {
			cat "$log"
			exit 1
		}
	done
done
echo "fuzz: no crash"
