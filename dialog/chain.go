package dialog

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxSteps bounds the decision chain of one transaction: a plugin can make any number of calls.
const maxSteps = 48

// chain collects the Steps of a transaction.
type chain struct {
	mu    sync.Mutex
	steps []Step
	more  int
}

// add appends a step.
func (c *chain) add(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.steps) >= maxSteps {
		c.more++
		return
	}
	c.steps = append(c.steps, Step{At: time.Now(), What: fmt.Sprintf(format, args...)})
}

// all returns the steps with the last ones, which always fit.
func (c *chain) all(last ...string) []Step {
	c.mu.Lock()
	defer c.mu.Unlock()
	steps, now := slices.Clone(c.steps), time.Now()
	if c.more > 0 {
		last = append([]string{fmt.Sprintf("%d more steps are not kept", c.more)}, last...)
	}
	for _, what := range last {
		steps = append(steps, Step{At: now, What: what})
	}
	return steps
}
