package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"rashost/port/modemsim"
	"rashost/test/lab/agent"
	"rashost/test/lab/exchange"
)

// Hardware is what a machine has.
type Hardware struct {
	// UARTs are 16550s: /dev/ttyS1 and on, three on the ISA bus and then four to a PCI card; at most 31. Number 1001 and on.
	UARTs int
	// USB are adapters: /dev/ttyUSB0 and on, serial numbers MODEM1 and on; number 3001 and on.
	USB int
	// Wires are those UARTs, by their number, that have no modem.
	Wires []int
	// Modules are loaded when the machine has started.
	Modules []string
}

// bootTime is how long a machine may take to start. On a quiet computer it takes 3 s.
const bootTime = 2 * time.Minute

// Machine is a running guest with its exchange.
type Machine struct {
	Exchange *exchange.Exchange
	hardware Hardware
	qemu     *exec.Cmd
	monitor  *monitor
	agent    *rpc.Client
	exited   chan struct{}
	console  output
	started  time.Time
}

// Boot starts a machine. log is told what happens on the lines.
func Boot(image *Image, h Hardware, log func(format string, args ...any)) (_ *Machine, err error) {
	m := &Machine{hardware: h, exited: make(chan struct{}), started: time.Now()}
	if m.Exchange, err = exchange.New(log); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			m.Close()
		}
	}()
	const firstFile = 3 // of ExtraFiles, in the new process
	const ownFiles = 4  // before those of the lines
	lines, ends, err := m.lines(firstFile + ownFiles)
	if err != nil {
		return nil, err
	}
	initrd, err := memory("initrd", image.initrd)
	if err != nil {
		return nil, err
	}
	defer initrd.Close()
	agentConn, agentEnd, err := pipe()
	if err != nil {
		return nil, err
	}
	defer agentEnd.Close()
	qmpConn, qmpEnd, err := pipe()
	if err != nil {
		agentConn.Close()
		return nil, err
	}
	defer qmpEnd.Close()
	m.agent = rpc.NewClientWithCodec(jsonrpc.NewClientCodec(agentConn))

	m.qemu = exec.Command("qemu-system-x86_64", slices.Concat(base(image), []string{
		"-initrd", fmt.Sprint("/proc/self/fd/", firstFile+1),
		"-chardev", fmt.Sprint("socket,id=agent,fd=", firstFile+2), "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=lab",
		"-chardev", fmt.Sprint("socket,id=qmp,fd=", firstFile+3), "-mon", "chardev=qmp,mode=control",
	}, lines)...)
	m.qemu.ExtraFiles = append([]*os.File{m.Exchange.Signals(), initrd, agentEnd, qmpEnd}, ends...)
	m.qemu.Env = append(os.Environ(), "LD_PRELOAD="+image.signals, fmt.Sprint("LAB_SIGNALS=", firstFile))
	m.qemu.Stdout, m.qemu.Stderr = &m.console, &m.console
	m.qemu.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := m.qemu.Start(); err != nil {
		qmpConn.Close()
		return nil, err
	}
	go func() {
		_ = m.qemu.Wait()
		close(m.exited)
		_ = m.agent.Close() // what is being asked for fails now
		qmpConn.Close()
	}()
	if m.monitor, err = newMonitor(qmpConn); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, m.Console())
	}
	return m, m.setUp()
}

// base is the machine itself. The arguments of the kernel are explained in docs/lab.md.
func base(image *Image) []string {
	const kernelArgs = "console=ttyS0 quiet panic=-1 8250.nr_uarts=32 clocksource=acpi_pm no_timer_check " +
		"nokaslr mitigations=off audit=0 random.trust_cpu=on"
	return []string{
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", "1024",
		"-machine", "pc,vmport=off,hpet=off", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-chardev", "stdio,id=console,signal=off", "-device", "isa-serial,chardev=console,index=0",
		"-kernel", image.kernel, "-append", kernelArgs,
	}
}

// lines makes the lines of the exchange, and returns QEMU's arguments for them, and its ends of them, whose file descriptors there will
// be fd and on.
func (m *Machine) lines(fd int) (args []string, ends []*os.File, err error) {
	var chardevs []string
	add := func(id, number string, wire bool) {
		if err != nil {
			return
		}
		var l *exchange.Line
		if wire {
			l, err = m.Exchange.Wire(number)
		} else {
			l, err = m.Exchange.Modem(number, modemsim.Options{Timing: timing()})
		}
		if err == nil {
			args = append(args, "-add-fd", fmt.Sprintf("fd=%d,set=%d", fd+len(ends), len(ends)),
				"-chardev", fmt.Sprintf("serial,id=%s,path=/dev/fdset/%d", id, len(ends)))
			ends = append(ends, l.Computer())
			chardevs = append(chardevs, id)
		}
	}
	for i := 1; i <= m.hardware.UARTs; i++ {
		add(fmt.Sprint("s", i), number(i), slices.Contains(m.hardware.Wires, i))
	}
	// Interrupts of their own: on the ISA bus nobody joins those that share one, so the customary 3 and 4 would get lost.
	isa := []string{"iobase=0x2f8,irq=3", "iobase=0x3e8,irq=6", "iobase=0x2e8,irq=7"}
	for i, id := range chardevs[:min(len(isa), len(chardevs))] {
		args = append(args, "-device", fmt.Sprintf("isa-serial,chardev=%s,index=%d,%s", id, i+1, isa[i]))
	}
	for card := range slices.Chunk(chardevs[min(len(isa), len(chardevs)):], 4) {
		device := "pci-serial-4x"
		for i, id := range card {
			device += fmt.Sprintf(",chardev%d=%s", i+1, id)
		}
		args = append(args, "-device", device)
	}
	if m.hardware.USB > 0 {
		args = append(args, "-device", "qemu-xhci")
	}
	for i := 1; i <= m.hardware.USB; i++ {
		add(adapter(i), usbNumber(i), false)
		args = append(args, "-device", fmt.Sprintf("usb-serial,id=%s,chardev=%s,serial=MODEM%d", adapter(i), adapter(i), i))
	}
	return args, ends, err
}

