package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
)

// monitor speaks QMP, QEMU's monitor protocol (docs/interop/qmp-spec.txt of QEMU).
type monitor struct {
	mu  sync.Mutex // one command at a time
	in  *json.Decoder
	out *json.Encoder
}

// newMonitor greets the monitor at the other end of conn.
func newMonitor(conn io.ReadWriter) (*monitor, error) {
	m := &monitor{in: json.NewDecoder(conn), out: json.NewEncoder(conn)}
	var greeting map[string]any
	if err := m.in.Decode(&greeting); err != nil {
		return nil, fmt.Errorf("monitor: %w", err)
	}
	return m, m.do("qmp_capabilities", nil)
}

// do executes a command and waits for its answer. Events are passed over.
func (m *monitor) do(command string, arguments map[string]any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if arguments == nil {
		arguments = map[string]any{}
	}
	if err := m.out.Encode(map[string]any{"execute": command, "arguments": arguments}); err != nil {
		return fmt.Errorf("monitor: %s: %w", command, err)
	}
	for {
		var reply struct {
			Return json.RawMessage
			Error  *struct{ Desc string }
			Event  string
		}
		switch err := m.in.Decode(&reply); {
		case err != nil:
			return fmt.Errorf("monitor: %s: %w", command, err)
		case reply.Error != nil:
			return fmt.Errorf("monitor: %s: %s", command, reply.Error.Desc)
		case reply.Event == "":
			return nil
		}
	}
}
