package dialog

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

func TestQueueIsAByteStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var model []byte
		const limit = 300
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				p := rapid.SliceOfN(rapid.ByteRange(1, 255), 0, 200).Draw(t, "p")
				n := q.push(p, limit)
				if want := min(len(p), limit-len(model)); n != want {
					t.Fatalf("push took %d of %d, want %d", n, len(p), want)
				}
				model = append(model, p[:n]...)
			},
			"pop": func(t *rapid.T) {
				p := make([]byte, rapid.IntRange(0, 200).Draw(t, "n"))
				n := q.pop(p)
				if !bytes.Equal(p[:n], model[:min(len(p), len(model))]) {
					t.Fatalf("pop gave %q, want %q", p[:n], model)
				}
				model = model[n:]
			},
			"": func(t *rapid.T) {
				if q.size() != len(model) {
					t.Fatalf("size %d, want %d", q.size(), len(model))
				}
				if i := bytes.IndexFunc(q.buf[:q.off], func(r rune) bool { return r != 0 }); i >= 0 {
					t.Fatal("a byte that was taken is still there")
				}
				if rest := q.buf[len(q.buf):cap(q.buf)]; len(bytes.Trim(rest, "\x00")) > 0 {
					t.Fatal("a byte that was moved is still there")
				}
			},
		})
	})
}
