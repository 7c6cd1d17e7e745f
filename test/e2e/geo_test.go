package e2e

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// geoDatabase writes a database of countries and networks; elsewhere everybody is in
// the first place.
func geoDatabase(t *testing.T, places map[string]sentinel.Geo) []byte {
	t.Helper()
	w, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "test", IncludeReservedNetworks: true, DisableIPv4Aliasing: true})
	must(t, err)
	insert := func(network string, g sentinel.Geo) {
		_, n, err := net.ParseCIDR(network)
		must(t, err)
		must(t, w.Insert(n, mmdbtype.Map{"country_code": mmdbtype.String(g.Country), "asn": mmdbtype.Uint32(g.ASN), "as_name": mmdbtype.String(g.Org)}))
	}
	insert("128.0.0.0/1", sentinel.Geo{Country: "NL", ASN: 64500, Org: "Example"})
	for network, g := range places {
		insert(network, g)
	}
	var b bytes.Buffer
	_, err = w.WriteTo(&b)
	must(t, err)
	return b.Bytes()
}

// replace puts a file in the place of another, as package managers do.
func replace(t *testing.T, path string, data []byte) {
	t.Helper()
	must(t, os.WriteFile(path+".new", data, 0o644))
	must(t, os.Rename(path+".new", path))
}

// threatOf returns the newest threat of an address, nil if there is none.
func (a *agentProc) threatOf(t *testing.T, from netip.Addr, kind string) *control.ThreatRow {
	t.Helper()
	list := a.threats(t)
	i := slices.IndexFunc(list, func(r control.ThreatRow) bool { return r.Scope == sentinel.Entity(from) && r.Type == kind })
	if i < 0 {
		return nil
	}
	return &list[i]
}

