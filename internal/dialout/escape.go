package dialout

// escape finds ~. at the beginning of a line, as ssh and cu have it. ~~ there is one ~; anything else behind a ~ goes out with it. The
// zero value is not ready: newEscape begins at the beginning of a line.
type escape struct {
	atStart bool // of a line
	tilde   bool // held back
}

func newEscape() *escape { return &escape{atStart: true} }

// feed takes what was typed and returns what is to be sent. leave says that ~. was typed; what follows it is dropped.
func (e *escape) feed(typed []byte) (send []byte, leave bool) {
	send = make([]byte, 0, len(typed)+1)
	for _, c := range typed {
		switch {
		case e.tilde && c == '.':
			return send, true
		case e.tilde:
			e.tilde = false
			send = append(send, '~')
			if c != '~' {
				send = append(send, c)
			}
		case e.atStart && c == '~':
			e.tilde = true
			continue
		default:
			send = append(send, c)
		}
		e.atStart = c == '\r' || c == '\n'
	}
	return send, false
}
