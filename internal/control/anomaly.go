package control

import "time"

// AnomalyStatus says how far it is learned what is usual here.
type AnomalyStatus struct {
	Enabled bool `json:"enabled"`
	// Error is why it is off although it is enabled.
	Error   string          `json:"error,omitempty"`
	Sources []AnomalySource `json:"sources"`
	// NotWatched sources are too many.
	NotWatched int `json:"not_watched,omitempty"`
	// Clients is how far it is learned what clients of web servers do; nil from
	// older agents.
	Clients *AnomalyClients `json:"clients,omitempty"`
}

// AnomalyClients is how far it is learned what clients of web servers do.
type AnomalyClients struct {
	// Error is why they are not judged.
	Error string `json:"error,omitempty"`
	// Learning: A is capped. Percent is how far it is; Judged is how many
	// stretches of clients' time were judged for it.
	Learning bool   `json:"learning"`
	Percent  int    `json:"percent"`
	Judged   uint64 `json:"judged"`
	// Remembered stretches are what the host's own forest is fitted to, which was
	// done at Fitted.
	Remembered int       `json:"remembered"`
	Fitted     time.Time `json:"fitted,omitzero"`
	// Open are clients at work, with the memory of all in Bytes. Unusual ones were
	// seen and clients Evicted, for want of room, since the start.
	Open    int    `json:"open"`
	Bytes   int64  `json:"bytes"`
	Unusual uint64 `json:"unusual"`
	Evicted uint64 `json:"evicted"`
}

// AnomalySource is how far it is learned what is usual of one source.
type AnomalySource struct {
	Source string `json:"source"`
	// Learning: nothing is told yet. Percent is how far it is.
	Learning bool `json:"learning"`
	Percent  int  `json:"percent"`
	// Since is when the source was watched first; Bins are stretches of five
	// minutes that were seen whole.
	Since time.Time `json:"since"`
	Bins  int       `json:"bins"`
	// Deviated is when something unusual was seen last.
	Deviated time.Time `json:"deviated,omitzero"`
}

// BaselinesParams names the source that is asked about; empty: only how far all
// are.
type BaselinesParams struct {
	Source string `json:"source,omitempty"`
}

// BaselinesResult is what was learned of a source.
type BaselinesResult struct {
	Anomaly AnomalyStatus    `json:"anomaly"`
	Source  string           `json:"source,omitempty"`
	Metrics []BaselineMetric `json:"metrics,omitempty"`
}

// BaselineMetric has what is usual of one metric in the 168 hours of the week.
type BaselineMetric struct {
	Metric string      `json:"metric"`
	Hours  []UsualHour `json:"hours"`
}

// UsualHour is what is usual in one hour of the week, in five minutes.
type UsualHour struct {
	Weekday int `json:"weekday"` // 0 is Sunday
	Hour    int `json:"hour"`
	// Low and High are the ends of the range within which most of them lie, Text
	// the same in words. Samples were seen in this very hour, at most 48.
	Low     float64 `json:"low"`
	High    float64 `json:"high"`
	Text    string  `json:"text"`
	Samples int     `json:"samples"`
}

// ForgetParams name the source whose baselines are forgotten, or all.
type ForgetParams struct {
	Source string `json:"source,omitempty"`
	All    bool   `json:"all,omitempty"`
}

// ForgetResult has the sources of which there was something to forget.
type ForgetResult struct {
	Sources []string `json:"sources"`
}

const maxSourceName = 4096

func (p *BaselinesParams) check(Peer) *Error {
	if len(p.Source) > maxSourceName {
		return Errorf(CodeInvalidParams, "source is longer than %d bytes", maxSourceName)
	}
	return nil
}

func (p *ForgetParams) check(Peer) *Error {
	switch {
	case len(p.Source) > maxSourceName:
		return Errorf(CodeInvalidParams, "source is longer than %d bytes", maxSourceName)
	case (p.Source == "") != p.All:
		return Errorf(CodeInvalidParams, "name either a source or all")
	}
	return nil
}