// TestFaultGeography tells where attackers are, protects places, and loses the
// database in each way there is.
func TestFaultGeography(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	log := newLog(t, filepath.Join(tempDir(t), "auth.log"))
	a := newAgent(t, l.victim, settings{logs: map[string]string{log.path: "ssh"}})
	lists, db := a.path("lists"), a.path("geo/places.mmdb")
	must(t, os.Mkdir(lists, 0o755))
	must(t, os.Mkdir(filepath.Dir(db), 0o755))
	data := geoDatabase(t, map[string]sentinel.Geo{
		evil[1].String() + "/32": {Country: "DE", ASN: 64501, Org: "Monitor"}, evil[8].String() + "/32": {ASN: 64501}, evil[3].String() + "/32": {Country: "JP", ASN: 64503},
	})
	replace(t, db, data)
	text := a.config(settings{logs: map[string]string{log.path: "ssh"}, rules: []string{"lists_dir: " + lists}})
	text += fmt.Sprintf("geo: {country_database: %s, asn_database: %s}\n", db, db)
	must(t, os.WriteFile(a.path("config.yml"), []byte(text), 0o644))
	a.start(t)
	a.ready(t)
	reread := func() { a.signal(syscall.SIGHUP) }
	attack := func(t *testing.T, from netip.Addr) *control.ThreatRow {
		t.Helper()
		log.write(t, failures(from.String(), 5)...)
		var row *control.ThreatRow
		until(t, "the threat is stored", func() bool { row = a.threatOf(t, from, "brute_force"); return row != nil && row.RiskScore >= 0.6 })
		return row
	}

	t.Run("a threat says where it comes from", func(t *testing.T) {
		row := attack(t, evil[0])
		if row.AttackerGeo != "NL" || row.AttackerNetwork != "AS64500 Example" || row.Action != "block" {
			t.Errorf("it is in %q, %q; %s", row.AttackerGeo, row.AttackerNetwork, row.Action)
		}
		var x *control.Explanation
		within(t, func(ctx context.Context) (err error) {
			x, err = a.client(t).Explain(ctx, row.ID)
			return err
		})
		if !strings.Contains(x.Headline, "(NL, AS64500 Example)") {
			t.Errorf("it is explained as %q", x.Headline)
		}
	})
	t.Run("a network on the whitelist is reported and not blocked", func(t *testing.T) {
		within(t, func(ctx context.Context) error {
			_, err := a.client(t).Allow(ctx, control.AllowParams{Place: sentinel.Place{ASN: 64501}, Reason: "ours"})
			return err
		})
		row := attack(t, evil[1])
		if row.Action == "block" || !strings.Contains(row.ActionReason, "whitelisted: AS64501 (ours, user)") {
			t.Errorf("%s: %s", row.Action, row.ActionReason)
		}
		l.open(t, evil[1])
	})
	t.Run("a list that comes raises the score, without a reload", func(t *testing.T) {
		replace(t, filepath.Join(lists, "reputation-mine.txt"), []byte("# reputation: 0.8\n"+evil[2].String()+"\nbroken line\n"))
		a.expect(t, "the list is taken up and its fault named", func(s *control.Status) bool {
			return len(s.Lists) == 1 && slices.ContainsFunc(s.Reasons, func(r string) bool { return strings.Contains(r, "reputation-mine.txt: line 3") })
		})
		if row := attack(t, evil[2]); row.Score.P != 0.8 || !slices.Contains(row.Score.Lists, "reputation-mine.txt (0.80)") {
			t.Errorf("score %+v", row.Score)
		}
	})
	t.Run("a journey that nobody makes", func(t *testing.T) {
		log.write(t, strings.Replace(failure(evil[4].String(), 1), "Failed password for root", "Accepted password for alice", 1))
		log.write(t, strings.Replace(failure(evil[3].String(), 2), "Failed password for root", "Accepted password for alice", 1))
		until(t, "it is told", func() bool { return a.threatOf(t, evil[3], "impossible_travel") != nil })
		if row := a.threatOf(t, evil[3], "impossible_travel"); row.AttackerGeo != "JP" || row.Action == "block" {
			t.Errorf("%s in %s", row.Action, row.AttackerGeo)
		}
		l.open(t, evil[3])
	})
	t.Run("reputation is kept over a restart", func(t *testing.T) {
		ask := func() (r *control.Address) {
			within(t, func(ctx context.Context) (err error) {
				r, err = a.client(t).Address(ctx, control.AddressParams{IP: network(t, evil[0].String())})
				return err
			})
			return r
		}
		before := ask()
		if before.Score <= 0.4 || before.Country != "NL" { // one case and one block: 1 - e^-0.6
			t.Errorf("reputation %v in %q", before.Score, before.Country)
		}
		a.stop(t)
		a.start(t)
		a.ready(t)
		if after := ask(); math.Abs(after.Score-before.Score) > 0.002 || after.Threats != before.Threats || after.Events != before.Events {
			t.Errorf("reputation %v, before the restart %v", after.Score, before.Score)
		}
	})
	t.Run("a corrupt geo file: named, geography off, the agent runs", func(t *testing.T) {
		a.stop(t)
		replace(t, db, data[:len(data)/2])
		a.start(t)
		a.ready(t)
		a.expect(t, "the file is named", func(s *control.Status) bool {
			return slices.ContainsFunc(s.Reasons, func(r string) bool { return strings.Contains(r, db) && strings.Contains(r, "MMDB") }) &&
				slices.ContainsFunc(s.Reasons, func(r string) bool {
					return strings.Contains(r, "the whitelist names AS64501, and no database knows it")
				})
		})
		if row := attack(t, evil[5]); row.AttackerGeo != "" || row.Action != "block" {
			t.Errorf("in %q, %s, %s", row.AttackerGeo, row.Action, row.ActionReason)
		}
		// Nobody is protected by a place that is not known.
		log.write(t, failures(evil[8].String(), 5)...)
		l.cut(t, evil[8])
	})
	t.Run("a good geo file in its place is taken up", func(t *testing.T) {
		replace(t, db, data)
		reread()
		a.expect(t, "the database is in use", func(s *control.Status) bool {
			return s.Geo != nil && len(s.Geo.Databases) == 1 && len(s.Geo.Faults) == 0
		})
		if row := attack(t, evil[6]); row.AttackerGeo != "NL" {
			t.Errorf("in %q", row.AttackerGeo)
		}
	})
	t.Run("a geo file cut while it is in use", func(t *testing.T) {
		must(t, os.Truncate(db, 0))
		if row := attack(t, evil[7]); row.AttackerGeo != "" || row.Action != "block" {
			t.Errorf("in %q, %s", row.AttackerGeo, row.Action)
		}
		a.expect(t, "it is named", func(s *control.Status) bool {
			return slices.ContainsFunc(s.Reasons, func(r string) bool { return strings.Contains(r, db) })
		})
		if !a.running() {
			t.Error("the agent is gone")
		}
	})
}
