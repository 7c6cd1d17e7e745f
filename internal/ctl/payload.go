package ctl

import (
	"fmt"
	"strings"

	"github.com/sentinel-ai/sentinel-ai/internal/config"
	"github.com/sentinel-ai/sentinel-ai/internal/control"
	"github.com/sentinel-ai/sentinel-ai/internal/detect/payload"
	"github.com/sentinel-ai/sentinel-ai/internal/setup"
)

// payload returns the model of requests as the agent begins with it. Without it
// the rules still work.
func (a *app) payload(cfg *config.Config) *payload.Stage {
	s, err := setup.Payload(cfg)
	if err != nil {
		a.warn(err.Error() + ": requests are judged by rules alone")
	}
	return s
}

// payloadText says how the model of requests stands.
func (a *app) payloadText(p *control.PayloadStatus) string {
	switch {
	case !p.Enabled:
		return "off"
	case p.Error != "":
		return a.out.paint(styleBad, "off: "+clean(p.Error))
	}
	parts := []string{fmt.Sprintf("reports from a score of %.1f on", p.Threshold)}
	switch {
	case p.Percent < 100:
		parts = append(parts, fmt.Sprintf("learning this host's requests (%d%%)", p.Percent))
	case p.Threshold > p.Shipped:
		parts = append(parts, fmt.Sprintf("raised from %.1f by what is usual here", p.Shipped))
	}
	parts = append(parts, plural(p.Found, "request")+" found")
	if p.Harmless > 0 {
		parts = append(parts, plural(p.Harmless, "page")+" exempt")
	}
	return strings.Join(parts, ", ")
}
