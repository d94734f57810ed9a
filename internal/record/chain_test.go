package record

import (
	"testing"
	"time"
)

// TestStepsOfAnEndedCallAreInOrderOfTime: the line tells its steps only at the end, but they happened before the dialog's.
func TestStepsOfAnEndedCallAreInOrderOfTime(t *testing.T) {
	t0 := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var r Row
	r.decide(VerdictUpdate{Steps: []Step{{At: t0.Add(2 * time.Second), What: "dialog begins"}, {At: t0.Add(3 * time.Second), What: "refused"}}})
	shared := r.Steps
	r.end(EndUpdate{Steps: []Step{{At: t0, What: "RING"}, {At: t0.Add(4 * time.Second), What: "hang up"}}})
	want := []string{"RING", "dialog begins", "refused", "hang up"}
	for i, w := range want {
		if r.Steps[i].What != w {
			t.Fatalf("steps = %v, want the order %v", r.Steps, want)
		}
	}
	if shared[0].What != "dialog begins" {
		t.Fatal("sorting changed a copy of the row that was given out before")
	}
}
