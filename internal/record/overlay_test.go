package record

import (
	"fmt"
	"testing"
	"time"

	"rashost/port"
)

// TestEndedCallIsNeverMissing: a call must be found at every moment while its row moves from memory to disk.
func TestEndedCallIsNeverMissing(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close(t.Context()) }()
	for i := range 200 {
		id := fmt.Sprintf("c%03d", i)
		s.Start(Row{ID: id, Line: "l", Start: time.Now()})
		s.End(id, EndUpdate{Cause: port.UserRequest})
		r, err := s.Call(t.Context(), id)
		if err != nil || r.Open() {
			t.Fatalf("call %s right after its end: %+v, %v", id, r, err)
		}
		rows, err := s.Calls(t.Context(), Query{Limit: 1})
		if err != nil || len(rows) != 1 || rows[0].ID != id {
			t.Fatalf("newest call after %s: %v, %v", id, rows, err)
		}
	}
}
