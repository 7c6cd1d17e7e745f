package parse

import "time"

// clock remembers the last stamp, since busy logs repeat it many times. The
// text is copied: lines do not live longer than their batch.
type clock struct {
	text [40]byte
	n    uint8
	hour int64 // of the anchor, for stamps without a year
	t    time.Time
	// The year at the start of an hour in UTC, so that it is computed once an hour.
	yearHour int64
	year     int
}

// get returns the time of a stamp seen just before.
func (c *clock) get(text string, hour int64) (time.Time, bool) {
	if string(c.text[:c.n]) == text && c.hour == hour {
		return c.t, true
	}
	return time.Time{}, false
}

func (c *clock) put(text string, hour int64, t time.Time) {
	if len(text) <= len(c.text) {
		c.n = uint8(copy(c.text[:], text))
		c.hour, c.t = hour, t
	}
}

// civil is a time of day on a day, as written.
type civil struct {
	year, month, day, hour, min, sec, nsec int
}

// valid checks the ranges; second 60 is a leap second.
func (c *civil) valid() bool {
	return c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= daysIn(c.year, c.month) &&
		c.hour <= 23 && c.min <= 59 && c.sec <= 60
}

// at returns the time in a zone of a fixed offset, in seconds east of UTC.
func (c *civil) at(offset int) time.Time {
	s := daysSince1970(c.year, c.month, c.day)*86400 + int64(c.hour*3600+c.min*60+c.sec-offset)
	return time.Unix(s, int64(c.nsec)).UTC()
}

// in returns the time in a location, nil being UTC.
func (c *civil) in(loc *time.Location) time.Time {
	if loc == nil {
		return c.at(0)
	}
	return time.Date(c.year, time.Month(c.month), c.day, c.hour, c.min, c.sec, c.nsec, loc).UTC()
}

func leap(year int) bool { return year%4 == 0 && (year%100 != 0 || year%400 == 0) }

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if leap(year) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSince1970 counts days in the Gregorian calendar; years are at least 0.
func daysSince1970(year, month, day int) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	// Days before the month, counting from March, are (153*m+2)/5.
	return int64(365*year+floorDiv(year, 4)-floorDiv(year, 100)+floorDiv(year, 400)+(153*(month-3)+2)/5+day-1) - 719468
}

func floorDiv(a, b int) int {
	if a < 0 {
		return -((b - 1 - a) / b)
	}
	return a / b
}

// num2 reads two digits, -1 if they are none. s must hold i+1.
func num2(s string, i int) int {
	a, b := s[i]-'0', s[i+1]-'0'
	if a > 9 || b > 9 {
		return -1
	}
	return int(a)*10 + int(b)
}

// num4 reads four digits.
func num4(s string, i int) int {
	a, b := num2(s, i), num2(s, i+2)
	if a < 0 || b < 0 {
		return -1
	}
	return a*100 + b
}

// month3 reads the English name of a month, 0 if it is none.
func month3(s string) int {
	if len(s) < 3 {
		return 0
	}
	switch s[:3] {
	case "Jan":
		return 1
	case "Feb":
		return 2
	case "Mar":
		return 3
	case "Apr":
		return 4
	case "May":
		return 5
	case "Jun":
		return 6
	case "Jul":
		return 7
	case "Aug":
		return 8
	case "Sep":
		return 9
	case "Oct":
		return 10
	case "Nov":
		return 11
	case "Dec":
		return 12
	}
	return 0
}

// hms reads "hh:mm:ss" at i.
func (c *civil) hms(s string, i int) bool {
	if len(s) < i+8 || s[i+2] != ':' || s[i+5] != ':' {
		return false
	}
	c.hour, c.min, c.sec = num2(s, i), num2(s, i+3), num2(s, i+6)
	return c.hour >= 0 && c.min >= 0 && c.sec >= 0
}

// fraction reads ".123456" or ",123" at i and returns the index after it.
func (c *civil) fraction(s string, i int) int {
	if i+1 >= len(s) || s[i] != '.' && s[i] != ',' || s[i+1]-'0' > 9 {
		return i
	}
	unit := 100_000_000
	for i++; i < len(s) && s[i]-'0' <= 9; i++ {
		c.nsec += unit * int(s[i]-'0')
		unit /= 10
	}
	return i
}

// zone reads "Z", "+hh:mm", "+hhmm" or "+hh" at i, and returns the offset in
// seconds and the index after it.
func zone(s string, i int) (offset, end int, ok bool) {
	if i >= len(s) {
		return 0, i, false
	}
	if s[i] == 'Z' {
		return 0, i + 1, true
	}
	if s[i] != '+' && s[i] != '-' || i+3 > len(s) {
		return 0, i, false
	}
	h, m := num2(s, i+1), 0
	end = i + 3
	if end < len(s) && s[end] == ':' && end+3 <= len(s) {
		m = num2(s, end+1)
		end += 3
	} else if end+2 <= len(s) && s[end]-'0' <= 9 {
		m = num2(s, end)
		end += 2
	}
	if h < 0 || h > 23 || m < 0 || m > 59 {
		return 0, i, false
	}
	offset = h*3600 + m*60
	if s[i] == '-' {
		offset = -offset
	}
	return offset, end, true
}

