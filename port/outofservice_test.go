package port

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestOutOfService: a line whose dialog can't be held shows why, never opens its device and can't be enabled.
func TestOutOfService(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.OutOfService = "the plugin does not load" }, func(r *rig) {
		r.stays(time.Hour, Disabled)
		if s := r.snap(); s.Reason != "the plugin does not load" || s.Condition != "NON_OPERATIONAL" || r.far.State().Opens != 0 {
			t.Errorf("snapshot %+v, device opened %d times", s, r.far.State().Opens)
		}
		if err := r.mgr.Enable(context.Background(), r.cfg.Name); !errors.Is(err, ErrNotNow) {
			t.Errorf("enable: %v", err)
		}
	})
}
