package agent

import "time"

// reserveEvery is how often it is tried to have the reserve again.
const reserveEvery = time.Minute

// reserve is what the engine's goroutine knows of the file that is given up
// when the disk is full.
type reserve struct {
	gone bool
	due  time.Time
}

// watchReserve says that the reserve was given up, since nobody else would: what
// was to be stored is stored, and the next time there is none. It takes it back
// when there is room.
func (a *Agent) watchReserve(now time.Time) {
	r := &a.reserve
	gone := a.store.BallastGone()
	switch {
	case gone && !r.gone:
		r.due = now.Add(reserveEvery)
		a.alarm("database", "the disk is full: the reserve beside the database was given up, free some space now")
	case !gone && r.gone:
		a.alarm("database", "the disk has room again, the reserve is back")
	case gone && !now.Before(r.due):
		r.due = now.Add(reserveEvery)
		go func() { _ = a.store.KeepBallast() }() // fails while there is no room
	}
	r.gone = gone
}
