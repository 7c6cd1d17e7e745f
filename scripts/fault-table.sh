#!/bin/sh
# Reads the output of "go test -v" and prints a table of the rows of the
# catalogue of faults: row, what was tried, result. A subtest is of a row if its
# name begins with the row's id: "E03 nft flush ruleset". The others have a dot
# in place of it. The exit code is 1 if anything failed or nothing was run.
exec awk '
function row(name, result, seconds,    parts, n, what, id) {
	n = split(name, parts, "/")
	what = parts[n]
	gsub(/_/, " ", what)
	id = "·"
	if (match(what, /^[A-Z][0-9][0-9] /)) {
		id = substr(what, 1, 3)
		what = substr(what, 5)
	}
	rows++
	if (result == "FAIL")
		failed++
	# In the order of the rows, those without an id last.
	key[rows] = (id == "·" ? "~" : id) sprintf("%05d", rows)
	line[rows] = sprintf("%-4s %-72s %-5s %6s", (id == "·" ? "  ·" : id), what, result == "PASS" ? "ok" : result, seconds)
}

# "    --- PASS: TestFaultX/E03_what (0.12s)": the subtests, not their parents.
/^ *--- (PASS|FAIL|SKIP): Test[^ ]*\// {
	result = substr($2, 1, 4)
	seconds = $NF
	gsub(/[()]/, "", seconds)
	row($3, result, seconds)
	next
}
/^--- FAIL/ { broken++ }
# Whatever is not of the table is shown where it explains a failure.
/^(FAIL|panic:|e2e:|# )/ { broken++ }
{ text[++lines] = $0 }

END {
	for (i = 1; i <= rows; i++) {
		for (j = i; j > 1 && key[j] < key[j - 1]; j--) {
			k = key[j]; key[j] = key[j - 1]; key[j - 1] = k
			k = line[j]; line[j] = line[j - 1]; line[j - 1] = k
		}
	}
	printf "%-4s %-72s %-5s %6s\n", "row", "what was tried", "", "took"
	for (i = 1; i <= rows; i++)
		print line[i]
	if (failed || broken || !rows) {
		print "\nwhat the tests said:\n"
		for (i = 1; i <= lines; i++)
			if (text[i] !~ /^ *=== /)
				print text[i]
	}
	printf "\n%d tried, %d failed\n", rows, failed
	exit (failed || broken || !rows) ? 1 : 0
}
'
