package config

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

type timeDuration = time.Duration

// otherNames are words that users bring along from mgetty, Cisco, RRAS, HylaFAX and ser2net.
var otherNames = map[string]string{
	"speed": "baud", "baudrate": "baud", "ignore_carrier": "carrier", "need_dsr": "carrier", "dcd": "carrier",
	"idle_timeout": "idle", "session_timeout": "absolute", "exec_timeout": "idle", "absolute_timeout": "absolute",
	"logout_warning": "warning", "issue": "banner", "login_time": "timeout", "max_denials": "denials", "reset_time": "reset",
	"health_check": "idle_probe", "modem_check_time": "idle_probe", "prompt_waittime": "settle", "port": "device", "tty": "device",
	"host": "address", "program": "command", "exec": "command", "init_chat": "modem", "profile": "modem", "users": "options",
	"users_file": "options", "file": "options", "uid": "run_as", "log_level": "log", "socket": "control",
}

// unknownKey says that a key is unknown and what was probably meant.
func unknownKey(name string, s spot, fields map[string]reflect.Type) string {
	known := slices.Sorted(maps.Keys(fields))
	text := "is not a key here"
	if meant := strings.ReplaceAll(strings.ToLower(name), "-", "_"); fields[meant] != nil {
		return text + ": did you mean " + meant + "?"
	} else if other := otherNames[meant]; fields[other] != nil {
		return text + ": did you mean " + other + "?"
	}
	if hint := didYouMean(name, known); hint != "" {
		return text + hint
	}
	if s.path == "" {
		return text + ": at the top stand " + strings.Join(known, ", ")
	}
	return text + ": known are " + strings.Join(known, ", ")
}

// didYouMean returns ": did you mean X?" for the nearest of words, "" when none is near.
func didYouMean(got string, words []string) string {
	best, nearest := len(got)/3+1, ""
	if len(got) > 40 {
		return ""
	}
	for _, word := range words {
		if d := distance(strings.ToLower(got), word); d <= best && d < len(word) {
			if d < best || nearest == "" {
				best, nearest = d, word
			}
		}
	}
	if nearest == "" {
		return ""
	}
	return ": did you mean " + nearest + "?"
}

// distance counts the letters to add, drop, change or swap with a neighbour between a and b.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// shownKey makes an unknown key of the file fit for a message.
func shownKey(name string) string {
	if namePattern.MatchString(name) {
		return name
	}
	return strconv.Quote(bounded(name))
}

// fieldsOf lists the keys of a struct as yaml.v3 sees them.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, flags, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case strings.Contains(flags, "inline") && f.Type.Kind() == reflect.Struct:
			maps.Copy(fields, fieldsOf(f.Type))
		case name == "":
			fields[strings.ToLower(f.Name)] = f.Type
		default:
			fields[name] = f.Type
		}
	}
	return fields
}
