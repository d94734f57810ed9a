package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rashost/plugin/users"
)

func newUserListCommand(a *app, flags *userFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "list the users, what is kept of each, and what the dialogs need and is missing", Args: arguments(),
		RunE: func(*cobra.Command, []string) error {
			t, f, err := a.userFile(flags)
			if err != nil {
				return err
			}
			entries, err := f.List()
			if err != nil {
				return t.fault(err)
			}
			views := make([]userView, 0, len(entries))
			for _, e := range entries {
				views = append(views, viewUser(e, t.needs))
			}
			if asJSON {
				return writeUsersJSON(a.stdout, views)
			}
			return writeUsers(a.stdout, views)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON (docs/json.md)")
	return cmd
}

// userView is one user in `rashost user list --json`.
type userView struct {
	Name     string    `json:"name"`
	Hash     string    `json:"hash"`
	Keeps    []string  `json:"keeps"`
	OTPLeft  int       `json:"otp_left"`
	Needs    []string  `json:"needs"`
	Mark     string    `json:"mark"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created,omitzero"`
	Changed  time.Time `json:"changed,omitzero"`
}

// viewUser describes a user of a file whose dialogs need what needs says.
func viewUser(e users.Entry, needs users.Verifiers) userView {
	return userView{
		Name: e.Name, Hash: e.Kind, Keeps: e.Has.Names(), OTPLeft: e.OTPLeft, Needs: missing(needs.Without(e.Has)), Mark: e.Mark,
		Disabled: e.Disabled, Created: e.Created, Changed: e.Changed,
	}
}

// missing says which commands give a user what is missing.
func missing(v users.Verifiers) []string {
	commands := []string{}
	password := v
	password.OTP = false
	if !password.Empty() {
		commands = append(commands, "passwd, for "+strings.Join(password.Names(), ", "))
	}
	if v.OTP {
		commands = append(commands, "otp, for OTP")
	}
	return commands
}

func writeUsersJSON(w io.Writer, views []userView) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(views)
}

func writeUsers(w io.Writer, views []userView) error {
	if len(views) == 0 {
		fmt.Fprintln(w, "no users yet; add one with: rashost user add NAME")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tHASH\tKEEPS\tCHANGED\tREMARK")
	for _, v := range views {
		var remarks []string
		if v.Mark != "" {
			remarks = append(remarks, v.Mark)
		}
		for _, command := range v.Needs {
			remarks = append(remarks, "needs: "+command)
		}
		if v.Disabled {
			remarks = append(remarks, "disabled")
		}
		hash, changed := "-", "-"
		if v.Hash != "" {
			hash = v.Hash
		}
		if !v.Changed.IsZero() {
			changed = v.Changed.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", v.Name, hash, strings.Join(keeps(v), ", "), changed, strings.Join(remarks, "; "))
	}
	return t.Flush()
}

// keeps is what is kept of a user, with how many one-time passwords are left.
func keeps(v userView) []string {
	var words []string
	for _, word := range v.Keeps {
		if word == "OTP" {
			word = fmt.Sprintf("OTP (%d left)", v.OTPLeft)
		}
		words = append(words, word)
	}
	return words
}
