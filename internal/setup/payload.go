package setup

import (
	"fmt"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/models"
)

// Payload returns the model of requests, ready to work, nil if the configuration
// does not want it. It has learnt nothing of the host.
func Payload(c *config.Config) (*payload.Stage, error) {
	if !c.Detection.Payload.Enabled {
		return nil, nil
	}
	m, err := models.Payload()
	if err != nil {
		return nil, fmt.Errorf("reading the payload model: %w", err)
	}
	return payload.NewStage(m, payload.Config{Learning: c.Detection.Anomaly.LearningPeriod}), nil
}
