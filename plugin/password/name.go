package password

import "regexp"

// nameRule says what ValidName accepts.
const nameRule = "a name begins with a letter, a digit or _ and goes on with up to 63 of these and . @ + -"

// ValidName says whether a service, a child or pppd may see the name: [A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}.
func ValidName(name string) bool { return namePattern.MatchString(name) }

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}$`)

// fold makes names comparable: without ASCII case, and nothing beyond ASCII.
func fold(name string) string {
	b := []byte(name)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
