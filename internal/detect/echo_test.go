package detect

import "testing"

func TestEchoes(t *testing.T) {
	var es echoes
	const key, other = 0xabc << 52, 0xabc<<52 | 1 // of one place
	for _, c := range []struct {
		what string
		key  uint64
		sec  uint32
		want bool
	}{
		{"the first", key, 100, false},
		{"at once again", key, 100, true},
		{"within a minute", key, 100 + echoFor, true},
		{"later: the evidence is wanted once more", key, 101 + echoFor, false},
		{"and known again", key, 102 + echoFor, true},
		{"another of the same place", other, 102 + echoFor, false},
		{"which was put in its stead", key, 103 + echoFor, false},
		{"the clock was set back", key, 50, false},
		{"an event that is no request", 0, 104, false},
		{"nor is the next", 0, 104, false},
	} {
		if got := es.at(c.key).again(c.sec); got != c.want {
			t.Errorf("%s: %t, want %t", c.what, got, c.want)
		}
	}
}
