package modem

import (
	"encoding/hex"
	"strings"
)

// The message and parameter types of caller id frames (Bellcore GR-30, ETSI EN 300 659-3).
const (
	frameSDMF    = 0x04
	frameMDMF    = 0x80
	paramTime    = 0x01
	paramNumber  = 0x02
	paramThird   = 0x03 // the number dialled
	paramReason  = 0x04
	paramName    = 0x07
	seizureByte  = 0x55 // the "U"s that lead in a frame
	sdmfTimeSize = 8
)

// bareFrame says whether a line is nothing but a frame in hexadecimal, as some makes send it, with a type, length and checksum that fit.
func bareFrame(line string) bool {
	b := frameBytes(line)
	if len(b) < 3 || b[0] != frameSDMF && b[0] != frameMDMF {
		return false
	}
	_, ok := frameBody(b)
	return ok && len(b) == int(b[1])+3
}

// frameBytes are the bytes of a frame in hexadecimal, without what leads in; nil when it is none.
func frameBytes(v string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(v), " ", ""))
	if err != nil {
		return nil
	}
	for len(b) > 0 && b[0] == seizureByte {
		b = b[1:]
	}
	return b
}

// setFrame takes an undecoded frame in hexadecimal. One with a wrong length or checksum changes nothing.
func (id *gathered) setFrame(v string) {
	b := frameBytes(v)
	if len(b) < 2 {
		return
	}
	switch b[0] {
	case frameSDMF:
		if body, ok := frameBody(b); ok && len(body) > sdmfTimeSize {
			id.setMoment(string(body[:sdmfTimeSize]))
			id.setNumber(string(body[sdmfTimeSize:]))
			return
		}
	case frameMDMF:
		if body, ok := frameBody(b); ok {
			id.setParams(body, (*gathered).setCalled)
		}
		return
	}
	// Some modems leave out the frame around the parameters, and send the caller's number as parameter 3 then.
	id.setParams(b, (*gathered).setNumber)
}

// frameBody checks the length, and the checksum where one follows: all bytes with it add up to 0.
func frameBody(b []byte) ([]byte, bool) {
	n := int(b[1])
	if len(b) < 2+n || len(b) > 2+n+1 {
		return nil, false
	}
	if len(b) == 2+n+1 {
		var sum byte
		for _, c := range b {
			sum += c
		}
		if sum != 0 {
			return nil, false
		}
	}
	return b[2 : 2+n], true
}

// setParams takes type, length, data triples; nothing is used unless all of them fit. third takes parameter 3.
func (id *gathered) setParams(b []byte, third func(*gathered, string)) {
	for rest := b; len(rest) > 0; rest = rest[2+int(rest[1]):] {
		if len(rest) < 2 || len(rest) < 2+int(rest[1]) {
			return
		}
	}
	for ; len(b) > 0; b = b[2+int(b[1]):] {
		data := string(b[2 : 2+int(b[1])])
		switch b[0] {
		case paramTime:
			id.setMoment(data)
		case paramNumber:
			id.setNumber(data)
		case paramThird:
			third(id, data)
		case paramReason:
			id.setReason(data)
		case paramName:
			id.setName(data)
		}
	}
}

// setMoment takes MMDDHHMM.
func (id *gathered) setMoment(v string) {
	if len(v) == sdmfTimeSize && strings.Trim(v, "0123456789") == "" {
		id.Date, id.Time = v[:4], v[4:]
	}
}
