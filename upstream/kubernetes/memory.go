package main

import (
	"os"
	"runtime/debug"
	"time"
)

// A component allocates most while it starts, when there is memory and no time; what it
// keeps afterwards is there for as long as the node, most of it idle. GOGC overrides both.
const (
	collectorWhileStarting = 200 // per cent of what is live
	collectorAfterwards    = 50
	starting               = 20 * time.Second
)

func tuneCollector() {
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(collectorWhileStarting)
	time.AfterFunc(starting, func() {
		debug.SetGCPercent(collectorAfterwards)
		debug.FreeOSMemory()
	})
}
