package ctl

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sentinel-ai/sentinel-ai/internal/control"
)

// ago says how long before now t was, for people: "2m ago". Zero times are "-".
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := now.Sub(t)
	switch {
	case d < -time.Minute:
		return "in " + short(-d)
	case d < time.Second:
		return "<1s ago"
	}
	return short(d) + " ago"
}

// short writes a duration in its largest unit: "45s", "12m", "3h", "6d".
func short(d time.Duration) string {
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + "h"
	}
	return strconv.Itoa(int(d/(24*time.Hour))) + "d"
}

// long writes a duration in its units down to minutes, or seconds if it is
// short: "3d 14h 22m", "1m 5s".
func long(d time.Duration) string {
	if d < time.Minute {
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
	var parts []string
	units := []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}}
	for i, u := range units {
		if i == 3 && (len(parts) > 1 || d < time.Second || len(parts) == 1 && !strings.HasSuffix(parts[0], "m")) {
			break
		}
		if n := d / u.d; n > 0 {
			parts = append(parts, fmt.Sprintf("%d%s", n, u.name))
			d -= n * u.d
		}
	}
	return strings.Join(parts, " ")
}

// stamp is a point in time for people, in their time zone.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

// stampSeconds is stamp with seconds.
func stampSeconds(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// ends says when something ends: "in 59m (2026-02-09 15:23)", "never".
func ends(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	if !t.After(now) {
		return "ended " + ago(now, t)
	}
	return "in " + short(t.Sub(now)+time.Second/2) + " (" + stamp(t) + ")"
}

// whenHint says what parseWhen understands.
const whenHint = "write for example 90s, 1h, 7d, today, yesterday, 2026-11-01, \"2026-11-01 14:30\" or 2026-11-01T14:30:00Z"

// parseWhen reads a point in time: a duration before now, a day or a time in
// the local zone, an RFC 3339 time, "now", "today" or "yesterday".
func parseWhen(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	local := now.Local()
	midnight := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.Local)
	switch strings.ToLower(text) {
	case "now":
		return now, nil
	case "today":
		return midnight, nil
	case "yesterday":
		return midnight.AddDate(0, 0, -1), nil
	}
	if d, err := control.ParseDuration(text); err == nil && strings.ContainsAny(text, "smhdw") {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return inRange(text, t)
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return inRange(text, t)
		}
	}
	return time.Time{}, usagef("%s is no point in time", quote(text)).hint("%s", whenHint)
}

// inRange refuses years that JSON cannot hold.
func inRange(text string, t time.Time) (time.Time, error) {
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return time.Time{}, usagef("%s is not within the years 1 to 9999", quote(text))
	}
	return t, nil
}

// window is the value of --since and --until.
type window struct{ since, until string }

// times reads both ends; absent ones are zero.
func (w window) times(now time.Time) (since, until time.Time, err error) {
	if w.since != "" {
		if since, err = parseWhen(w.since, now); err != nil {
			return since, until, naming("--since", err)
		}
	}
	if w.until != "" {
		if until, err = parseWhen(w.until, now); err != nil {
			return since, until, naming("--until", err)
		}
	}
	if !since.IsZero() && !until.IsZero() && until.Before(since) {
		return since, until, usagef("--until (%s) is before --since (%s)", stampSeconds(until), stampSeconds(since))
	}
	return since, until, nil
}

// naming puts the flag's name before a failure.
func naming(flag string, err error) error {
	if f, ok := err.(*failure); ok {
		f.text = flag + ": " + f.text
	}
	return err
}
