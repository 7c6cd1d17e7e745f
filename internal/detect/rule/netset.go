package rule

import (
	"net/netip"

	"github.com/gaissmai/bart"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// netSet is a set of networks: a short list is searched, a long one is a trie.
type netSet struct {
	list []netip.Prefix
	trie *bart.Lite
}

const shortList = 6

func newNetSet(prefixes []netip.Prefix) *netSet {
	if len(prefixes) <= shortList {
		return &netSet{list: prefixes}
	}
	t := new(bart.Lite)
	for _, p := range prefixes {
		t.Insert(p)
	}
	return &netSet{trie: t}
}

func (s *netSet) contains(a netip.Addr) bool {
	if !a.IsValid() {
		return false
	}
	a = sentinel.Normalize(a)
	if s.trie != nil {
		return s.trie.Contains(a)
	}
	for _, p := range s.list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
