package store

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// The windows file holds the latest snapshot of the detectors' memory, beside
// the database: once a minute it may be megabytes, which would hold up commits.
//
//	magic, version, commit (8 bytes), length (8 bytes), checksum (4 bytes)
//	the snapshot, compressed
//
// Numbers are little-endian. The checksum is of commit, length and snapshot.
const (
	windowsMagic   = "SWIN\x01"
	windowsHeader  = len(windowsMagic) + 8 + 8 + 4
	suffixWindows  = ".windows"
	maxWindowsSize = 128 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Windows is a snapshot of the detectors' memory.
type Windows struct {
	// Commit is the number of the commit (Journal.Seq) after which it was taken.
	Commit uint64
	// Taken is when it was written, Size the size of its file.
	Taken time.Time
	Size  int64
	Data  []byte
}

// SaveWindows puts a snapshot in the place of the last one. Before it does, it
// makes the commit that it belongs to durable, so that even after a power cut
// no snapshot is ahead of the database. It does not stand in the way of commits.
func (s *Store) SaveWindows(w Windows) (size int64, err error) {
	defer func() { err = classify(err) }()
	if err := s.Sync(); err != nil {
		return 0, err
	}
	name := s.path + suffixWindows
	f, err := os.OpenFile(name+suffixNew, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, fileMode)
	if err != nil {
		return 0, fmt.Errorf("writing the windows: %w", err)
	}
	size, err = writeWindows(f, w)
	if err := errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(name + suffixNew)
		return 0, fmt.Errorf("writing the windows: %w", err)
	}
	if err := os.Rename(name+suffixNew, name); err != nil {
		return 0, fmt.Errorf("writing the windows: %w", err)
	}
	return size, nil
}

func writeWindows(f *os.File, w Windows) (int64, error) {
	out := bufio.NewWriterSize(f, 64<<10)
	head := windowsHead(w.Commit, w.Data)
	if _, err := out.Write(head); err != nil {
		return 0, err
	}
	z, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		return 0, err
	}
	if _, err := z.Write(w.Data); err != nil {
		return 0, err
	}
	if err := errors.Join(z.Close(), out.Flush(), f.Sync()); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func windowsHead(commit uint64, data []byte) []byte {
	b := append(make([]byte, 0, windowsHeader), windowsMagic...)
	b = binary.LittleEndian.AppendUint64(b, commit)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	sum := crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, data)
	return binary.LittleEndian.AppendUint32(b, sum)
}

// Windows reads the latest snapshot. ErrNotFound says that there is none,
// ErrCorrupt that it is damaged.
func (s *Store) Windows() (w Windows, err error) {
	f, err := os.OpenFile(s.path+suffixWindows, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return w, fmt.Errorf("windows: %w", ErrNotFound)
	}
	if err != nil {
		return w, fmt.Errorf("reading the windows: %w", classify(err))
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return w, fmt.Errorf("reading the windows: %w", classify(err))
	}
	w.Taken, w.Size = info.ModTime(), info.Size()
	if w.Commit, w.Data, err = readWindows(bufio.NewReaderSize(f, 64<<10)); err != nil {
		return w, fmt.Errorf("reading the windows: %w", classify(err))
	}
	return w, nil
}

func readWindows(r io.Reader) (commit uint64, data []byte, err error) {
	head := make([]byte, windowsHeader)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, damaged(err)
	}
	rest, ok := bytes.CutPrefix(head, []byte(windowsMagic))
	if !ok {
		return 0, nil, damaged(errors.New("it begins with something else"))
	}
	commit = binary.LittleEndian.Uint64(rest)
	size := binary.LittleEndian.Uint64(rest[8:])
	if size > maxWindowsSize {
		return 0, nil, damaged(fmt.Errorf("it says that it has %d bytes", size))
	}
	// The size may be a lie: the buffer grows with what is there.
	var b bytes.Buffer
	b.Grow(int(min(size+bytes.MinRead, 16<<20)))
	n, err := io.Copy(&b, io.LimitReader(flate.NewReader(r), int64(size)+1))
	switch {
	case err != nil:
		return 0, nil, damaged(err)
	case uint64(n) != size:
		return 0, nil, damaged(fmt.Errorf("it has %d bytes and says %d", n, size))
	case !bytes.Equal(windowsHead(commit, b.Bytes()), head):
		return 0, nil, damaged(errors.New("its checksum does not fit"))
	}
	return commit, b.Bytes(), nil
}

// damaged keeps errors of the disk apart from bytes that make no sense.
func damaged(err error) error {
	if errors.Is(err, syscall.EIO) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}
