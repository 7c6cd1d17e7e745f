package enforce

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// guard calls the backend one call at a time and does not wait for a call that
// hangs: a system call stuck in the kernel cannot be interrupted.
type guard struct {
	stuck chan struct{} // closed when the call that hangs returns; nil if none
}

// errStuck says that an earlier call has not returned.
var errStuck = errors.New("the firewall still hangs in an earlier call")

// do runs f and waits for it at most limit. f's context ends then too, but not
// when ctx does: what was begun is finished.
func do[T any](ctx context.Context, g *guard, limit time.Duration, f func(context.Context) (T, error)) (T, error) {
	var zero T
	if g.stuck != nil {
		select {
		case <-g.stuck:
			g.stuck = nil
		default:
			return zero, errStuck
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	var (
		result T
		err    error
		done   = make(chan struct{})
	)
	go func() {
		defer cancel()
		defer close(done)
		result, err = f(ctx)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return result, err
	case <-timer.C:
		g.stuck = done
		return zero, fmt.Errorf("the firewall did not answer within %s", limit)
	}
}
