package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/oklog/ulid/v2"
	sentinel "github.com/sentinel-ai/sentinel-ai"

	"path/filepath"
	"testing"
)

// open opens a store in a new directory.
func open(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "state", "sentinel.db"), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestOpenCreatesAndCloses(t *testing.T) {
	s := open(t, Options{})
	if r := s.Report(); !r.Created || r.To != newest(t) {
		t.Errorf("report = %+v, want a new file of schema %d", r, newest(t))
	}
}

// newest is the version of the schema that this program makes.
func newest(t *testing.T) int64 {
	t.Helper()
	n, err := newestSchema()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

var testTime = time.Date(2026, 2, 9, 14, 23, 5, 123456000, time.UTC)

func testThreat(id string, at time.Time) sentinel.Threat {
	anomaly := 0.25
	return sentinel.Threat{
		ID: id, CreatedAt: at, LastSeen: at.Add(time.Minute), Source: "/var/log/auth.log", SourceType: sentinel.TypeSSH,
		Severity: sentinel.High, Type: "brute_force", Group: "ssh", AttackerIP: netip.MustParseAddr("203.0.113.42"),
		Scope: netip.MustParsePrefix("203.0.113.42/32"), AttackerGeo: "NL", AttackerNetwork: "AS64500 Example", Key: "user=root", User: "root",
		Description: "12 failed logins in 60 s", Samples: []string{"first line", "second \xff line"},
		RiskScore: 0.765, Decision: 0.7, RuleID: "ssh-brute-force", AnomalyScore: &anomaly, LLMExplanation: "words",
		Status: sentinel.StatusAcknowledged, ResolvedAt: at.Add(time.Hour), ResolvedBy: "ann", EventCount: 12,
		Evidence: []sentinel.Evidence{{Field: "message", View: "raw", Text: "Failed password", Start: 0, End: 6}},
		Score: sentinel.ScoreParts{R: 0.7, Base: 0.7, Limit: 1, Decision: 0.7, Score: 0.765, MayBlock: true,
			Rules: []sentinel.RulePart{{ID: "ssh-brute-force", Name: "SSH", Severity: sentinel.High, Confidence: 0.9,
				Firings: 2, Last: at, Count: 12, Threshold: 5, Window: time.Minute}}},
		MITRE: []string{"T1110", "T1110.001"}, Action: "block", ActionReason: "score 0.7 is at least 0.6", Previous: "01OLD",
		Outcome: sentinel.OutcomeLikely, OutcomeWhy: "the server answered 200",
	}
}

func testBlock(id string, p netip.Prefix) sentinel.BlockRecord {
	return sentinel.BlockRecord{ID: id, Prefix: p, Reason: "12 failed logins", Origin: sentinel.OriginRule, Score: 0.7,
		Created: testTime, Expires: testTime.Add(time.Hour)}
}

// testID is the nth of a row of ULIDs that are a second apart.
func testID(n int) string {
	at := testTime.Add(time.Duration(n) * time.Second)
	entropy := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	return ulid.MustNew(ulid.Timestamp(at), bytes.NewReader(entropy[:])).String()
}

// fill stores n threats of addresses of their own, a second apart.
func fill(t testing.TB, s *Store, n int) []sentinel.Threat {
	t.Helper()
	var all []sentinel.Threat
	for i := range n {
		th := testThreat(testID(i), testTime.Add(time.Duration(i)*time.Second))
		th.AttackerIP = netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		th.Scope = sentinel.Entity(th.AttackerIP)
		all = append(all, th)
	}
	commit(t, s, Results{Threats: all})
	return all
}

func commit(t testing.TB, s *Store, r Results) {
	t.Helper()
	if err := s.Commit(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}
