package password

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"rashost/plugin"
)

// fileVersion is the version field of the user file.
const fileVersion = 1

// maxFileSize is the largest user file that is read, in bytes: about 80,000 users.
const maxFileSize = 16 << 20

const fileHeader = "# Users of rashost's password plugin. Change it with: rashost user add|passwd|remove\n"

// account is one entry of the user file.
type account struct {
	Name     string    `yaml:"name"`
	Hash     string    `yaml:"hash"`
	Disabled bool      `yaml:"disabled,omitempty"`
	Created  time.Time `yaml:"created,omitempty"`
	Changed  time.Time `yaml:"changed,omitempty"`

	parsed parsed
}

// userFile is the document.
type userFile struct {
	Version int       `yaml:"version"`
	Users   []account `yaml:"users"`
}

// parseUsers reads a user file strictly. The error holds every fault, one a line, each with its place.
func parseUsers(data []byte, h *hashes) ([]account, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty; version: 1 is missing")
		}
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document")
	}
	p := &usersParser{hashes: h, seen: map[string]int{}}
	p.document(doc.Content[0])
	if p.faults != nil {
		return nil, errors.Join(p.faults...)
	}
	return p.users, nil
}

// usersParser walks the document and collects the faults.
type usersParser struct {
	hashes *hashes
	users  []account
	seen   map[string]int // folded name -> line
	faults []error
}

// fault notes what is wrong at n.
func (p *usersParser) fault(n *yaml.Node, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("line %d: "+format, append([]any{n.Line}, args...)...))
}

// fields calls take for every key of a mapping, once each.
func (p *usersParser) fields(n *yaml.Node, what string, take func(key string, value *yaml.Node) bool) {
	if n.Kind != yaml.MappingNode {
		p.fault(n, "%s must be a mapping", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case seen[key.Value]:
			p.fault(key, "%s: %s stands twice", what, strconv.Quote(key.Value))
		case value.Kind == yaml.AliasNode || value.Anchor != "":
			p.fault(value, "%s: anchors and aliases are not allowed", what)
		case key.Kind != yaml.ScalarNode || !take(key.Value, value):
			p.fault(key, "%s: unknown key %s", what, strconv.Quote(key.Value))
		}
		seen[key.Value] = true
	}
}

func (p *usersParser) document(n *yaml.Node) {
	version := false
	p.fields(n, "the file", func(key string, value *yaml.Node) bool {
		switch key {
		case "version":
			version = true
			if value.Kind != yaml.ScalarNode || value.Value != strconv.Itoa(fileVersion) {
				p.fault(value, "version must be %d", fileVersion)
			}
		case "users":
			p.list(value)
		default:
			return false
		}
		return true
	})
	if !version {
		p.fault(n, "version: %d is missing", fileVersion)
	}
}

func (p *usersParser) list(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		p.fault(n, "users must be a list")
		return
	}
	for _, entry := range n.Content {
		p.entry(entry)
	}
}

func (p *usersParser) entry(n *yaml.Node) {
	var u account
	before := len(p.faults)
	p.fields(n, "user", func(key string, value *yaml.Node) bool {
		switch key {
		case "name":
			p.scalar(value, key, &u.Name)
		case "hash":
			p.scalar(value, key, &u.Hash)
			var err error
			if u.parsed, err = p.hashes.parse(u.Hash); err != nil {
				p.fault(value, "hash: %w", err)
			}
		case "disabled":
			p.scalar(value, key, &u.Disabled)
		case "created":
			p.scalar(value, key, &u.Created)
		case "changed":
			p.scalar(value, key, &u.Changed)
		default:
			return false
		}
		return true
	})
	if n.Kind != yaml.MappingNode {
		return
	}
	switch first, twice := p.seen[fold(u.Name)]; {
	case !plugin.ValidUserName(u.Name):
		p.fault(n, "name: %s is not allowed; %s", strconv.Quote(clip(u.Name)), nameRule)
	case twice:
		p.fault(n, "name: %s stands on line %d already (names compare without case)", strconv.Quote(u.Name), first)
	default:
		p.seen[fold(u.Name)] = n.Line
	}
	if u.Hash == "" {
		p.fault(n, "hash is missing")
	}
	if len(p.faults) == before {
		p.users = append(p.users, u)
	}
}

// scalar decodes one value.
func (p *usersParser) scalar(n *yaml.Node, what string, into any) {
	if n.Kind != yaml.ScalarNode || n.Decode(into) != nil {
		p.fault(n, "%s: wrong kind of value", what)
	}
}

// formatUsers writes the user file.
func formatUsers(users []account) ([]byte, error) {
	var out bytes.Buffer
	out.WriteString(fileHeader)
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(userFile{Version: fileVersion, Users: users}); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// clip bounds a text for a message.
func clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
