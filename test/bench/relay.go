package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os/exec"
	"time"
)

// route is one way of a pty's bytes to TCP and back: the modem's end, the other end's connection, and who carries them.
type route struct {
	m    *modem
	conn net.Conn
	pid  int
}

// carried is what one run measured, each way.
type carried struct{ up, down flow }

// flow is MB/s and CPU ms for each MB.
type flow struct{ rate, cpu float64 }

// relays measures the relays by turns.
func relays(ctx context.Context, o options, t *table) error {
	conns := make(chan net.Conn, 1)
	l, err := tcpServer(func(c net.Conn) { conns <- c })
	if err != nil {
		return err
	}
	defer l.Close()
	d, err := boot(ctx, o, setup{lines: 1, dtr: "0", service: "type: tcp, address: \"" + l.Addr().String() + "\""})
	if err != nil {
		return err
	}
	defer d.stop()
	runners := map[string]func() (carried, error){rashost: func() (carried, error) { return d.relayRun(o, conns) }}
	order := []string{rashost}
	if o.peers && !t.absent[socat] {
		order = append(order, socat)
		runners[socat] = func() (carried, error) { return socatRun(o, l.Addr().String(), conns) }
	}
	if o.peers && !t.absent[ser2net] {
		order = append(order, ser2net)
		runners[ser2net] = func() (carried, error) { return ser2netRun(o) }
	}
	figures := map[string]map[string][]float64{}
	for range o.runs {
		for _, name := range order {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			c, err := runners[name]()
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if figures[name] == nil {
				figures[name] = map[string][]float64{}
			}
			for key, v := range map[string]float64{"up": c.up.rate, "down": c.down.rate, "upCPU": c.up.cpu, "downCPU": c.down.cpu} {
				figures[name][key] = append(figures[name][key], v)
			}
		}
	}
	report(t, order, figures)
	return nil
}

// report compares the medians with socat's.
func report(t *table, order []string, figures map[string]map[string][]float64) {
	for _, way := range []struct{ key, text string }{{"up", "relay, caller to TCP"}, {"down", "relay, TCP to caller"}} {
		rate, cpu := t.add(way.text+": MB/s"), t.add(way.text+": CPU ms for a MB")
		for _, name := range order {
			rate.put(name, "%.0f", median(figures[name][way.key]))
			cpu.put(name, "%.2f", median(figures[name][way.key+"CPU"]))
		}
		if peer := figures[socat]; peer != nil {
			ours, theirs := median(figures[rashost][way.key]), median(peer[way.key])
			rate.want(">= 0.9 of socat", ours >= 0.9*theirs)
			ours, theirs = median(figures[rashost][way.key+"CPU"]), median(peer[way.key+"CPU"])
			cpu.want("<= 1.5 of socat", ours <= 1.5*theirs)
		}
	}
}

// relayRun calls, and measures the session.
func (d *daemon) relayRun(o options, conns <-chan net.Conn) (c carried, err error) {
	m := d.modems[0]
	m.limit(20 * time.Second)
	if err = m.say("RING"); err != nil {
		return c, err
	}
	if _, err = m.until("ATA\r"); err != nil {
		return c, err
	}
	if err = m.say("CONNECT 115200"); err != nil {
		return c, err
	}
	if _, err = m.until("name: "); err != nil {
		return c, err
	}
	if _, err = m.pty.Write([]byte("bench\r")); err != nil {
		return c, err
	}
	if _, err = m.until("bench\r\n"); err != nil { // the echo
		return c, err
	}
	r := route{m: m, conn: <-conns, pid: d.pid}
	if c, err = r.measure(o); err != nil {
		return c, err
	}
	r.conn.Close()
	m.limit(20 * time.Second)
	if _, err = m.until("AT\r"); err != nil {
		return c, err
	}
	if err = m.onHook(); err != nil {
		return c, err
	}
	time.Sleep(300 * time.Millisecond) // the line proves itself quiet
	return c, nil
}

// socatRun measures socat on a pty of its own.
func socatRun(o options, address string, conns <-chan net.Conn) (carried, error) {
	m, err := newModem()
	if err != nil {
		return carried{}, err
	}
	defer m.close()
	cmd := exec.Command(lookPeer(socat), m.pty.Path+",rawer", "TCP:"+address)
	if err := cmd.Start(); err != nil {
		return carried{}, err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	r := route{m: m, conn: <-conns, pid: cmd.Process.Pid}
	defer r.conn.Close()
	return r.measure(o)
}

// measure sends both ways, one after the other.
func (r route) measure(o options) (c carried, err error) {
	_ = r.m.pty.SetDeadline(time.Now().Add(2 * time.Minute))
	_ = r.conn.SetDeadline(time.Now().Add(2 * time.Minute))
	if c.up, err = r.flow(o, r.m.pty, r.conn); err != nil {
		return c, fmt.Errorf("to TCP: %w", err)
	}
	if c.down, err = r.flow(o, r.conn, r.m.pty); err != nil {
		return c, fmt.Errorf("from TCP: %w", err)
	}
	return c, nil
}

// flow sends from one end to the other.
func (r route) flow(o options, from io.Writer, to io.Reader) (f flow, err error) {
	total := o.megs << 20
	block := make([]byte, 64<<10)
	for i := range block {
		block[i] = byte(i * 7)
	}
	before, err := fineCPU(r.pid)
	if err != nil {
		return f, err
	}
	began := time.Now()
	sent := make(chan error, 1)
	go func() {
		for left := total; left > 0; {
			n, err := from.Write(block[:min(left, len(block))])
			if err != nil {
				sent <- err
				return
			}
			left -= n
		}
		sent <- nil
	}()
	if _, err := io.CopyBuffer(io.Discard, onlyReader{io.LimitReader(to, int64(total))}, make([]byte, 64<<10)); err != nil {
		return f, err
	}
	took := time.Since(began)
	if err := <-sent; err != nil {
		return f, err
	}
	after, err := fineCPU(r.pid)
	megs := float64(total) / 1e6
	return flow{rate: megs / took.Seconds(), cpu: (after - before).Seconds() * 1e3 / megs}, err
}

// onlyReader hides everything but Read, so that our own copy is a plain one.
type onlyReader struct{ io.Reader }
