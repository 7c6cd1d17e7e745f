package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	const said = `{"Action":"output","Package":"p","Test":"TestFaultA/E03_flush","Output":"    it broke\n"}
{"Action":"fail","Package":"p","Test":"TestFaultA/E03_flush","Elapsed":1.25}
{"Action":"pass","Package":"p","Test":"TestFaultA/E05_war/iptables","Elapsed":2}
{"Action":"pass","Package":"p","Test":"TestFaultA/E05_war","Elapsed":2}
{"Action":"fail","Package":"p","Test":"TestFaultA","Elapsed":3}
{"Action":"pass","Package":"q","Test":"TestFaultB/other","Elapsed":3}
`
	results, log, err := read(strings.NewReader(said))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log, "it broke") {
		t.Errorf("the log lacks what the failed test said: %q", log)
	}
	table := newTable(catalogue("E03 flush\nE04 emptied\nE05 war\n"), results)
	var out strings.Builder
	table.print(&out, "")
	if table.tried != 2 || table.failed != 1 || table.missed != 1 {
		t.Errorf("tried %d, failed %d, missed %d\n%s", table.tried, table.failed, table.missed, &out)
	}
	want := []string{"E03 flush FAIL 1.2 s", "E04 emptied not tried", "E05 war, iptables ok 2.0 s"}
	lines := strings.Split(out.String(), "\n")[1:4]
	for i, line := range lines {
		if got := strings.Join(strings.Fields(line), " "); got != want[i] {
			t.Errorf("line %d is %q, want %q", i, got, want[i])
		}
	}
}

func TestCatalogueIsSortedAndUnique(t *testing.T) {
	last := ""
	for _, r := range catalogue(rowsText) {
		if r.id <= last || r.what == "" || !rowID.MatchString(r.id) {
			t.Errorf("row %q after %q", r.id+" "+r.what, last)
		}
		last = r.id
	}
}
