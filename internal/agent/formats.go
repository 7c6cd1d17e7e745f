package agent

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/parse"
)

// formatBook has the formats of access logs that the configurations of web
// servers give. It is immutable.
type formatBook struct {
	pages []formatPage
}

// formatPage is what is known of one log, or of those that a pattern names.
type formatPage struct {
	path  string
	found []collect.LogFormat
	// formats are those that can be read, none if they are the usual ones.
	formats []*parse.LogFormat
	// names has "NAME (FILE:LINE)" of all, fault why some cannot be read.
	names []string
	fault string
}

// newFormatBook reads the formats that discovery found. The one before is
// returned if nothing has changed.
func newFormatBook(logs []collect.Found, before *formatBook) *formatBook {
	b := &formatBook{}
	for i := range logs {
		if f := &logs[i]; len(f.Formats) > 0 {
			b.pages = append(b.pages, newFormatPage(f))
		}
	}
	if before != nil && reflect.DeepEqual(before.pages, b.pages) {
		return before
	}
	return b
}

func newFormatPage(f *collect.Found) formatPage {
	p := formatPage{path: f.Path, found: f.Formats}
	usual := true
	for _, x := range f.Formats {
		name := x.Name
		if name == "" {
			name = "a format without a name"
		}
		if x.Where != "" {
			name += " (" + x.Where + ")"
		}
		p.names = append(p.names, name)
		var err error
		var format *parse.LogFormat
		if x.Text == "" {
			err = fmt.Errorf("no configuration that can be read defines it")
		} else {
			format, err = parse.NewLogFormat(x.Text, x.Escape)
		}
		if err != nil {
			usual = false
			p.fault = strings.TrimPrefix(fmt.Sprintf("%s; lines of the log format %s cannot be read: %v", p.fault, name, err), "; ")
			continue
		}
		usual = usual && format.Usual()
		p.formats = append(p.formats, format)
	}
	if usual {
		p.formats = nil
	}
	return p
}

// page finds a log by its path, nil if no configuration names it.
func (b *formatBook) page(path string) *formatPage {
	if b == nil {
		return nil
	}
	for i := range b.pages {
		if p := &b.pages[i]; p.path == path || strings.ContainsAny(p.path, "*?[") && matches(p.path, path) {
			return p
		}
	}
	return nil
}

// apply tells a parser the formats of a log.
func (b *formatBook) apply(path string, pc *parse.Config) {
	if p := b.page(path); p != nil {
		pc.Formats, pc.Strict = p.formats, p.fault != ""
	}
}

// fault says which format of a log cannot be read and why, if one cannot.
func (b *formatBook) fault(path string) string {
	if p := b.page(path); p != nil {
		return p.fault
	}
	return ""
}

// formatGiven reports whether the configuration has the format of a log itself.
func formatGiven(cfg *config.Config, id string) bool {
	s, ok := sourceConfig(cfg, id)
	return ok && s.LogFormat != ""
}
