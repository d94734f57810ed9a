package external

import "strconv"

// isolation says how many calls share a process. The wider, the greater.
type isolation int

const (
	perCall isolation = iota // a process for each transaction
	perLine                  // one for each line, kept between calls
	shared                   // one for the dialog
)

// String returns the word of the configuration and of Hello.
func (i isolation) String() string {
	switch i {
	case perCall:
		return "call"
	case perLine:
		return "line"
	case shared:
		return "shared"
	default:
		return "isolation " + strconv.Itoa(int(i))
	}
}

// parseIsolation reads the word; "" is "call".
func parseIsolation(word string) (i isolation, ok bool) {
	switch word {
	case "", "call":
		return perCall, true
	case "line":
		return perLine, true
	case "shared":
		return shared, true
	default:
		return 0, false
	}
}
