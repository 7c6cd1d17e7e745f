package models

import (
	_ "embed"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/anomaly"
)

//go:embed forest.model
var forestModel []byte

// Forest returns the model of clients of web servers that is shipped.
func Forest() (*anomaly.Model, error) { return anomaly.Load(forestModel) }
