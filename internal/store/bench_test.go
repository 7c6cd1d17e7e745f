package store

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func batchResults(i int) Results {
	return Results{
		Positions: []sentinel.Position{{Source: "/var/log/auth.log", Path: "/var/log/auth.log", Device: 1, Inode: 2,
			Offset: int64(i) * 60_000, Fingerprint: 1 << 63, FingerprintLen: 1024}},
		Counters: Counters{{Source: "/var/log/auth.log", Type: sentinel.TypeSSH, Minute: testTime, Events: 512, Parsed: 510,
			Unparsed: 2, LastEvent: testTime}},
	}
}

// BenchmarkCommitEmptyBatch commits a batch of 512 lines without results: a
// position and a counter.
func BenchmarkCommitEmptyBatch(b *testing.B) {
	s := open(b, Options{})
	i := 0
	for b.Loop() {
		i++
		if err := s.Commit(b.Context(), batchResults(i)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCommitThreats commits a batch that opened 100 cases.
func BenchmarkCommitThreats(b *testing.B) {
	s := open(b, Options{})
	i := 0
	for b.Loop() {
		i++
		r := batchResults(i)
		for n := range 100 {
			at := testTime.Add(time.Duration(i*100+n) * time.Millisecond)
			th := testThreat(ulid.MustNew(ulid.Timestamp(at), ulid.DefaultEntropy()).String(), at)
			th.AttackerIP = netip.AddrFrom4([4]byte{198, byte(i >> 8), byte(i), byte(n)})
			th.Scope = sentinel.Entity(th.AttackerIP)
			r.Threats = append(r.Threats, th)
		}
		if err := s.Commit(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*100)/b.Elapsed().Seconds(), "threats/s")
}

// BenchmarkCommitBlocks commits 1,000 new blocks durably.
func BenchmarkCommitBlocks(b *testing.B) {
	s := open(b, Options{})
	i := 0
	for b.Loop() {
		i++
		r := Results{Durable: true}
		for n := range 1000 {
			p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), byte(n >> 8), byte(n)}), 32)
			r.Blocks = append(r.Blocks, testBlock(fmt.Sprintf("%026d", i*1000+n), p))
		}
		if err := s.Commit(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkThreats reads a page of 50 from 10,000 threats.
func BenchmarkThreats(b *testing.B) {
	s := open(b, Options{})
	fill(b, s, 10_000)
	for b.Loop() {
		if _, _, err := s.Threats(b.Context(), ThreatFilter{MinSeverity: sentinel.High, Since: testTime, Limit: 50}); err != nil {
			b.Fatal(err)
		}
	}
}
