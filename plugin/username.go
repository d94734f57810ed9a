package plugin

import "strings"

// UserNameMax is the longest user name, in bytes, that may reach a service.
const UserNameMax = 64

// ValidUserName says whether a service, a child or pppd may see name: [A-Za-z0-9_][A-Za-z0-9._@+-]{0,63}. A leading '-' could be
// taken for an option. The host refuses a Success with any other name (ErrorInvalidData).
func ValidUserName(name string) bool {
	if name == "" || len(name) > UserNameMax || strings.IndexByte(".@+-", name[0]) >= 0 {
		return false
	}
	for i := range len(name) {
		c := name[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("._@+-", c) >= 0, c == '_':
		default:
			return false
		}
	}
	return true
}
