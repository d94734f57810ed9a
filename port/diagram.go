package port

import (
	"fmt"
	"slices"
	"strings"
)

// Diagram returns the table of transitions as a Markdown page: a Mermaid state diagram, the deadlines, and what is ignored.
func Diagram() string {
	var b strings.Builder
	b.WriteString("# The states of a line\n\nGenerated from the transition table in `port/line.go` by `go test ./port -run TestDiagram -update`: " +
		"do not edit.\n\n```mermaid\nstateDiagram-v2\n    [*] --> opening\n")
	type edge struct{ from, to State }
	labels := make(map[edge][]string)
	var edges []edge
	for _, r := range transitions() {
		e := edge{r.state, r.next}
		if labels[e] == nil {
			edges = append(edges, e)
		}
		labels[e] = append(labels[e], string(r.on))
	}
	name := func(s State) string { return strings.ReplaceAll(string(s), "-", "_") }
	for _, e := range edges {
		if e.to == Disabled || e.from == e.to { // from anywhere, and in the list below
			continue
		}
		fmt.Fprintf(&b, "    %s --> %s: %s\n", name(e.from), name(e.to), strings.Join(labels[e], " / "))
	}
	b.WriteString("    disabled --> [*]: remove / shutdown\n```\n\n" +
		"Not drawn: from every state without a call, disable, disable when idle, lend, remove and shutdown lead to disabled; off does so from hanging-up.\n\n" +
		"| state | RAS_PORT_CONDITION | deadline | stays, on |\n|---|---|---|---|\n")
	for _, d := range deadlines() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", d.state, condition(d.state), d.rule, strings.Join(labels[edge{d.state, d.state}], ", "))
	}
	b.WriteString("\n| event | in the states without a row for it |\n|---|---|\n")
	rules := ignored()
	var events []event
	for ev := range rules {
		events = append(events, ev)
	}
	slices.Sort(events)
	for _, ev := range events {
		fmt.Fprintf(&b, "| %s | %s |\n", ev, rules[ev])
	}
	return b.String()
}
