package port

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Bounds of the watch for an echo loop.
const (
	echoLeast  = 5   // a shorter piece of text may come back by chance
	echoPieces = 16  // pieces of what was sent that are remembered
	echoHeard  = 512 // bytes of what was received that are remembered
	echoLoop   = 3   // so many pieces that came back are a loop
)

// echoWatch finds out, until the caller is let in, whether what we send comes back: the far end is another program that prompts, a modem
// in command mode, or a loop of wire. Each side then takes the other's prompts for answers, and neither ever stops.
type echoWatch struct {
	looped atomic.Bool // it did

	mu     sync.Mutex
	piece  []byte   // sent since something was received
	pieces []string // lines of what was sent before
	heard  []byte   // what was received, printable only
	echoes int
}

// sent notes what we send.
func (w *echoWatch) sent(p []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.piece)+len(p) <= 4*echoHeard {
		w.piece = append(w.piece, p...)
	}
}

// received notes what comes, and says whether it makes a loop: once.
func (w *echoWatch) received(p []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.looped.Load() {
		return false
	}
	w.keep()
	w.heard = append(w.heard, printable(p)...)
	if over := len(w.heard) - echoHeard; over > 0 {
		w.heard = slices.Delete(w.heard, 0, over)
	}
	for i := 0; i < len(w.pieces); i++ {
		if at := bytes.Index(w.heard, []byte(w.pieces[i])); at >= 0 {
			w.heard = slices.Delete(w.heard, 0, at+len(w.pieces[i]))
			w.pieces = slices.Delete(w.pieces, i, i+1)
			w.echoes++
			i = -1
		}
	}
	if w.echoes < echoLoop {
		return false
	}
	w.looped.Store(true)
	return true
}

// keep turns what was sent into lines that can be found again. What the caller sent before is our echo, not the caller's.
func (w *echoWatch) keep() {
	for line := range bytes.FieldsFuncSeq(w.piece, func(r rune) bool { return r == '\r' || r == '\n' }) {
		text := strings.TrimSpace(string(printable(line)))
		if len(text) < echoLeast || bytes.Contains(w.heard, []byte(text)) {
			continue
		}
		w.pieces = append(w.pieces, text)
	}
	w.piece = w.piece[:0]
	if over := len(w.pieces) - echoPieces; over > 0 {
		w.pieces = slices.Delete(w.pieces, 0, over)
	}
}

// printable is p without what is no printable ASCII; parity does not matter.
func printable(p []byte) []byte {
	text := make([]byte, 0, len(p))
	for _, b := range p {
		if b &= 0x7f; b >= ' ' && b <= '~' {
			text = append(text, b)
		}
	}
	return text
}
