package native

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// value is one value of the registry.
type value struct {
	key, name string // HKLM\SOFTWARE\Acme and the value in it
	kind      string // sz or dword
	data      string
}

// roots are the keys that everything is below, long and short.
var roots = []string{
	"HKLM", "HKEY_LOCAL_MACHINE", "HKCU", "HKEY_CURRENT_USER", "HKCR", "HKEY_CLASSES_ROOT", "HKU", "HKEY_USERS",
}

// Bounds, in bytes. rasdll has the same.
const (
	pathMax     = 480     // a key and its value's name
	registryMax = 1 << 20 // the registry's file
)

// parseRegistry reads the option.
func parseRegistry(option map[string]any) ([]value, error) {
	var all []value
	for _, path := range slices.Sorted(maps.Keys(option)) {
		v, err := parseValue(path, option[path])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", path, err)
		}
		for _, other := range all {
			if strings.EqualFold(other.key, v.key) && strings.EqualFold(other.name, v.name) {
				return nil, fmt.Errorf("%q: stands there twice; the registry knows no case", path)
			}
		}
		all = append(all, v)
	}
	return all, nil
}

func parseValue(path string, data any) (value, error) {
	last := strings.LastIndexByte(path, '\\')
	if last < 0 {
		return value{}, errors.New(`write KEY\VALUE, for instance HKLM\SOFTWARE\Acme\Server`)
	}
	v := value{key: path[:last], name: path[last+1:], kind: "sz"}
	root, _, _ := strings.Cut(v.key, `\`)
	if !slices.ContainsFunc(roots, func(r string) bool { return strings.EqualFold(r, root) }) {
		return value{}, fmt.Errorf("begins with %q: there are %s", root, strings.Join(roots, ", "))
	}
	switch d := data.(type) {
	case string:
		v.data = d
	case int:
		if d < 0 || d > math.MaxUint32 {
			return value{}, fmt.Errorf("%d does not fit into a REG_DWORD: it takes 0 to %d", d, uint32(math.MaxUint32))
		}
		v.kind, v.data = "dword", strconv.Itoa(d)
	default:
		return value{}, errors.New("must be a text (REG_SZ) or a whole number (REG_DWORD); write \"...\" around a text that looks like something else")
	}
	if len(path) > pathMax {
		return value{}, fmt.Errorf("has %d bytes, the limit is %d", len(path), pathMax)
	}
	if strings.ContainsAny(path+v.data, "\t\r\n\x00") {
		return value{}, errors.New("a tab, a line end or a NUL cannot be passed on")
	}
	return v, nil
}

// encode renders values for rasdll: one a line, key, name, type and data with tabs between them.
func encode(values []value) []byte {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "%s\t%s\t%s\t%s\n", v.key, v.name, v.kind, v.data)
	}
	return []byte(b.String())
}

// registryFile hands the registry to the processes of a plugin, whose other ways in, arguments and environment, are no place for secrets. It is
// a file without a name, in memory alone: however the host ends, nothing is left, and no process may change it.
func registryFile(values []value) (*os.File, error) {
	text := encode(values)
	if len(text) > registryMax {
		return nil, fmt.Errorf("has %d bytes, the limit is %d", len(text), registryMax)
	}
	const sealable = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate("registry", sealable|unix.MFD_NOEXEC_SEAL)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("registry", sealable)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "registry")
	err = f.Chmod(0o444) // the plugin's account, which opens it anew, may be another one; nobody else can reach it
	if err == nil {
		_, err = f.Write(text)
	}
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_WRITE|unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
