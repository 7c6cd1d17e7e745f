package setup

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/decide"
)

// maxCDNFile is the largest list of ranges, in bytes.
const maxCDNFile = 1 << 20

// cdnRanges returns the ranges of content delivery networks that are never blocked:
// those that are shipped and those of cdn*.txt in the directory of lists. A
// faulty file is left out from the fault on; the error names each.
func cdnRanges(c *config.Config) ([]decide.Protection, error) {
	if !c.Response.ProtectCDN {
		return nil, nil
	}
	all := decide.CDNProtections()
	names, err := filepath.Glob(filepath.Join(c.Detection.Rules.ListsDir, "cdn*.txt"))
	errs := []error{err}
	for _, name := range names {
		data, err := readTrusted(name, maxCDNFile)
		if err == nil {
			var more []decide.Protection
			more, err = decide.ParseCDN(string(data))
			all = append(all, more...)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("reading %s: %w", name, err))
		}
	}
	return all, errors.Join(errs...)
}