// isoStamp reads "2006-01-02T15:04:05.999999+02:00" at the start of s, with a
// space instead of the T, a comma instead of the point, and with or without
// fraction and zone. It returns the length of the stamp, 0 if it is none.
func (p *Parser) isoStamp(s string) (time.Time, int) {
	if len(s) < 19 || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' {
		return time.Time{}, 0
	}
	if n := int(p.clock.n); n >= 19 && n <= len(s) && (n == len(s) || s[n] == ' ' || s[n] == ']') {
		if t, ok := p.clock.get(s[:n], 0); ok {
			return t, n
		}
	}
	c := civil{year: num4(s, 0), month: num2(s, 5), day: num2(s, 8)}
	if !c.hms(s, 11) || c.year < 0 || !c.valid() {
		return time.Time{}, 0
	}
	i := c.fraction(s, 19)
	t := time.Time{}
	if offset, j, ok := zone(s, i); ok {
		t, i = c.at(offset), j
	} else {
		t = c.in(p.loc)
	}
	if i < len(s) && s[i] != ' ' && s[i] != ']' && s[i] != ':' {
		return time.Time{}, 0
	}
	p.clock.put(s[:i], 0, t)
	return t, i
}

// clfStamp reads the stamp of access logs, "10/Oct/2000:13:55:36 -0700".
func (p *Parser) clfStamp(s string) (time.Time, bool) {
	if t, ok := p.clock.get(s, 0); ok {
		return t, true
	}
	if len(s) < 20 || s[2] != '/' || s[6] != '/' || s[11] != ':' {
		t, n := p.isoStamp(s)
		return t, n > 0 && n == len(s)
	}
	c := civil{year: num4(s, 7), month: month3(s[3:]), day: num2(s, 0)}
	if !c.hms(s, 12) || c.year < 0 || !c.valid() {
		return time.Time{}, false
	}
	t := time.Time{}
	switch i := c.fraction(s, 20); {
	case i == len(s):
		t = c.in(p.loc)
	case s[i:] == " GMT", s[i:] == " UTC":
		t = c.at(0)
	default:
		offset, end, ok := zone(s, i+1)
		if s[i] != ' ' || !ok || end != len(s) {
			return time.Time{}, false
		}
		t = c.at(offset)
	}
	p.clock.put(s, 0, t)
	return t, true
}

// bsdStamp reads the stamp of RFC 3164, "Jan  2 15:04:05", at the start of s;
// the day may be unpadded. It returns its length, 0 if it is none.
func (p *Parser) bsdStamp(s string, now, ref time.Time) (time.Time, int) {
	end := 15
	switch {
	case len(s) >= 15 && s[3] == ' ' && s[6] == ' ' && s[9] == ':':
	case len(s) >= 14 && s[3] == ' ' && s[5] == ' ' && s[8] == ':':
		end = 14
	default:
		return time.Time{}, 0
	}
	if ref.IsZero() {
		ref = now
	}
	hour := ref.Unix() / 3600
	if t, ok := p.clock.get(s[:end], hour); ok {
		return t, end
	}
	c := civil{month: month3(s)}
	switch {
	case end == 14 || s[4] == ' ':
		c.day = int(s[end-10] - '0')
	default:
		c.day = num2(s, 4)
	}
	// A leap year admits every day.
	c.year = 2000
	if !c.hms(s, end-8) || c.day < 1 || !c.valid() {
		return time.Time{}, 0
	}
	t := p.fitYear(&c, now, ref, hour)
	p.clock.put(s[:end], hour, t)
	return t, end
}

// fitYear finds the year that puts a stamp closest to ref, which is in the given
// hour since 1970, and not more than a day after now. Without either the time is unknown.
func (p *Parser) fitYear(c *civil, now, ref time.Time, hour int64) time.Time {
	if ref.IsZero() {
		return time.Time{}
	}
	// The usual case first: less than half a year away, so no other is closer.
	if hour != p.clock.yearHour || p.clock.year == 0 {
		p.clock.yearHour, p.clock.year = hour, ref.UTC().Year()
	}
	around := p.clock.year
	c.year = around
	if c.day <= daysIn(c.year, c.month) {
		t := c.in(p.loc)
		s := t.Unix()
		const halfYear, day = 4000 * 3600, 24 * 3600
		if d := s - ref.Unix(); d > -halfYear && d < halfYear && (now.IsZero() || s < now.Unix()+day) {
			return t
		}
	}
	limit := now.Add(24 * time.Hour)
	if now.IsZero() {
		limit = ref.Add(366 * 24 * time.Hour)
	}
	// 29 February may be 8 years away.
	reach := 1
	if c.month == 2 && c.day == 29 {
		reach = 8
	}
	best, found := time.Time{}, false
	for c.year = around - reach; c.year <= around+reach; c.year++ {
		if c.day > daysIn(c.year, c.month) {
			continue
		}
		t := c.in(p.loc)
		if t.After(limit) || found && t.Sub(ref).Abs() >= best.Sub(ref).Abs() {
			continue
		}
		best, found = t, true
	}
	if !found && ref.After(limit) {
		return p.fitYear(c, now, now, now.Unix()/3600)
	}
	return best
}
