package external

import (
	"context"
	"errors"
	"fmt"

	"rashost/plugin"
)

// carryOut does what the program asks and answers, unless the request has no id. An error is a breach of the protocol.
func (p *process) carryOut(m message) error {
	var result any
	var err error
	switch m.Method {
	case methodSend:
		result, err = p.send(m)
	case methodReceive:
		err = p.receive(m)
	case methodGetInfo:
		result, err = p.getInfo(m)
	case methodComplete:
		result, err = p.complete(m)
	default:
		return fmt.Errorf("called the unknown method %s", quote([]byte(m.Method), 32))
	}
	if err != nil {
		return fmt.Errorf("called %s wrongly: %w", m.Method, err)
	}
	if result != nil {
		p.answer(m, result)
	}
	return nil
}

// answer answers a request, if it wants an answer.
func (p *process) answer(m message, result any) {
	if m.ID != nil {
		p.post(reply{"2.0", append([]byte(nil), m.ID...), result})
	}
}

// send carries out DialogSend: the bytes go through the transaction's send buffer (rule T1).
func (p *process) send(m message) (any, error) {
	var a sendParams
	if err := decode(m.Params, &a); err != nil {
		return nil, err
	}
	t := p.transaction(a.HPort)
	if t == nil {
		return codeResult{plugin.ErrorInvalidPortHandle}, nil
	}
	data := a.Data
	if data != nil && len(data) <= len(t.b.SendBuf) {
		data = t.b.SendBuf[:copy(t.b.SendBuf, data)]
	}
	return codeResult{t.b.Host.DialogSend(a.HPort, data)}, nil
}

// receive carries out DialogReceive: it answers, and a worker of the transaction waits for the end.
func (p *process) receive(m message) error {
	var a receiveParams
	if err := decode(m.Params, &a); err != nil {
		return err
	}
	t := p.transaction(a.HPort)
	if t == nil {
		p.answer(m, codeResult{plugin.ErrorInvalidPortHandle})
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.pending != nil { // also one that is done and not yet said (rule R5)
		p.answer(m, codeResult{plugin.ErrorAsyncRequestPending})
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &receive{n: uint16(min(a.Size, plugin.BufferSize)), event: plugin.NewEvent(true), cancel: cancel}
	code := t.b.Host.DialogReceive(a.HPort, t.b.RecvBuf, &r.n, a.Timeout, r.event)
	p.answer(m, codeResult{code})
	if code != plugin.Pending {
		cancel()
		return nil
	}
	t.pending = r
	if !t.b.Host.Go(a.HPort, func(context.Context) { t.await(ctx, r) }) {
		t.cancelReceive()
	}
	return nil
}

// received pays for the messages that what the caller types gives rise to.
func (p *process) received() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.credit.earn(budgetReceive)
}

// getInfo carries out DialogGetInfo.
func (p *process) getInfo(m message) (any, error) {
	var a infoParams
	if err := decode(m.Params, &a); err != nil {
		return nil, err
	}
	t := p.transaction(a.HPort)
	if t == nil {
		return infoResult{Code: plugin.ErrorInvalidPortHandle}, nil
	}
	var info plugin.SecurityInfo
	code := t.b.Host.DialogGetInfo(a.HPort, &info)
	return infoResult{code, info.LastError, info.BytesReceived, info.DeviceName}, nil
}

// complete carries out DialogComplete.
func (p *process) complete(m message) (any, error) {
	var a completeParams
	if err := decode(m.Params, &a); err != nil {
		return nil, err
	}
	if a.User64 != nil && a.User != "" || a.Domain64 != nil && a.Domain != "" {
		return nil, errors.New("a name is given twice, as text and in base64")
	}
	t := p.transaction(a.HPort)
	if t == nil {
		return codeResult{plugin.ErrorInvalidPortHandle}, nil // rule C1
	}
	return codeResult{t.complete(a.securityMessage())}, nil
}
