package record

// Why says in plain words what was decided about a call and why.
func Why(r Row) string { return r.ID }