// timing has the delays of the modems: short ones, but none is nothing.
func timing() modemsim.Timing {
	const ms = time.Millisecond
	return modemsim.Timing{Ring: 500 * ms, CallerID: 200 * ms, Connect: 100 * ms, Command: 5 * ms, DTR: 50 * ms}
}

func number(uart int) string     { return fmt.Sprint(1000 + uart) }
func usbNumber(usb int) string   { return fmt.Sprint(3000 + usb) }
func adapter(usb int) string     { return fmt.Sprint("u", usb) }
func uartDevice(uart int) string { return fmt.Sprint("/dev/ttyS", uart) }

// byID is the lasting name of an adapter.
func byID(usb int) string {
	return fmt.Sprintf("/dev/serial/by-id/usb-QEMU_QEMU_USB_SERIAL_MODEM%d-if00-port0", usb)
}

// setUp waits for the agent and loads the modules.
func (m *Machine) setUp() error {
	up := make(chan error, 1)
	go func() { up <- m.prepare() }()
	select {
	case err := <-up:
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, m.Console())
		}
		return err
	case <-time.After(bootTime):
		return fmt.Errorf("the guest did not start within %s:\n%s", bootTime, m.Console())
	}
}

func (m *Machine) prepare() error {
	if m.hardware.USB > 0 {
		if _, err := m.Do("/sbin/systemd-udevd", "--daemon"); err != nil {
			return err
		}
	}
	modules := m.hardware.Modules
	if m.hardware.USB > 0 {
		modules = append([]string{"xhci_pci", "ftdi_sio"}, modules...)
	}
	for _, name := range modules {
		if out, err := m.Do("modprobe", name); err != nil {
			return fmt.Errorf("modprobe %s: %w: %s", name, err, out)
		}
	}
	_, err := m.Do("true")
	return err
}

// Close switches the machine off.
func (m *Machine) Close() {
	if m.qemu != nil && m.qemu.Process != nil {
		_ = m.qemu.Process.Kill()
		<-m.exited
	}
	if m.agent != nil {
		_ = m.agent.Close()
	}
	_ = m.Exchange.Close()
}

// Console returns what the kernel and QEMU said.
func (m *Machine) Console() string { return m.console.String() }

// call asks the agent.
func (m *Machine) call(method string, args, reply any) error {
	err := m.agent.Call(agent.Name+"."+method, args, reply)
	if errors.Is(err, rpc.ErrShutdown) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("the guest has gone: %w\n%s", err, m.Console())
	}
	return err
}

// Run runs a program in the guest.
func (m *Machine) Run(c agent.Command) (agent.Result, error) {
	var r agent.Result
	err := m.call("Run", c, &r)
	return r, err
}

// Do runs a program in the guest that must end well, and returns what it wrote.
func (m *Machine) Do(args ...string) (string, error) {
	r, err := m.Run(agent.Command{Args: args})
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("%s: exit %d: %s", strings.Join(args, " "), r.Code, r.Out)
	}
	return r.Out, err
}

// Break sends a break from the far end of a UART.
func (m *Machine) Break(uart int) error {
	return m.monitor.do("chardev-send-break", map[string]any{"id": fmt.Sprint("s", uart)})
}

// Pull pulls a USB adapter out. Its modem sees DTR fall.
func (m *Machine) Pull(usb int) error {
	defer m.Exchange.Line(usbNumber(usb)).Unplug()
	return m.monitor.do("device_del", map[string]any{"id": adapter(usb)})
}

// Plug plugs a USB adapter in again. One that the guest has not let go yet can't be; try again.
func (m *Machine) Plug(usb int) error {
	return m.monitor.do("device_add", map[string]any{
		"driver": "usb-serial", "id": adapter(usb), "chardev": adapter(usb), "serial": fmt.Sprint("MODEM", usb),
	})
}

// pipe returns a connection and the other end of it, for a child.
func pipe() (net.Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "lab"), os.NewFile(uintptr(fds[1]), "guest")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return conn, theirs, nil
}

// output keeps what a process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// printf writes a line with the time.
func (o *output) printf(format string, args ...any) {
	fmt.Fprintf(o, time.Now().Format("15:04:05.000 ")+format+"\n", args...)
}
