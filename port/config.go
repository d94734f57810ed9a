package port

import (
	"fmt"
	"reflect"
	"time"

	"rashost/hardware"
)

// CarrierMode says how far a line trusts DCD (configuration, `carrier`).
type CarrierMode string

// The carrier modes. The empty mode is CarrierAuto, and CarrierAuto leaves it to the modem profile (LineConfig.Carrier).
const (
	// CarrierAuto obeys DCD in a call when it was low before and high after CONNECT of that call, and ignores it otherwise.
	CarrierAuto CarrierMode = "auto"
	// CarrierRequired wants DCD high within five seconds of CONNECT; its loss ends the call. A direct line's call begins when it
	// rises; where it stays high after a call, with the next byte.
	CarrierRequired CarrierMode = "required"
	// CarrierIgnore never reads DCD.
	CarrierIgnore CarrierMode = "ignore"
)

// LineConfig describes one line. Two equal configurations are the same line: a reload does not touch it.
type LineConfig struct {
	// Name of the line, unique in a manager. Device is a path, "sim:NAME" or "pty:PATH".
	Name, Device string
	// Profile is the modem's; nil, or one with Direct set, makes a direct line. It must not change afterwards.
	Profile *hardware.Profile
	// Auto, when not empty, are the profiles among which the line finds that of its modem, by asking it (Identify) before its first set-up,
	// and again when the device was away, the set-up failed, or an operator reset or enabled the line. Profile counts until then, and where
	// none fits. A profile's `carrier: ignore` that was found so counts as auto. It must not change afterwards.
	Auto []hardware.Profile
	// Baud is the speed in bit/s; 0 means the profile's, and 9600 when that has none either.
	Baud int
	// Parity is none, even, odd, mark or space; "" means none. Parity other than none goes with seven bits.
	Parity string
	// Autobaud says how a direct line finds the speed of its caller; "" is AutobaudNone. Speeds are those that it tries, in this order;
	// Baud does not count then.
	Autobaud AutobaudMode
	Speeds   []int
	// Flow is none, rtscts or xonxoff; "" means the profile's.
	Flow string
	// Rings before the call is answered; 0 means 1. Direct lines have none.
	Rings int
	// Policy says which calls are answered.
	Policy Policy
	// Init are commands of the line's own, sent behind those of its profile; one that the modem refuses is told as an event.
	Init []string
	// DistinctiveRing has the modem report rings apart (Call.CallerID.Ring), where its profile knows how.
	DistinctiveRing bool
	// Carrier mode; "" is auto. With auto the profile's `carrier` counts where that says more.
	Carrier CarrierMode
	// Settle is kept between CONNECT and the first byte to the caller; 0 is no time.
	Settle time.Duration
	// IdleProbe is how often an idle modem is asked whether it still answers; 0 is never.
	IdleProbe time.Duration
	// Recovery is the longest wait between two tries to bring a failed or absent line back; 0 means the defaults.
	Recovery time.Duration
	// USBReset is how many times in 24 hours the USB device behind Device may be switched off and on, as the last step of the ladder.
	// 0 means never.
	USBReset int
	// BusyWhenDead takes a modem that is out of service off hook, where the profile says how and the modem obeys.
	BusyWhenDead bool
	// DSR says what a low DSR means; "" is auto.
	DSR DSRMode
	// QuarantineAfter is how many failures in a row put the line into quarantine; 0 means 6.
	QuarantineAfter int
	// Maintenance is the window in which the line takes no new calls; nil for none.
	Maintenance *Maintenance
	// OutOfService, when not "", keeps the line disabled with this reason; its device is not opened and Enable is refused.
	OutOfService string
	// HandlerGrace is how long ServeCall may take to return once its call has ended, or once it was told ErrShutdown; 0 means 5 s.
	// More than 10 s counts as 10 s, because the line must be back, or say why not, 15 s after the hang-up began. DTR is low
	// meanwhile: the caller has gone already.
	HandlerGrace time.Duration
	// LockDirs are the folders for UUCP lock files; nil means the customary ones.
	LockDirs []string
}

// HandlerGrace when it is zero, and the most that counts.
const (
	defaultHandlerGrace = 5 * time.Second
	maxHandlerGrace     = 10 * time.Second
)

// direct says whether the line has no modem.
func (c *LineConfig) direct() bool { return c.Profile == nil || c.Profile.Direct }

// rings is the number of rings before the answer, at least 1.
func (c *LineConfig) rings() int { return max(c.Rings, 1) }

