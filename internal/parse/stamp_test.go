package parse

import (
	"testing"
	"time"

	sentinel "github.com/sentinel-ai/sentinel-ai"
)

func utc(year int, month time.Month, day, hour, min, sec int) time.Time {
	return time.Date(year, month, day, hour, min, sec, 0, time.UTC)
}

func TestStamps(t *testing.T) {
	rome, err := time.LoadLocation("Europe/Rome")
	if err != nil {
		rome = time.FixedZone("CET", 3600)
	}
	for _, c := range []struct {
		name, line string
		loc        *time.Location
		want       time.Time // zero: not understood
	}{
		{"access log", `h - - [01/Mar/2026:11:59:58 +0000] "GET / HTTP/1.1" 200 1`, nil, utc(2026, 3, 1, 11, 59, 58)},
		{"access log, west", `h - - [01/Mar/2026:11:59:58 -0730] "GET / HTTP/1.1" 200 1`, nil, utc(2026, 3, 1, 19, 29, 58)},
		{"access log, east", `h - - [01/Mar/2026:03:00:00 +1400] "GET / HTTP/1.1" 200 1`, nil, utc(2026, 2, 28, 13, 0, 0)},
		{"access log, leap second", `h - - [31/Dec/2016:23:59:60 +0000] "GET / HTTP/1.1" 200 1`, nil, utc(2017, 1, 1, 0, 0, 0)},
		{"access log, leap day", `h - - [29/Feb/2024:00:00:00 +0000] "GET / HTTP/1.1" 200 1`, nil, utc(2024, 2, 29, 0, 0, 0)},
		{"access log, no leap day", `h - - [29/Feb/2025:00:00:00 +0000] "GET / HTTP/1.1" 200 1`, nil, time.Time{}},
		{"access log, ISO", `h - - [2026-03-01T11:59:58+02:00] "GET / HTTP/1.1" 200 1`, nil, utc(2026, 3, 1, 9, 59, 58)},
		{"access log, no zone", `h - - [01/Jul/2026:11:59:58] "GET / HTTP/1.1" 200 1`, rome, utc(2026, 7, 1, 9, 59, 58)},
		{"access log, second 61", `h - - [31/Dec/2016:23:59:61 +0000] "GET / HTTP/1.1" 200 1`, nil, time.Time{}},
		{"access log, old", `h - - [19/Apr/1943:03:14:12 +0000] "GET / HTTP/1.1" 200 1`, nil, utc(1943, 4, 19, 3, 14, 12)},
		{"syslog in a location", "Feb  1 11:59:58 h x: y", rome, utc(2026, 2, 1, 10, 59, 58)},
		{"syslog, leap second", "Dec 31 23:59:60 h x: y", nil, utc(2026, 1, 1, 0, 0, 0)},
		{"syslog, double digits", "Feb 28 00:00:00 h x: y", nil, utc(2026, 2, 28, 0, 0, 0)},
		{"ISO in a location", "2026-07-01T11:59:58 h x: y", rome, utc(2026, 7, 1, 9, 59, 58)},
		{"ISO, short zone", "2026-07-01T11:59:58-03 h x: y", rome, utc(2026, 7, 1, 14, 59, 58)},
		{"ISO, zone without colon", "2026-07-01 11:59:58,123-0330 h x: y", rome, utc(2026, 7, 1, 15, 29, 58).Add(123 * time.Millisecond)},
		{"ISO, nanoseconds and more", "2026-07-01T11:59:58.12345678987Z h x: y", nil, utc(2026, 7, 1, 11, 59, 58).Add(123456789)},
		{"nginx error log", "2026/07/01 11:59:58 [error] 1#0: x", rome, utc(2026, 7, 1, 9, 59, 58)},
		{"Apache error log", "[Wed Jul 01 11:59:58.123456 2026] [core:error] [pid 1] x", nil, utc(2026, 7, 1, 11, 59, 58).Add(123456 * time.Microsecond)},
		{"Apache 2.2 error log", "[Wed Jul  1 11:59:58 2026] [error] x", nil, utc(2026, 7, 1, 11, 59, 58)},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := New(Config{Location: c.loc})
			for range 2 { // the second time from memory
				var ev sentinel.Event
				if ok := p.Parse(c.line, arrival, time.Time{}, &ev); ok == c.want.IsZero() {
					t.Fatalf("understood: %v", ok)
				}
				if !ev.Time.Equal(c.want) || ev.Time.Location() != time.UTC && !ev.Time.IsZero() {
					t.Errorf("got %v, want %v", ev.Time, c.want)
				}
			}
		})
	}
}

