package setup

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

// badNameFiles are the lists of addresses with a bad name among the other files of
// the directory of lists.
const badNameFiles = "reputation*.txt"

// maxBadNameFile is the largest of them, in bytes.
const maxBadNameFile = 16 << 20

// BadNames are the lists of addresses with a bad name, as of their files.
type BadNames struct {
	Lists []*decide.BadNames
	// Faults says what was left out, a line each, with the name of the file.
	Faults []string
	files  map[string]badNameFile
}

// badNameFile tells a file from what it was before.
type badNameFile struct {
	size  int64
	mtime time.Time
	list  *decide.BadNames
	fault string
}

// LoadBadNames reads the lists of a configuration: reputation*.txt in the directory
// of lists. Of what old has, only files that changed are read again; if none did,
// old is returned.
func LoadBadNames(c *config.Config, old *BadNames) *BadNames {
	b := &BadNames{files: map[string]badNameFile{}}
	names, err := filepath.Glob(filepath.Join(c.Detection.Rules.ListsDir, badNameFiles))
	if err != nil {
		b.Faults = append(b.Faults, fmt.Sprintf("looking for lists: %v", err))
	}
	same, left := old != nil, decide.MaxListEntries
	for _, name := range names {
		f := badNameFile{}
		if info, err := os.Lstat(name); err == nil {
			f.size, f.mtime = info.Size(), info.ModTime()
		}
		known, ok := badNameFile{}, false
		if old != nil {
			known, ok = old.files[name]
		}
		if ok && known.size == f.size && known.mtime.Equal(f.mtime) && (known.list == nil || known.list.Entries <= left) {
			f = known
		} else {
			same = false
			f.list, f.fault = readBadNames(name, left)
		}
		b.files[name] = f
		if f.list != nil {
			left -= f.list.Entries
			b.Lists = append(b.Lists, f.list)
		}
		if f.fault != "" {
			b.Faults = append(b.Faults, f.fault)
		}
	}
	if same && len(b.files) == len(old.files) {
		return old
	}
	return b
}

// readBadNames reads one list, nil if it cannot be read at all.
func readBadNames(name string, limit int) (*decide.BadNames, string) {
	data, err := readTrusted(name, maxBadNameFile)
	if err != nil {
		return nil, fmt.Sprintf("%s: %v", name, err)
	}
	// A long list is not copied; nothing changes data.
	l, err := decide.ParseBadNames(filepath.Base(name), unsafe.String(unsafe.SliceData(data), len(data)), limit)
	if err != nil {
		return l, fmt.Sprintf("%s: %v", name, err)
	}
	return l, ""
}
