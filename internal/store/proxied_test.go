package store

import (
	"net/netip"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// After a restart it must still be known which blocks the packet filter must not
// hear of.
func TestProxiedBlocksStaySo(t *testing.T) {
	s := open(t, Options{})
	b1 := testBlock(testID(10), netip.MustParsePrefix("203.0.113.42/32"))
	b2 := testBlock(testID(11), netip.MustParsePrefix("203.0.113.43/32"))
	b1.Proxied = true
	commit(t, s, Results{Blocks: []sentinel.BlockRecord{b1, b2}, Durable: true})
	got, err := s.BlocksInForce(t.Context(), testTime)
	if err != nil || len(got) != 2 || !got[0].Proxied || got[1].Proxied {
		t.Errorf("%+v %v", got, err)
	}
}
