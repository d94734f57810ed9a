package native

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"os/user"
	"path/filepath"
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

// registryFile hands the registry to the processes of a plugin, whose other ways in, arguments and environment, are no place for secrets. It
// lies in a temporary folder that only the account of the plugin can enter, and is locked against programs that tidy up.
type registryFile struct {
	path   string
	folder *os.File
}

// newRegistryFile writes the file for an account, "" for that of the host.
func newRegistryFile(values []value, account string) (*registryFile, error) {
	text := encode(values)
	if len(text) > registryMax {
		return nil, fmt.Errorf("has %d bytes, the limit is %d", len(text), registryMax)
	}
	dir, err := os.MkdirTemp("", "rashost-registry-")
	if err != nil {
		return nil, err
	}
	f := &registryFile{path: filepath.Join(dir, "registry")}
	if err := f.write(dir, text, account); err != nil {
		return nil, errors.Join(err, f.remove())
	}
	return f, nil
}

func (f *registryFile) write(dir string, text []byte, account string) error {
	if err := os.WriteFile(f.path, text, 0o400); err != nil {
		return err
	}
	if os.Geteuid() == 0 && account != "" {
		u, err := user.Lookup(account)
		if err != nil {
			return err
		}
		uid, _ := strconv.Atoi(u.Uid) // numbers on every Unix
		gid, _ := strconv.Atoi(u.Gid)
		if err := errors.Join(os.Chown(f.path, uid, gid), os.Chown(dir, uid, gid)); err != nil {
			return err
		}
	}
	var err error
	if f.folder, err = os.Open(dir); err != nil {
		return err
	}
	return os.NewSyscallError("flock", unix.Flock(int(f.folder.Fd()), unix.LOCK_SH|unix.LOCK_NB))
}

// remove removes the file; nil has none.
func (f *registryFile) remove() error {
	if f == nil {
		return nil
	}
	if f.folder != nil {
		f.folder.Close()
	}
	return os.RemoveAll(filepath.Dir(f.path))
}