func TestYears(t *testing.T) {
	for _, c := range []struct {
		name, stamp string
		now, ref    time.Time
		want        time.Time
	}{
		{"this year", "Mar  1 11:59:58", arrival, time.Time{}, utc(2026, 3, 1, 11, 59, 58)},
		{"last year", "Dec 31 23:59:59", utc(2026, 1, 1, 0, 0, 5), time.Time{}, utc(2025, 12, 31, 23, 59, 59)},
		{"next year, clock behind", "Jan  1 00:00:05", utc(2025, 12, 31, 23, 59, 0), time.Time{}, utc(2026, 1, 1, 0, 0, 5)},
		{"a day ahead", "Mar  2 11:59:00", arrival, time.Time{}, utc(2026, 3, 2, 11, 59, 0)},
		{"more than a day ahead", "Mar  2 12:01:00", arrival, time.Time{}, utc(2025, 3, 2, 12, 1, 0)},
		{"far ahead", "Nov 15 12:00:00", arrival, time.Time{}, utc(2025, 11, 15, 12, 0, 0)},
		{"old file", "Jun 14 15:16:01", arrival, utc(2005, 7, 17, 0, 0, 0), utc(2005, 6, 14, 15, 16, 1)},
		{"old file, over the year", "Dec 20 15:16:01", arrival, utc(2006, 1, 3, 0, 0, 0), utc(2005, 12, 20, 15, 16, 1)},
		{"leap day", "Feb 29 12:00:00", utc(2024, 3, 1, 0, 0, 0), time.Time{}, utc(2024, 2, 29, 12, 0, 0)},
		{"leap day, old", "Feb 29 12:00:00", arrival, time.Time{}, utc(2024, 2, 29, 12, 0, 0)},
		{"leap day around 2100", "Feb 29 12:00:00", utc(2103, 3, 1, 0, 0, 0), time.Time{}, utc(2096, 2, 29, 12, 0, 0)},
		{"file from the future", "Jun 14 15:16:01", arrival, utc(2031, 7, 1, 0, 0, 0), utc(2025, 6, 14, 15, 16, 1)},
		{"nothing known", "Jun 14 15:16:01", time.Time{}, time.Time{}, time.Time{}},
		{"no arrival", "Jun 14 15:16:01", time.Time{}, utc(2005, 7, 17, 0, 0, 0), utc(2005, 6, 14, 15, 16, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ev sentinel.Event
			if !New(Config{}).Parse(c.stamp+" h x: y", c.now, c.ref, &ev) {
				t.Fatal("not understood")
			}
			if !ev.Time.Equal(c.want) {
				t.Errorf("got %v, want %v", ev.Time, c.want)
			}
		})
	}
}

// The memory for stamps must not carry a year over to another file time.
func TestYearIsNotRemembered(t *testing.T) {
	p := New(Config{})
	var ev sentinel.Event
	for year := 2020; year < 2026; year++ {
		p.Parse("Feb  1 00:00:00 h x: y", arrival, utc(year, 2, 2, 0, 0, 0), &ev)
		if ev.Time.Year() != year {
			t.Errorf("file of %d: %v", year, ev.Time)
		}
	}
}

func TestDaysSince1970(t *testing.T) {
	for year := 0; year < 2400; year++ {
		for month := 1; month <= 12; month++ {
			for _, day := range []int{1, daysIn(year, month)} {
				want := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
				if want.Day() != day {
					t.Fatalf("%d-%d has no day %d", year, month, day)
				}
				if got := daysSince1970(year, month, day) * 86400; got != want.Unix() {
					t.Fatalf("%v: got %d, want %d", want, got, want.Unix())
				}
			}
		}
	}
}
