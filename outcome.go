package sentinel

// Outcome says what became of an attack, as far as a log tells. Outcomes are
// ordered by Rank.
type Outcome string

// The outcomes.
const (
	// OutcomeUnknown: the log does not say.
	OutcomeUnknown Outcome = ""
	// OutcomeBlocked: the server refused.
	OutcomeBlocked Outcome = "blocked"
	// OutcomeFailed: it answered with an error.
	OutcomeFailed Outcome = "failed"
	// OutcomeAnswered: it answered, in a way that is usual or not known.
	OutcomeAnswered Outcome = "answered"
	// OutcomeLikely: it answered in a way that is not usual: the attack may have
	// worked.
	OutcomeLikely Outcome = "likely_success"
)

// Rank orders outcomes: the graver, the higher.
func (o Outcome) Rank() int {
	switch o {
	case OutcomeBlocked:
		return 1
	case OutcomeFailed:
		return 2
	case OutcomeAnswered:
		return 3
	case OutcomeLikely:
		return 4
	}
	return 0
}

// String returns the outcome for people.
func (o Outcome) String() string {
	switch o {
	case OutcomeUnknown:
		return "not known"
	case OutcomeLikely:
		return "likely success"
	}
	return string(o)
}
