package ctl

import (
	"fmt"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// windows shows how the counters outlive the agent, and what checking the
// database found.
func (a *app) windows(row func(label, text string), db *control.Database) {
	if db.Checked != "" && db.Checked != "ok" {
		row("", a.out.paint(styleBad, "it was damaged at the start: "+clean(db.Checked)))
	}
	if s := db.Snapshot; s != nil {
		text := fmt.Sprintf("saved %s (%s", ago(a.now(), s.Taken), size(uint64(max(0, s.Size))))
		if s.Write > 0 {
			text += fmt.Sprintf(", took %s", (s.Copy + s.Write).Round(time.Millisecond))
		}
		text += ")"
		if s.Taken.IsZero() {
			text = "not saved yet"
		}
		if s.Error != "" {
			text += "  " + a.out.paint(styleBad, clean(s.Error))
		}
		row("Counters:", text)
	}
	if r := db.Rebuilt; r != nil {
		text := fmt.Sprintf("%s read again after a crash, in %s", plural(r.Lines, "line"), r.Took.Round(time.Millisecond))
		if r.Lost > 0 {
			text += "  " + a.out.paint(styleWarn, fmt.Sprintf("%s no longer there", plural(r.Lost, "piece")))
		}
		row("", text)
	}
}
