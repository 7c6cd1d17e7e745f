package enforce

import (
	"slices"
	"time"
)

// Status is what people are shown of an enforcer.
type Status struct {
	Backend string `json:"backend"`
	// Healthy: the firewall holds what it should, as far as we know.
	Healthy bool `json:"healthy"`
	// LastError is empty when healthy; LastErrorAt stays.
	LastError   string    `json:"last_error,omitempty"`
	LastErrorAt time.Time `json:"last_error_at,omitzero"`
	// Failures since the start.
	Failures int `json:"failures"`
	// Desired networks should be dropped; Actual are.
	Desired int `json:"desired"`
	Actual  int `json:"actual"`
	// Rejected blocks were refused one by one; Samples are at most 5 of them.
	Rejected int         `json:"rejected,omitempty"`
	Samples  []Rejection `json:"rejected_samples,omitempty"`
	// Drops counts packets dropped since the table was made, as of at most
	// Config.CountEvery ago. A restart of the agent goes on counting.
	Drops Drops `json:"drops"`
	// LastApply is when the firewall was last written or checked with success;
	// LastApplyTook how long that took.
	LastApply     time.Time     `json:"last_apply,omitzero"`
	LastApplyTook time.Duration `json:"last_apply_took"`
	LastCheck     time.Time     `json:"last_check,omitzero"`
	// Restores counts how often other programs' changes were undone.
	Restores    int       `json:"restores"`
	LastRestore time.Time `json:"last_restore,omitzero"`
	// FlushWar: another program changes our rules again and again.
	FlushWar bool `json:"flush_war,omitempty"`
}

// Status returns a copy. It never waits for the firewall.
func (e *Enforcer) Status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.status
	s.Samples = slices.Clone(s.Samples)
	return s
}

func (e *Enforcer) update(f func(*Status)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f(&e.status)
}

// war notices when another program undoes our rules again and again, and says
// how long to wait before they are restored.
type war struct {
	on     bool
	times  []time.Time // restores within the last minute, at most warAfter
	costly time.Duration
}

const (
	warWindow = time.Minute
	warAfter  = 4 // restores within warWindow
	// warShare keeps the work of restoring below 1/warShare of the time.
	warShare = 20
	warMin   = time.Second
)

// note records a restore and its cost. It is true when the war begins.
func (w *war) note(now time.Time, cost time.Duration) bool {
	w.times = slices.DeleteFunc(w.times, func(t time.Time) bool { return now.Sub(t) > warWindow })
	if len(w.times) == warAfter {
		w.times = w.times[1:]
	}
	w.times = append(w.times, now)
	w.costly = cost
	begins := !w.on && len(w.times) == warAfter
	w.on = w.on || begins // until calm
	return begins
}

// until returns the time before which nothing is restored.
func (w *war) until(now time.Time) time.Time {
	if !w.on || len(w.times) == 0 {
		return now
	}
	return w.times[len(w.times)-1].Add(min(max(w.costly*warShare, warMin), warWindow/2))
}

// calm ends a war after a minute without a restore. It is true when one ended.
func (w *war) calm(now time.Time) bool {
	if !w.on || now.Sub(w.times[len(w.times)-1]) < warWindow {
		return false
	}
	w.on, w.times = false, nil
	return true
}