// handlerGrace is HandlerGrace with its default and its bound.
func (c *LineConfig) handlerGrace() time.Duration {
	if c.HandlerGrace <= 0 {
		return defaultHandlerGrace
	}
	return min(c.HandlerGrace, maxHandlerGrace)
}

// carrier is the carrier mode in force: the line's, and where that is auto the profile's.
func (c *LineConfig) carrier() CarrierMode {
	switch {
	case c.Carrier == CarrierRequired || c.Carrier == CarrierIgnore:
		return c.Carrier
	case len(c.Auto) > 0 && c.Profile.Carrier == hardware.CarrierIgnore:
		return CarrierAuto // nobody has checked that a limit ends a forgotten session
	case c.Profile != nil && c.Profile.Carrier != "":
		return CarrierMode(c.Profile.Carrier)
	default:
		return CarrierAuto
	}
}

// dtrTime is how long DTR stays low at a hang-up.
func (c *LineConfig) dtrTime() time.Duration {
	if c.Profile == nil {
		return hardware.Defaults().Hangup.DTRTime.Std()
	}
	return c.Profile.Hangup.DTRTime.Std()
}

// guardTime is the guard time (S12) of the line's modem.
func (c *LineConfig) guardTime() time.Duration {
	if c.Profile == nil {
		return hardware.Defaults().Hangup.Guard.Std()
	}
	return c.Profile.Hangup.Guard.Std()
}

// waitMost is the longest wait between tries whose own bound is most.
func (c *LineConfig) waitMost(most time.Duration) time.Duration {
	if c.Recovery > 0 {
		return min(most, c.Recovery)
	}
	return most
}

// quarantineAfter is QuarantineAfter with its default.
func (c *LineConfig) quarantineAfter() int {
	if c.QuarantineAfter <= 0 {
		return quarantineAfter
	}
	return c.QuarantineAfter
}

// equal says whether a reload can leave the line alone.
func (c *LineConfig) equal(other *LineConfig) bool { return reflect.DeepEqual(c, other) }

// Settings are what the device is set to while no carrier is obeyed.
func (c *LineConfig) Settings() Settings {
	s := Settings{Baud: c.Baud, CLOCAL: true, HUPCL: true}
	flow := c.Flow
	if c.Profile != nil {
		if s.Baud == 0 {
			s.Baud = c.Profile.Baud
		}
		if flow == "" {
			flow = string(c.Profile.Flow)
		}
	}
	if c.autobauds() {
		s.Baud = c.Speeds[0]
	}
	s.RTSCTS = flow == string(hardware.FlowRTSCTS)
	s.XONXOFF = flow == string(hardware.FlowXONXOFF)
	for p := ParityEven; p <= ParitySpace; p++ {
		if c.Parity == p.String() {
			s.Parity, s.Bits = p, 7
		}
	}
	return s
}

// check finds what makes a line impossible.
func (c *LineConfig) check() error {
	if c.Name == "" {
		return fmt.Errorf("line for device %q: the name is empty", c.Device)
	}
	switch c.Carrier {
	case "", CarrierAuto, CarrierRequired, CarrierIgnore:
	default:
		return fmt.Errorf("line %s: carrier %q: allowed are auto, required, ignore", c.Name, c.Carrier)
	}
	switch c.DSR {
	case "", DSRAuto, DSRRequired, DSRIgnore:
	default:
		return fmt.Errorf("line %s: dsr %q: allowed are auto, required, ignore", c.Name, c.DSR)
	}
	switch c.Parity {
	case "", "none", "even", "odd", "mark", "space":
	default:
		return fmt.Errorf("line %s: parity %q: allowed are none, even, odd, mark, space", c.Name, c.Parity)
	}
	switch c.Flow {
	case "", "none", "rtscts", "xonxoff":
	default:
		return fmt.Errorf("line %s: flow %q: allowed are none, rtscts, xonxoff", c.Name, c.Flow)
	}
	if len(c.Auto) > 0 && c.direct() {
		return fmt.Errorf("line %s: profiles to find the modem's among, and none to begin with", c.Name)
	}
	if err := c.checkAutobaud(); err != nil {
		return fmt.Errorf("line %s: %w", c.Name, err)
	}
	if err := c.Policy.check(); err != nil {
		return fmt.Errorf("line %s: %w", c.Name, err)
	}
	if err := c.Maintenance.check(); err != nil {
		return fmt.Errorf("line %s: %w", c.Name, err)
	}
	if err := c.Settings().Validate(); err != nil {
		return fmt.Errorf("line %s: %w", c.Name, err)
	}
	return nil
}
