// Package packaging holds the files that are installed beside the programs.
package packaging

import _ "embed"

// Unit is the systemd unit of the agent.
//
//go:embed sentinel-agent.service
var Unit []byte

// Config is the configuration file with every key at its default.
//
//go:embed config.yml
var Config []byte
