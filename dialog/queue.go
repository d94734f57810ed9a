package dialog

// queue holds what came from the line and was not received yet. Bytes are wiped once they have left it: they may be secrets.
type queue struct {
	buf []byte
	off int // bytes of buf before it are taken and wiped
}

// size is the number of bytes in the queue.
func (q *queue) size() int { return len(q.buf) - q.off }

// push appends what of p keeps the queue within limit and returns how many bytes that is.
func (q *queue) push(p []byte, limit int) int {
	p = p[:min(len(p), limit-q.size())]
	if len(q.buf)+len(p) > cap(q.buf) {
		q.compact(len(p), limit)
	}
	q.buf = append(q.buf, p...)
	return len(p)
}

// compact makes room for n more bytes, up to limit in all, and leaves no copy of the old ones behind.
func (q *queue) compact(n, limit int) {
	size := q.size()
	old := q.buf
	if size+n > cap(old)/2 {
		q.buf = make([]byte, size, min(max(64, 2*(size+n)), limit))
		copy(q.buf, old[q.off:])
		clear(old)
	} else {
		copy(old, old[q.off:])
		clear(old[size:])
		q.buf = old[:size]
	}
	q.off = 0
}

// pop moves at most len(p) bytes to p.
func (q *queue) pop(p []byte) int {
	n := copy(p, q.buf[q.off:])
	clear(q.buf[q.off : q.off+n])
	q.off += n
	if q.off == len(q.buf) {
		q.buf, q.off = q.buf[:0], 0
	}
	return n
}

// wipe empties the queue.
func (q *queue) wipe() {
	clear(q.buf)
	q.buf, q.off = nil, 0
}
