package port

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"rashost/dialog"
)

var update = flag.Bool("update", false, "write the golden files anew")

// constants returns the string constants of line.go whose name begins with prefix, or whose type is typ.
func constants(t *testing.T, typ string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "line.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typ {
			s, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, s)
		}
		return true
	})
	if len(all) < 10 {
		t.Fatalf("found only %d constants of type %s", len(all), typ)
	}
	return all
}

// TestTableIsComplete: every state has a deadline and a way out of it, and every event in every state a row or a rule.
func TestTableIsComplete(t *testing.T) {
	states, events := constants(t, "State"), constants(t, "event")
	rows := make(map[transition]int)
	for _, r := range transitions() {
		rows[transition{r.state, r.on}]++
		if !slices.Contains(states, string(r.state)) || !slices.Contains(states, string(r.next)) || !slices.Contains(events, string(r.on)) {
			t.Errorf("row with an unknown word: %s, %s, %s", r.state, r.on, r.next)
		}
	}
	limits := make(map[State]deadline)
	for _, d := range deadlines() {
		limits[d.state] = d
	}
	rules := ignored()
	l := NewManager(ManagerOptions{}).newLine(LineConfig{Name: "x", IdleProbe: time.Minute, Profile: testProfile()}, NewFake("x", FakeOptions{}), nil)
	defer close(l.tty.starts)
	for _, s := range states {
		d, ok := limits[State(s)]
		if !ok || d.rule == "" {
			t.Errorf("%s has no rule for its deadline", s)
			continue
		}
		if d.limit(l) > 0 && rows[transition{State(s), evDeadline}] == 0 {
			t.Errorf("nothing follows the deadline of %s", s)
		}
		for _, ev := range events {
			n := rows[transition{State(s), event(ev)}]
			if n > 1 {
				t.Errorf("%s, %s: %d rows", s, ev, n)
			}
			if n == 0 && rules[event(ev)] == "" {
				t.Errorf("%s, %s: neither a row nor a rule", s, ev)
			}
		}
		if condition(State(s)) == "" || (s != string(Disabled) && condition(State(s)) == condition("no state") &&
			!slices.Contains([]State{Absent, Recovering, Quarantined}, State(s))) {
			t.Errorf("%s has no RAS_PORT_CONDITION", s)
		}
	}
	for _, ev := range []event{evRemove, evShutdown} {
		if rules[ev] != "" {
			t.Errorf("%s must not be ignored anywhere", ev)
		}
	}
}

// TestDialogLimit: the backstop is longer than the longest dialog that the configuration allows, as its reference says.
func TestDialogLimit(t *testing.T) {
	reference, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	most := dialog.DefaultBeginLimit + dialog.DefaultDrainLimit
	for _, key := range []string{"timeout", "end_grace"} {
		row := regexp.MustCompile("(?m)^\\| `" + key + "` \\|.*\\| \\w+ to (\\w+) \\|").FindSubmatch(reference)
		if row == nil {
			t.Fatalf("no range of %s", key)
		}
		d, err := time.ParseDuration(string(row[1]))
		if err != nil {
			t.Fatal(err)
		}
		most += d
	}
	if dialogLimit <= most {
		t.Errorf("dialogLimit is %s, but a dialog can take %s", dialogLimit, most)
	}
}

// TestDiagram keeps docs/line-states.md in step with the table.
func TestDiagram(t *testing.T) {
	const golden = "../docs/line-states.md"
	if *update {
		if err := os.WriteFile(golden, []byte(Diagram()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != Diagram() {
		t.Errorf("%s is out of date: go test ./port -run TestDiagram -update", golden)
	}
}

func TestCallIDs(t *testing.T) {
	var g callIDs
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var ids []string
	for range 100 { // in the same instant
		ids = append(ids, g.next(now))
	}
	ids = append(ids, g.next(now.Add(time.Second)), g.next(now.Add(time.Hour)), g.next(now.Add(100*365*24*time.Hour)))
	var restarted callIDs
	ids = append(ids, restarted.next(now.Add(101*365*24*time.Hour)))
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != len(ids) {
		t.Errorf("not sorted or not unique: %v", ids)
	}
	for _, id := range ids {
		if len(id) != idLength {
			t.Errorf("id %q", id)
		}
	}
}

func TestBackoff(t *testing.T) {
	var got []time.Duration
	for n := range 7 {
		got = append(got, backoff(n, time.Second, 16*time.Second)/time.Second)
	}
	if !slices.Equal(got, []time.Duration{1, 2, 4, 8, 16, 16, 16}) {
		t.Error(got)
	}
	if backoff(1000, absentFirst, absentMost) != absentMost {
		t.Error("no cap")
	}
}
