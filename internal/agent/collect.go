package agent

import (
	"context"
	"fmt"
	"path/filepath"

	sentinel "github.com/sentinel-ai/sentinel-ai"
	"github.com/sentinel-ai/sentinel-ai/internal/collect"
	"github.com/sentinel-ai/sentinel-ai/internal/config"
)

// collect runs collectors until ctx ends: a new one after each reload, which
// goes on where the one before stopped.
func (a *Agent) collect(ctx context.Context, out chan sentinel.Batch) error {
	for ctx.Err() == nil {
		positions, err := a.store.Positions(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading positions: %w", err)
		}
		cfg := a.config()
		a.sockets.Keep(listens(cfg))
		c, err := collect.New(collect.Config{
			Sockets:    a.sockets,
			Sources:    a.sourcesOf(cfg),
			BatchLines: cfg.Performance.BatchSize,
			Logger:     a.log.With("part", "collect"),
		}, positions)
		if err != nil {
			return fmt.Errorf("preparing to read logs: %w", err)
		}
		run, stop := context.WithCancel(ctx)
		a.mu.Lock()
		stale := a.cfg != cfg // a reload came in between
		if !stale {
			a.collector, a.restart = c, stop
		}
		a.mu.Unlock()
		if !stale {
			err = c.Run(run, out)
		}
		stop()
		if err != nil {
			return fmt.Errorf("reading logs: %w", err)
		}
		if ctx.Err() != nil {
			return nil
		}
		// Everything read has to be stored before positions say where to go on,
		// also what still waits for the engine: it would be read twice.
		if err := a.do(ctx, func() { a.drain(out); _ = a.flush() }); err != nil {
			return nil
		}
	}
	return nil
}

// listens are the sources that are sockets.
func listens(cfg *config.Config) (paths []string) {
	for _, s := range cfg.Logs.Sources {
		if sentinel.IsListen(s.Path) {
			paths = append(paths, s.Path)
		}
	}
	return paths
}

// drain takes in the batches that wait, after their sender has ended. Engine's
// goroutine only.
func (a *Agent) drain(in <-chan sentinel.Batch) {
	for {
		select {
		case b := <-in:
			a.batch(b)
		default:
			return
		}
	}
}

// matches reports whether a glob holds a path.
func matches(pattern, path string) bool {
	ok, err := filepath.Match(pattern, path)
	return err == nil && ok
}
