package sentinel

import "time"

// MaxLine is the longest part of a line, in bytes, that is examined. What
// exceeds it is skipped and counted, never buffered.
const MaxLine = 64 << 10

// Line is one line of a log, without its newline.
type Line struct {
	// Text aliases the batch's buffer: clone it (strings.Clone) to keep it
	// longer than the batch. It holds at most MaxLine bytes, any bytes.
	Text string
	// Cut says that the line was longer than MaxLine.
	Cut bool
	// Trust says what vouches for the header in Text.
	Trust Trust
}

// Trust says how far the header of a line is to be believed: who wrote it. Any
// local user can write a line for syslog under any name; the journal knows the
// writer from the kernel.
type Trust uint8

const (
	// TrustHeader: the header is taken at its word. So it is with files, which
	// say nothing about the writer, and with entries of the journal whose
	// writer is what it calls itself.
	TrustHeader Trust = iota
	// TrustLocal: the journal vouches for the program, but it is one that any
	// local user runs (sudo, su): no address in the line is believed.
	TrustLocal
	// TrustNone: the writer is not what it calls itself. The line is text: it
	// tells of no login, no user and no address.
	TrustNone
)

// Position says how far a source has been read. It is stored in one
// transaction with the results of the lines before it.
type Position struct {
	// Source is the id of the source: its configured path or glob member, or
	// "journal".
	Source string
	// Path is the file that was read (a rotated one keeps its new name).
	Path string
	// Device and Inode identify the file together with Fingerprint, since
	// inodes are given again.
	Device, Inode uint64
	// Offset is the byte after the last complete line read.
	Offset int64
	// Fingerprint is a hash of the first FingerprintLen bytes of the file.
	Fingerprint    uint64
	FingerprintLen int
	// Cursor is the journal's name for the entry read last; the fields from
	// Device on are of files alone.
	Cursor string
}

// Batch is a run of lines of one source and the position after them.
type Batch struct {
	Source string
	Type   SourceType
	Lines  []Line
	// Next is the position after the last line.
	Next Position
	// From is where the first line begins and To where the last ends: both of
	// the same file, which a rotation may have put behind Next. Without lines
	// they are not set.
	From, To Position
	// Read is when the lines were read.
	Read time.Time
	// ModTime is the modification time of the file, to which the year of
	// stamps without one is fitted.
	ModTime time.Time
}

// Span is what a batch was read from, so that it can be read again.
type Span struct {
	// Source and Type are the batch's.
	Source string
	Type   SourceType
	// From and To are positions in the same file.
	From, To Position
	// Read and ModTime are the batch's, Lines is how many it had.
	Read, ModTime time.Time
	Lines         int
}

// Span returns what the batch was read from.
func (b *Batch) Span() Span {
	return Span{Source: b.Source, Type: b.Type, From: b.From, To: b.To, Read: b.Read, ModTime: b.ModTime, Lines: len(b.Lines)}
}
