package models

import (
	_ "embed"

	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
)

//go:embed payload.model
var payloadModel []byte

// Payload returns the model of requests that is shipped.
func Payload() (*payload.Model, error) { return payload.Decode(payloadModel) }
