// Package packaging holds the files that are installed beside the programs.
package packaging

import "embed"

// Units are the systemd units: sentinel-agent.service and what goes with it.
//
//go:embed *.service
var Units embed.FS

// Config is the configuration file with every key at its default.
//
//go:embed config.yml
var Config []byte
