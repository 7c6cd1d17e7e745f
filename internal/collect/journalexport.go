package collect

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

// The export format of the journal is a run of entries, each ended by an empty
// line. A field is "NAME=VALUE" on a line or, where the value holds bytes that
// are no text, NAME on a line, the length as 64 bits (little endian), the value
// and a newline. Fields whose names begin with an underscore are the journal's
// own; programs can write all others, any of them more than once.
const (
	// exportBuffer must hold a name and the longest value that is kept.
	exportBuffer = 256 << 10
	// maxExportValue is how much is kept of any value but the message.
	maxExportValue = 512
	// maxExportField is the greatest length that a field may announce; the
	// journal itself refuses such fields.
	maxExportField = 1 << 30
	// maxExportEntry is the most fields of an entry. The journal's own bound is
	// 1,024.
	maxExportEntry = 4096
)

var errExport = errors.New("not the journal's export format")

// exportFields are the fields that journalctl is asked for. It adds the cursor,
// the times and the boot.
const exportFields = "MESSAGE,MESSAGE_ID,N_DROPPED,SYSLOG_IDENTIFIER,SYSLOG_PID,_COMM,_HOSTNAME,_PID,_SYSTEMD_UNIT,_TRANSPORT,_UID"

// entryField is a field of an entry that is kept.
type entryField uint8

const (
	fieldCursor entryField = iota
	fieldRealtime
	fieldMessage
	fieldMessageID
	fieldDropped
	fieldIdent
	fieldSyslogPID
	fieldComm
	fieldHost
	fieldPID
	fieldUnit
	fieldTransport
	fieldUID
	fieldAuditID
	fieldSourceTime
	numEntryFields
)

func fieldOf(name []byte) (entryField, bool) {
	switch string(name) {
	case "__CURSOR":
		return fieldCursor, true
	case "__REALTIME_TIMESTAMP":
		return fieldRealtime, true
	case "MESSAGE":
		return fieldMessage, true
	case "MESSAGE_ID":
		return fieldMessageID, true
	case "N_DROPPED":
		return fieldDropped, true
	case "SYSLOG_IDENTIFIER":
		return fieldIdent, true
	case "SYSLOG_PID":
		return fieldSyslogPID, true
	case "_COMM":
		return fieldComm, true
	case "_HOSTNAME":
		return fieldHost, true
	case "_PID":
		return fieldPID, true
	case "_SYSTEMD_UNIT":
		return fieldUnit, true
	case "_TRANSPORT":
		return fieldTransport, true
	case "_UID":
		return fieldUID, true
	case "_AUDIT_ID":
		return fieldAuditID, true
	case "_SOURCE_REALTIME_TIMESTAMP":
		return fieldSourceTime, true
	}
	return 0, false
}

// entry is one entry of the journal. Its values are valid until the next one is
// read; nil means that the entry has no such field. Of a field that is there
// more than once it has the first.
type entry struct {
	values [numEntryFields][]byte
	cut    bool // the message was longer than sentinel.MaxLine
	store  [numEntryFields][]byte
}

func (e *entry) reset() {
	clear(e.values[:])
	e.cut = false
}

// keep copies a value, as much of it as is kept.
func (e *entry) keep(f entryField, value []byte, cut bool) {
	if e.values[f] != nil {
		return
	}
	if limit := keepLimit(f); len(value) > limit {
		value, cut = value[:limit], true
	}
	e.store[f] = append(e.store[f][:0], value...)
	e.values[f] = e.store[f]
	if f == fieldMessage {
		e.cut = cut
	}
}

func keepLimit(f entryField) int {
	if f == fieldMessage {
		return sentinel.MaxLine
	}
	return maxExportValue
}

// exportReader reads entries. Whatever their size it holds exportBuffer bytes
// and one entry.
type exportReader struct {
	r     *bufio.Reader
	entry entry
}

func newExportReader(r io.Reader) *exportReader {
	return &exportReader{r: bufio.NewReaderSize(r, exportBuffer)}
}

// buffered reports whether something was read that belongs to a later entry.
func (x *exportReader) buffered() bool { return x.r.Buffered() > 0 }

// next reads an entry. io.EOF says that there is none left, io.ErrUnexpectedEOF
// that the last one was torn, which then is not returned.
func (x *exportReader) next() (*entry, error) {
	x.entry.reset()
	for fields := 0; ; fields++ {
		line, err := x.r.ReadSlice('\n')
		long := errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !long {
			if err == io.EOF && (fields > 0 || len(line) > 0) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if !long {
			line = line[:len(line)-1]
			if len(line) == 0 {
				if fields == 0 {
					fields--
					continue // empty lines between entries
				}
				return &x.entry, nil
			}
		}
		if fields >= maxExportEntry {
			return nil, fmt.Errorf("%w: an entry of more than %d fields", errExport, maxExportEntry)
		}
		name, value, text := bytes.Cut(line, []byte{'='})
		f, known := fieldOf(name)
		switch {
		case text:
			if known {
				x.entry.keep(f, value, long)
			}
			if long {
				err = x.skipLine()
			}
		case long:
			err = fmt.Errorf("%w: a name of more than %d bytes", errExport, exportBuffer)
		default:
			err = x.binary(f, known)
		}
		if err != nil {
			return nil, err
		}
	}
}

// skipLine drops the rest of a line.
func (x *exportReader) skipLine() error {
	for {
		_, err := x.r.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			return torn(err)
		}
	}
}

// binary reads length and value of a field.
func (x *exportReader) binary(f entryField, known bool) error {
	head, err := x.r.Peek(8)
	if err != nil {
		return torn(err)
	}
	size := binary.LittleEndian.Uint64(head)
	if size > maxExportField {
		return fmt.Errorf("%w: a field of %d bytes", errExport, size)
	}
	if _, err := x.r.Discard(8); err != nil {
		return torn(err)
	}
	rest := int(size)
	if known && x.entry.values[f] == nil {
		n := min(rest, keepLimit(f))
		value, err := x.r.Peek(n)
		if err != nil {
			return torn(err)
		}
		x.entry.keep(f, value, n < rest)
	}
	if _, err := x.r.Discard(rest); err != nil {
		return torn(err)
	}
	switch end, err := x.r.ReadByte(); {
	case err != nil:
		return torn(err)
	case end != '\n':
		return fmt.Errorf("%w: no newline after a binary field", errExport)
	}
	return nil
}

func torn(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
