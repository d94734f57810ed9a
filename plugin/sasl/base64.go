package sasl

import "encoding/base64"

// encode is base64 as it stands behind "+ " and "334 ".
func encode(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// decode takes the base64 of a client's line (RFC 4648, section 4): the standard alphabet and all the padding, nothing else, and no set
// bits that the padding cuts off. It never returns nil with ok: an empty line is a response of no bytes.
func decode(text []byte) (data []byte, ok bool) {
	// The decoder skips line ends; no line that the framer returns has one.
	data = make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Strict().Decode(data, text)
	if err != nil {
		clear(data)
		return nil, false
	}
	return data[:n], true
}

// decodeInitial takes the initial response of an AUTH command: "=" is one of no bytes (RFC 5034, section 4; RFC 4954, section 4).
func decodeInitial(text []byte) (data []byte, ok bool) {
	if string(text) == "=" {
		return []byte{}, true
	}
	return decode(text)
}
