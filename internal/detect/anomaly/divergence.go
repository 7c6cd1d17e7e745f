package anomaly

import "math"

// Countries are those of the addresses that visited a source: today's visits,
// and the shares learned from earlier days. A visit is an address in a bin, so
// that one busy client does not weigh more than others.
type countries struct {
	day     int64 // number of the day that today's are of
	visits  uint32
	today   [countryPlaces]uint32
	learned [countryPlaces]float32 // shares
	days    uint16                 // that were learned
	// spoiled are bins of today that must not be learned.
	spoiled int
}

const (
	countryPlaces = 26 * 26
	// leastVisits are needed today before shares say something, leastDays before
	// there is something to compare with; learned shares forget like baselines.
	leastVisits = 200
	leastDays   = 3
	dayCap      = 28
	// mostSpoiled bins of a day that must not be learned, and none of it is.
	mostSpoiled = 12
)

// countryPlace is the place of a two-letter country code, -1 for others.
func countryPlace(c string) int {
	if len(c) != 2 || c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z' {
		return -1
	}
	return int(c[0]-'A')*26 + int(c[1]-'A')
}

func countryName(place int) string { return string([]byte{'A' + byte(place/26), 'A' + byte(place%26)}) }

// visit counts an address.
func (c *countries) visit(place int) {
	c.today[place]++
	c.visits++
}

// turn begins another day and learns the one that ended, unless too much of it is
// not to be learned or it says too little.
func (c *countries) turn(day int64) {
	if c.day == day {
		return
	}
	if c.spoiled <= mostSpoiled && c.day != 0 && c.visits >= leastVisits {
		c.days = min(c.days+1, dayCap)
		w := 1 / float32(c.days)
		for i := range c.learned {
			c.learned[i] += w * (float32(c.today[i])/float32(c.visits) - c.learned[i])
		}
	}
	c.day, c.visits, c.spoiled = day, 0, 0
	clear(c.today[:])
}

// divergence is that of Jensen and Shannon between today's and the learned
// shares, 0 to 1 (in bits); false while there is too little of either.
func (c *countries) divergence() (float64, bool) {
	if c.visits < leastVisits || c.days < leastDays {
		return 0, false
	}
	sum := 0.0
	for i := range c.today {
		p, q := float64(c.today[i])/float64(c.visits), float64(c.learned[i])
		m := (p + q) / 2
		if p > 0 {
			sum += p * math.Log2(p/m) / 2
		}
		if q > 0 {
			sum += q * math.Log2(q/m) / 2
		}
	}
	return min(max(sum, 0), 1), true
}

// strangest is the country whose share has risen most.
func (c *countries) strangest() (name string, now, usual float64) {
	best, most := -1, 0.0
	for i := range c.today {
		share := float64(c.today[i]) / float64(max(c.visits, 1))
		if rise := share - float64(c.learned[i]); rise > most {
			best, most, now, usual = i, rise, share, float64(c.learned[i])
		}
	}
	if best < 0 {
		return "", 0, 0
	}
	return countryName(best), now, usual
}
