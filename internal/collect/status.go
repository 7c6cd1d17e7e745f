package collect

import (
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// State says how a source is doing.
type State string

// The states of a source.
const (
	// StateWaiting: nothing was found yet, or a glob that matches nothing.
	StateWaiting State = "waiting"
	// StateActive: the file is followed.
	StateActive State = "active"
	// StateDraining: the path holds no file; what it held before is still open
	// and read.
	StateDraining State = "draining"
	// StateMissing: there is no such file.
	StateMissing State = "missing"
	// StateDenied: permission is missing. A file opened before is still read.
	StateDenied State = "denied"
	// StateRefused: not a regular file, or outside the allowed roots.
	StateRefused State = "refused"
	// StateDuplicate: another source follows the same file.
	StateDuplicate State = "duplicate"
	// StateFailing: opening or reading fails; it is tried again.
	StateFailing State = "failing"
)

// Status is what there is to say about one file. Counters begin with Run.
type Status struct {
	// Source is the id in this source's batches; Config the id of the
	// configured source, which differs for members of a glob.
	Source, Config string
	// Path is the configured path or the member of a glob; File is what is read
	// just now, which differs after a rotation and for symbolic links.
	Path, File string
	Type       sentinel.SourceType
	State      State
	// Error is the reason of a state other than active, if there is one.
	Error string
	// LastRead is when the last batch was handed over, zero before.
	LastRead time.Time
	// Looked is when its reader last looked for something to read.
	Looked time.Time
	// Offset is the byte after the last line handed over, in File.
	Offset int64
	// Lag is the number of bytes written and not yet handed over, including
	// files waiting for their turn.
	Lag int64
	// Behind is how old the entry of a journal is that is being handed over while
	// more wait, 0 if none do: the lag where bytes mean nothing.
	Behind time.Duration
	// Blocked says that a batch waits to be taken.
	Blocked bool
	// Hinted says that inotify works for it; otherwise it is polled.
	Hinted bool
	// Lines and Bytes were handed over. Cut lines were longer than
	// sentinel.MaxLine. NULs is the number of bytes skipped in front of lines.
	Lines, Bytes, Cut, NULs int64
	// Rotations counts files that took the path of another; Losses how often
	// lines may have been lost: truncations, files that were not found again
	// after a restart, and gaps in a journal.
	Rotations, Losses int64
	// Note says when and why lines may have been lost last.
	Note string
}
