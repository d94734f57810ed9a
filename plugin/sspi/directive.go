package sspi

import (
	"errors"
	"fmt"
	"strings"
)

// Bounds of a challenge or response.
const (
	// MaxToken is the longest challenge or response, in bytes (RFC 2831, section 2.1.2, for a response).
	MaxToken = 4096
	// maxDirectives is the most directives in one.
	maxDirectives = 32
)

// Directive is one name=value of a challenge or a response.
type Directive struct {
	// Name is a token, spelled as it came; names compare without ASCII case.
	Name string
	// Value is without quotes and backslashes. A bare value is a token and never empty.
	Value string
	// Quoted says that the value stood, or shall stand, in quotes.
	Quoted bool
}

// Directives are those of one challenge or response, in their order.
type Directives []Directive

// ParseDirectives reads the directives of a challenge or response (RFC 2831, section 7.1; RFC 7616, section 3.3): names with values,
// separated by commas. Empty list elements and white space around names, values and commas mean nothing. Anything else is an error: a
// name twice (but realm, which a challenge may repeat), an open quote, control characters, more than MaxToken bytes.
func ParseDirectives(text string) (Directives, error) {
	return appendDirectives(make(Directives, 0, 16), text)
}

// appendDirectives is ParseDirectives with the room for its result.
func appendDirectives(ds Directives, text string) (Directives, error) {
	if len(text) > MaxToken {
		return nil, fmt.Errorf("%d bytes, at most %d are read", len(text), MaxToken)
	}
	for rest := text; ; {
		rest = strings.TrimLeft(skipSpace(rest), ",")
		if rest = skipSpace(rest); rest == "" {
			break
		}
		if rest[0] == ',' {
			continue
		}
		d, after, err := parseDirective(rest)
		if err != nil {
			return nil, fmt.Errorf("at byte %d: %w", len(text)-len(rest)+1, err)
		}
		if !strings.EqualFold(d.Name, "realm") && ds.has(d.Name) {
			return nil, fmt.Errorf("%s stands there twice", d.Name)
		}
		if ds = append(ds, d); len(ds) > maxDirectives {
			return nil, fmt.Errorf("more than %d directives", maxDirectives)
		}
		if after = skipSpace(after); after != "" && after[0] != ',' {
			return nil, fmt.Errorf("at byte %d: a comma is missing", len(text)-len(after)+1)
		}
		rest = after
	}
	if len(ds) == 0 {
		return nil, errors.New("no directive")
	}
	return ds, nil
}

// has says whether a directive of that name is there.
func (ds Directives) has(name string) bool {
	for i := range ds {
		if strings.EqualFold(ds[i].Name, name) {
			return true
		}
	}
	return false
}

// String prints the directives as ParseDirectives reads them, separated by commas.
func (ds Directives) String() string { return ds.join(",") }

// join prints the directives with sep between them.
func (ds Directives) join(sep string) string {
	var b strings.Builder
	for i, d := range ds {
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(d.Name)
		b.WriteByte('=')
		if !d.Quoted {
			b.WriteString(d.Value)
			continue
		}
		b.WriteByte('"')
		for j := range len(d.Value) {
			if c := d.Value[j]; c == '"' || c == '\\' {
				b.WriteByte('\\')
			}
			b.WriteByte(d.Value[j])
		}
		b.WriteByte('"')
	}
	return b.String()
}

// parseDirective reads name=value at the start of text.
func parseDirective(text string) (d Directive, rest string, err error) {
	n := tokenLength(text)
	if n == 0 {
		return d, text, errors.New("a name is missing")
	}
	d.Name, rest = text[:n], skipSpace(text[n:])
	if rest == "" || rest[0] != '=' {
		return d, text, errors.New("an equals sign is missing")
	}
	if rest = skipSpace(rest[1:]); rest != "" && rest[0] == '"' {
		d.Quoted = true
		d.Value, rest, err = parseQuoted(rest[1:])
		return d, rest, err
	}
	if n = tokenLength(rest); n == 0 {
		return d, text, errors.New("a value is missing")
	}
	d.Value = rest[:n]
	return d, rest[n:], nil
}

// parseQuoted reads what follows an opening quote, up to the closing one (RFC 2616, section 2.2, quoted-string; without line folding).
func parseQuoted(text string) (value, rest string, err error) {
	plain := true // no backslash yet: the value is a part of text
	var unescaped []byte
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c == '"' && plain:
			return text[:i], text[i+1:], nil
		case c == '"':
			return string(unescaped), text[i+1:], nil
		case c == '\\':
			if plain {
				plain, unescaped = false, append(unescaped, text[:i]...)
			}
			if i++; i == len(text) {
				return "", "", errors.New("a quote is not closed")
			}
			c = text[i]
		}
		if c < ' ' && c != '\t' || c == 0x7f {
			return "", "", errors.New("a control character in quotes")
		}
		if !plain {
			unescaped = append(unescaped, c)
		}
	}
	return "", "", errors.New("a quote is not closed")
}

// skipSpace drops white space at the start of text: spaces, tabs, and line ends that are followed by one of them (RFC 2616, LWS).
func skipSpace(text string) string {
	for text != "" {
		switch {
		case text[0] == ' ' || text[0] == '\t':
			text = text[1:]
		case len(text) > 2 && text[:2] == "\r\n" && (text[2] == ' ' || text[2] == '\t'):
			text = text[3:]
		default:
			return text
		}
	}
	return text
}

// tokenLength is how many bytes of text are a token (RFC 7230, section 3.2.6).
func tokenLength(text string) int {
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0:
			return i
		}
	}
	return len(text)
}
