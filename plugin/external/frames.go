package external

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"rashost/plugin"
)

// Bounds of the protocol.
const (
	protocolVersion = 1
	maxFrame        = 16384 // bytes of a line, its LF included
	maxID           = 64    // bytes of the id of a program's request
	maxText         = 256   // bytes of each text that Begin carries
)

// The methods: the host's, then the program's.
const (
	methodHello       = "Hello"
	methodBegin       = "SecurityDialogBegin"
	methodEnd         = "SecurityDialogEnd"
	methodReceiveDone = "ReceiveDone"

	methodSend     = "DialogSend"
	methodReceive  = "DialogReceive"
	methodGetInfo  = "DialogGetInfo"
	methodComplete = "DialogComplete"
)

// request is what the host asks; the fields are written in this order.
type request struct {
	JSONRPC string `json:"jsonrpc"`
	ID      int64  `json:"id,omitempty"` // 0 is a notification
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

// reply is what the host answers, with the program's id as it came.
type reply struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result"`
}

// The params of the host's requests.
type (
	helloParams struct {
		Version int    `json:"version"`
		Host    string `json:"host"`
	}
	beginParams struct {
		HPort      plugin.HPORT `json:"hport"`
		SendSize   int          `json:"send_size"`
		RecvSize   int          `json:"recv_size"`
		Call       string       `json:"call"`
		Line       string       `json:"line"`
		Device     string       `json:"device"`
		DeviceName string       `json:"device_name"`
		CallerID   string       `json:"caller_id"`
		Called     string       `json:"called"`
		Connect    string       `json:"connect"`
		Trusted    bool         `json:"trusted"`
	}
	endParams struct {
		HPort plugin.HPORT `json:"hport"`
	}
	receiveDoneParams struct {
		HPort plugin.HPORT `json:"hport"`
		Code  plugin.Code  `json:"code"`
		Data  []byte       `json:"data"` // base64; never nil
	}
)

// The results of the host's answers.
type (
	codeResult struct {
		Code plugin.Code `json:"code"`
	}
	infoResult struct {
		Code       plugin.Code `json:"code"`
		LastError  plugin.Code `json:"last_error"`
		Bytes      uint32      `json:"bytes"`
		DeviceName string      `json:"device_name"`
	}
)

// message is a line of the program: a request (with a method) or an answer (with result or error).
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// The params and results that the program sends. Unknown keys are ignored.
type (
	sendParams struct {
		HPort plugin.HPORT `json:"hport"`
		Data  []byte       `json:"data"` // base64; nil when absent or null
	}
	receiveParams struct {
		HPort   plugin.HPORT `json:"hport"`
		Size    uint32       `json:"size"`
		Timeout uint32       `json:"timeout"` // seconds, 0 is never
	}
	infoParams struct {
		HPort plugin.HPORT `json:"hport"`
	}
	completeParams struct {
		HPort    plugin.HPORT   `json:"hport"`
		MsgID    plugin.Verdict `json:"msgid"`
		Error    plugin.Code    `json:"error"`
		User     string         `json:"user"`
		Domain   string         `json:"domain"`
		User64   []byte         `json:"user64"` // in place of user, when present
		Domain64 []byte         `json:"domain64"`
	}
	helloAnswer struct {
		Version   int    `json:"version"`
		Name      string `json:"name"`
		Isolation string `json:"isolation"`
	}
	codeAnswer struct {
		Code *plugin.Code `json:"code"`
	}
)

// securityMessage is the SECURITY_MESSAGE that c stands for. What does not fit into a field leaves it without a NUL (rule C5).
func (c completeParams) securityMessage() *plugin.SecurityMessage {
	user, domain := c.User, c.Domain
	if c.User64 != nil {
		user = string(c.User64)
	}
	if c.Domain64 != nil {
		domain = string(c.Domain64)
	}
	return plugin.NewMessage(c.HPort, c.MsgID, c.Error, user, domain)
}

// encode writes v as one line: keys in the order of the fields, no spaces, no escapes beyond those of JSON.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	if b.Len() > maxFrame {
		return nil, fmt.Errorf("a message of %d bytes, the limit is %d", b.Len(), maxFrame)
	}
	return b.Bytes(), nil
}

var errTooLong = fmt.Errorf("sent a line of more than %d bytes", maxFrame)

// readLine reads one line of at most maxFrame bytes from r, whose buffer has that size. The line is valid until the next call.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case err == nil:
		return line, nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, errTooLong
	default:
		return nil, err
	}
}

// parse reads one line of the program. The error never quotes the line: a secret may be in it.
func parse(line []byte) (message, error) {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return message{}, fmt.Errorf("sent a line of %d bytes that is not a message: %w", len(line), jsonFault(err))
	}
	switch {
	case m.JSONRPC != "2.0":
		return message{}, errors.New(`sent a message without "jsonrpc":"2.0"`)
	case string(m.ID) == "null":
		m.ID = nil
	case len(m.ID) > maxID:
		return message{}, fmt.Errorf("sent an id of %d bytes, the limit is %d", len(m.ID), maxID)
	case len(m.ID) > 0 && m.ID[0] != '"' && m.ID[0] != '-' && (m.ID[0] < '0' || m.ID[0] > '9'):
		return message{}, errors.New("sent an id that is neither a number nor a string")
	}
	if m.Method == "" && (m.ID == nil || (m.Result == nil) == (m.Error == nil)) {
		return message{}, errors.New("sent a message that is neither a request nor an answer")
	}
	return m, nil
}

// answers returns the number of the host's request that m answers.
func (m message) answers() (int64, error) {
	id, err := strconv.ParseInt(string(m.ID), 10, 64)
	if err != nil {
		return 0, errors.New("answered a request that was never made")
	}
	return id, nil
}

// decode fills into from the params or the result of a message. As with parse, the error quotes nothing.
func decode(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return jsonFault(err)
	}
	return nil
}

// jsonFault says what encoding/json found without quoting the text.
func jsonFault(err error) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &wrongType):
		return fmt.Errorf("%s has the wrong type or is out of range", strings.TrimPrefix(wrongType.Field+" (want "+wrongType.Type.Kind().String()+")", " "))
	case errors.As(err, &syntax):
		return fmt.Errorf("JSON is broken after %d bytes", syntax.Offset)
	default:
		return errors.New("the data is not base64")
	}
}

// cut bounds a text that Begin carries, at a character.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
