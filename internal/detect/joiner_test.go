package detect

import (
	"strings"
	"testing"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func TestJoinerCountsAttempts(t *testing.T) {
	steps := map[string]sentinel.AuthStep{
		"I": sentinel.AuthStepInvalid, "P": sentinel.AuthStepPAM, "F": sentinel.AuthStepFailed, "S": sentinel.AuthStepSummary,
	}
	for _, c := range []struct {
		name, lines string
		want        int
	}{
		{"one failure", "F", 1},
		{"invalid user, PAM, failed", "I P F", 1},
		{"invalid user only", "I", 1},
		{"summary only", "S", 1},
		{"failure and summary", "F S", 1},
		{"known user, three passwords, PAM tells two more", "P F F F P2", 3},
		{"two passwords, PAM tells one more", "P F F P", 2},
		{"invalid user, three passwords", "I P F F F P2 S", 3},
		{"repeated five times", "P F F5 S P5", 6},
		{"PAM only", "P P P", 3},
		{"PAM after the failure", "F P F P", 2},
		{"invalid user each time", "I F I F", 2},
		{"a second summary", "S S", 1},
		{"the summary first", "S F", 1},
		{"the summary first, then two", "S F F", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var j joiner
			got := 0
			for i, word := range strings.Fields(c.lines) {
				n := 1
				if len(word) > 1 {
					n = int(word[1] - '0')
				}
				got += j.weight(99, steps[word[:1]], n, noon+uint32(i), false)
			}
			if got != c.want {
				t.Errorf("%s: %d attempts, want %d", c.lines, got, c.want)
			}
		})
	}
}

func TestJoinerForgets(t *testing.T) {
	var j joiner
	if w := j.weight(1, sentinel.AuthStepInvalid, 1, noon, false); w != 1 {
		t.Fatalf("the first line counts %d", w)
	}
	if w := j.weight(1, sentinel.AuthStepFailed, 1, noon+joinSeconds+1, false); w != 1 {
		t.Errorf("after %d s a line counts %d, want 1", joinSeconds+1, w)
	}
	h := newHasher([2]uint64{1, 2})
	// A flood of other connections: bounded, and the newest are known.
	for i := range uint64(200_000) {
		j.weight(h.Word(0, i), sentinel.AuthStepInvalid, 1, noon+200+uint32(i/1000), false)
		if w := j.weight(h.Word(0, i), sentinel.AuthStepFailed, 1, noon+200+uint32(i/1000), false); w != 0 {
			t.Fatalf("connection %d: the second line counts %d", i, w)
		}
	}
	if len(j.sets) != joinSets {
		t.Errorf("%d sets, want %d", len(j.sets), joinSets)
	}
}

// A server without process ids, or whose process serves many, cannot hide more
// than joinLead attempts behind lines of another kind.
func TestJoinerLead(t *testing.T) {
	for _, anonymous := range []bool{false, true} {
		var j joiner
		got := 0
		for range 50 {
			got += j.weight(1, sentinel.AuthStepPAM, 1, noon, anonymous)
		}
		for range 50 {
			got += j.weight(1, sentinel.AuthStepFailed, 1, noon+1, anonymous)
		}
		if got < 100-joinLead {
			t.Errorf("anonymous %t: %d of 100 attempts counted", anonymous, got)
		}
	}
}
