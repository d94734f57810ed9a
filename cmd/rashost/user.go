package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"rashost/plugin"
	"rashost/plugin/password"
	"rashost/plugin/sasl"
	"rashost/plugin/sspi/httpline"
	"rashost/plugin/users"
)

// needs reads from a dialog's options which user file its plugin uses and what the plugin needs of every user.
type needs func(decode func(into any) error) (file string, v users.Verifiers, err error)

// userPlugins is the one list of plugins that have a user file.
func userPlugins() map[string]needs {
	return map[string]needs{
		"password": password.Needs,
		"sasl":     sasl.Needs,
		"sspi":     httpline.Needs,
	}
}

// userTarget says which user file a user command works on, what the dialogs that use the file need of every user, and, where one
// dialog is meant, its lock-out state.
type userTarget struct {
	file, lockout string
	needs         users.Verifiers
	plain         []string // the dialogs that need the password itself
	hasOTP        bool     // the user has one-time passwords already
}

// whyPlain says why the password itself is stored.
func (t userTarget) whyPlain() string {
	switch len(t.plain) {
	case 0:
		return "it was before, and no configuration says that no dialog needs it"
	case 1:
		return "dialog " + t.plain[0] + " allows CRAM-MD5"
	default:
		return "dialogs " + strings.Join(t.plain, ", ") + " allow CRAM-MD5"
	}
}

// userFlags are those that every user command has.
type userFlags struct{ dialog, file string }

// newUserCommand makes `rashost user`: the people of the user file.
func newUserCommand(a *app) *cobra.Command {
	var flags userFlags
	cmd := &cobra.Command{
		Use:   "user",
		Short: "the user file: add, passwd, otp, remove, list, disable, enable, unlock",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Long: "The user file of a dialog. Secrets are read from the terminal, or from the first line of standard input; never from the\n" +
			"command line. A running host sees every change at the next login. What is kept of a password is what the dialogs that use the\n" +
			"file need.",
	}
	cmd.PersistentFlags().StringVar(&flags.dialog, "dialog", "", "the dialog whose file is meant (needed when there are several files)")
	cmd.PersistentFlags().StringVar(&flags.file, "file", "", "the user file itself")
	cmd.AddCommand(
		a.onUser(&flags, "add", "add a user", a.addUser),
		a.onUser(&flags, "passwd", "give a user a new password", a.changePassword),
		newUserOTPCommand(a, &flags),
		a.onUser(&flags, "remove", "remove a user", func(_ userTarget, f *users.File, name string) (string, error) {
			return "removed " + name, f.Remove(name)
		}),
		a.onUser(&flags, "disable", "refuse a user without removing them", func(_ userTarget, f *users.File, name string) (string, error) {
			return "disabled " + name, f.SetDisabled(name, true)
		}),
		a.onUser(&flags, "enable", "let a disabled user in again", func(_ userTarget, f *users.File, name string) (string, error) {
			return "enabled " + name, f.SetDisabled(name, false)
		}),
		newUserListCommand(a, &flags),
		newUserUnlockCommand(a, &flags),
	)
	return cmd
}

// onUser makes a command that does something with one user and says what it did.
func (a *app) onUser(flags *userFlags, use, short string, run func(t userTarget, f *users.File, name string) (string, error)) *cobra.Command {
	return &cobra.Command{
		Use: use + " NAME", Short: short, Args: arguments("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			t, f, err := a.userFile(flags)
			if err != nil {
				return err
			}
			said, err := run(t, f, args[0])
			if err != nil {
				return t.fault(err)
			}
			fmt.Fprintln(a.stdout, said)
			return nil
		},
	}
}

// addUser adds a user with what the dialogs need.
func (a *app) addUser(t userTarget, f *users.File, name string) (string, error) {
	if !plugin.ValidUserName(name) {
		return "", fmt.Errorf("%q: %w", name, users.ErrName)
	}
	return a.setPassword("added "+name, t, name, f.Add)
}

// changePassword gives a user a new password, kept as the dialogs need it now.
func (a *app) changePassword(t userTarget, f *users.File, name string) (string, error) {
	entry, err := userEntry(f, name)
	if err != nil {
		return "", err
	}
	if t.needs.Empty() {
		t.needs = entry.Has
	}
	t.hasOTP = entry.Has.OTP
	return a.setPassword("changed "+name, t, name, f.Passwd)
}

// setPassword reads a password and hands it to set. What the operator should know of what is kept is said before the password is asked
// for, and what is still to do afterwards.
func (a *app) setPassword(said string, t userTarget, name string, set func(string, []byte, users.Verifiers) error) (string, error) {
	if t.needs.Plain {
		fmt.Fprintln(a.stderr, "the password itself is stored, because "+t.whyPlain())
	}
	what := "Password"
	if t.needs.OnlyOTP() {
		what = "Pass phrase"
	}
	err := a.withSecret(what+" for "+name, func(secret []byte) error { return set(name, secret, t.needs) })
	if t.needs.OTP && !t.needs.OnlyOTP() && !t.hasOTP {
		said += "\nfor one-time passwords run: rashost user otp " + name
	}
	return said, err
}

// userEntry finds a user in a file.
func userEntry(f *users.File, name string) (users.Entry, error) {
	entries, err := f.List()
	if err != nil {
		return users.Entry{}, err
	}
	i := slices.IndexFunc(entries, func(e users.Entry) bool { return users.Fold(e.Name) == users.Fold(name) })
	if i < 0 {
		return users.Entry{}, fmt.Errorf("user %q: %w", name, users.ErrNoUser)
	}
	return entries[i], nil
}

func newUserOTPCommand(a *app, flags *userFlags) *cobra.Command {
	var algorithm string
	cmd := a.onUser(flags, "otp", "give a user one-time passwords, beginning anew", func(_ userTarget, f *users.File, name string) (string, error) {
		if _, err := userEntry(f, name); err != nil {
			return "", err
		}
		return "one-time passwords begin anew for " + name, a.withSecret("Pass phrase for "+name, func(secret []byte) error {
			return f.StartOTP(name, algorithm, secret)
		})
	})
	cmd.Long = "Reads a pass phrase of 10 to 63 bytes, which should protect nothing else, and sets up one-time passwords (RFC 2289) with a\n" +
		"new seed. What is kept can't be used to log in; the login says the sequence number and the seed."
	cmd.Flags().StringVar(&algorithm, "algorithm", "md5", "md5 or sha1, as the user's calculator has it")
	return cmd
}

func newUserUnlockCommand(a *app, flags *userFlags) *cobra.Command {
	return &cobra.Command{
		Use: "unlock NAME", Short: "forget a user's failures, so that lock-out ends", Args: arguments("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if flags.file != "" {
				return usageError(errors.New("unlock works on a dialog's lock-out state, not on a user file: give --dialog, or neither"))
			}
			t, err := a.userTarget(flags)
			if err != nil {
				return err
			}
			if t.lockout == "" {
				return usageError(errors.New("several dialogs use the user file, and each counts failures for itself: say which with --dialog"))
			}
			had, err := users.Unlock(t.lockout, args[0])
			if err != nil {
				return err
			}
			if !had {
				fmt.Fprintf(a.stdout, "%s had no failures to forget\n", args[0])
				return nil
			}
			fmt.Fprintf(a.stdout, "unlocked %s\n", args[0])
			return nil
		},
	}
}

// userFile opens the file that a user command works on.
func (a *app) userFile(flags *userFlags) (userTarget, *users.File, error) {
	t, err := a.userTarget(flags)
	if err != nil {
		return t, nil, err
	}
	f, err := users.NewFile(t.file)
	return t, f, err
}
