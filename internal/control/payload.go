package control

// PayloadStatus says how the model of requests stands.
type PayloadStatus struct {
	Enabled bool `json:"enabled"`
	// Error is why it is off although it is enabled.
	Error string `json:"error,omitempty"`
	// Threshold is the score from which a request is reported here, Shipped the
	// model's own.
	Threshold float64 `json:"threshold"`
	Shipped   float64 `json:"threshold_shipped"`
	// Learned is how many different harmless requests were seen here; from 100
	// percent on they may raise the threshold.
	Learned uint64 `json:"learned"`
	Percent int    `json:"percent"`
	// Found requests lay above the threshold since the start; Exempt of these
	// are harmless on this host, of so many Harmless kinds of pages.
	Found    uint64 `json:"found"`
	Exempt   uint64 `json:"exempt"`
	Harmless int    `json:"harmless_pages"`
}
