// Package pppd knows pppd(8) from the outside: the words of its options, its option files, and whether its ip-pre-up asks rashost. What
// it knows is true of pppd 2.4.9 and 2.5.
package pppd

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Dir is the folder of pppd's own files.
const Dir = "/etc/ppp"

// Option is one option as pppd reads it.
type Option struct {
	// Name is the word, such as "noauth"; addresses, speeds and device names are words, too.
	Name string
	// Arg is what follows it, "" for options that take nothing.
	Arg string
	// Index is where the word stands in the list.
	Index int
}

// takeOne are the options with one argument (pppd 2.4.9; 2.5 adds the last line).
var takeOne = strings.Fields(`
+ua -as active-filter allow-ip allow-number asyncmap bsdcomp bundle ca call callback capath cert chap-interval chap-max-challenge
chap-restart chap-timeout child-timeout connect connect-delay crl crl-dir datarate defaultroute-metric deflate disconnect domain
eap-interval eap-max-rreq eap-max-sreq eap-restart eap-timeout endpoint escape file holdoff idle ifname init ip-down-script ip-up-script
ipcp-max-configure ipcp-max-failure ipcp-max-terminate ipcp-restart ipparam ipv6 ipv6cp-max-configure ipv6cp-max-failure
ipv6cp-max-terminate ipv6cp-restart ipx-network ipx-node ipx-router-name ipx-routing ipxcp-max-configure ipxcp-max-failure
ipxcp-max-terminate ipxcp-restart kdebug key lcp-echo-failure lcp-echo-interval lcp-max-configure lcp-max-failure lcp-max-terminate
lcp-restart linkname logfd logfile max-tls-version maxconnect maxfail maxoctets mo mo-direction mo-timeout mrru mru ms-dns ms-wins
mschap-challenge mschap2-peer-challenge mtu name netmask pap-max-authreq pap-restart pap-timeout pass-filter password plugin privgroup
pty record remotename remotenumber set socket srp-interval srp-pn-secret stop-bits unit unset user vj-max-slots welcome
ip-pre-up-script ipv6-up-script ipv6-down-script pkcs12 tls-verify-method vrf lcp-rtt-file`)

// Parse reads a list of arguments as pppd does. A word that pppd does not know is an option without an argument here.
func Parse(args []string) []Option {
	var list []Option
	for i := 0; i < len(args); i++ {
		o := Option{Name: args[i], Index: i}
		if slices.Contains(takeOne, o.Name) && i+1 < len(args) {
			i++
			o.Arg = args[i]
		}
		list = append(list, o)
	}
	return list
}

// NoAuth says whether these options end up with a peer that need not authenticate, though nothing but the list itself is asked. Without a
// word about it, pppd decides, and asks nobody when root has started it.
func NoAuth(list []Option) bool {
	no := false
	for _, o := range list {
		switch o.Name {
		case "noauth":
			no = true
		case "auth", "login", "require-pap", "+pap", "require-chap", "+chap", "require-mschap", "+mschap", "require-mschap-v2", "+mschap-v2",
			"require-eap":
			no = false
		}
	}
	return no
}

// maxFile bounds what is read of a file.
const maxFile = 64 << 10

// ReadFile reads an option file; none when there is no such file.
func ReadFile(path string) ([]Option, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Parse(words(io.LimitReader(f, maxFile))), nil
}

// TTYFile is the option file that pppd reads for a device, after the command line.
func TTYFile(dir, device string) string {
	return filepath.Join(dir, "options."+strings.ReplaceAll(strings.TrimPrefix(device, "/dev/"), "/", "."))
}

// words splits an option file: white space between words, # begins a comment, quotes of both kinds and backslashes keep characters.
func words(r io.Reader) []string {
	var list []string
	in := bufio.NewReader(r)
	for {
		word, ok := nextWord(in)
		if !ok {
			return list
		}
		list = append(list, word)
	}
}

func nextWord(in *bufio.Reader) (string, bool) {
	var word strings.Builder
	var quote byte
	begun := false
	for {
		c, err := in.ReadByte()
		switch {
		case err != nil:
			return word.String(), begun
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\':
			begun = true
			if next, err := in.ReadByte(); err == nil && next != '\n' {
				word.WriteByte(next)
			}
		case quote != 0:
			word.WriteByte(c)
		case c == '"' || c == '\'':
			quote, begun = c, true
		case c == '#' && !begun:
			_, _ = in.ReadString('\n') // the end of the file ends it, too
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if begun {
				return word.String(), true
			}
		default:
			begun = true
			word.WriteByte(c)
		}
	}
}
