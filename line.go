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
}

// Position says how far a source has been read. It is stored in one
// transaction with the results of the lines before it.
type Position struct {
	// Source is the id of the source: its configured path or glob member.
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
}

// Batch is a run of lines of one source and the position after them.
type Batch struct {
	Source string
	Type   SourceType
	Lines  []Line
	// Next is the position after the last line.
	Next Position
	// Read is when the lines were read.
	Read time.Time
	// ModTime is the modification time of the file, to which the year of
	// stamps without one is fitted.
	ModTime time.Time
}
