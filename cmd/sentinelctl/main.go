// Command sentinelctl asks the agent of this host, gives it orders, and looks
// through old logs without it.
package main

import (
	"os"

	"github.com/sentinel-ai/sentinel-ai/internal/ctl"
)

// version is set by the linker.
var version = "dev"

func main() { os.Exit(ctl.Main(os.Args[1:], version)) }
