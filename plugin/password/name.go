package password

// nameRule says what plugin.ValidUserName accepts.
const nameRule = "a name begins with a letter, a digit or _ and goes on with up to 63 of these and . @ + -"

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
