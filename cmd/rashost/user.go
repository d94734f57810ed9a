package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"rashost/internal/config"
	"rashost/plugin"
	"rashost/plugin/password"
)

// userTarget says which user file and which lock-out state a user command works on.
type userTarget struct{ file, lockout string }

// newUserCommand makes `rashost user`: the people of the password plugin.
func newUserCommand(a *app) *cobra.Command {
	var dialogName, file string
	cmd := &cobra.Command{
		Use:   "user",
		Short: "the password file: add, passwd, remove, list, disable, enable, unlock",
		Args:  unknownCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		Long: "The password file of a dialog. Secrets are read from the terminal, or from the first line of standard input; never from the\n" +
			"command line. A running host sees every change at the next login.",
	}
	cmd.PersistentFlags().StringVar(&dialogName, "dialog", "", "the dialog whose file is meant (needed when several use plugin password)")
	cmd.PersistentFlags().StringVar(&file, "file", "", "the user file itself, without a configuration")
	onUser := func(use, short string, run func(f *password.File, name string) (string, error)) *cobra.Command {
		return &cobra.Command{
			Use: use + " NAME", Short: short, Args: arguments("NAME"),
			RunE: func(_ *cobra.Command, args []string) error {
				t, err := a.userTarget(dialogName, file)
				if err != nil {
					return err
				}
				f, err := password.NewFile(t.file)
				if err != nil {
					return err
				}
				said, err := run(f, args[0])
				if err != nil {
					return fmt.Errorf("%s: %w", t.file, err)
				}
				fmt.Fprintln(a.stdout, said)
				return nil
			},
		}
	}
	cmd.AddCommand(
		onUser("add", "add a user", func(f *password.File, name string) (string, error) {
			if !plugin.ValidUserName(name) {
				return "", fmt.Errorf("%q: %w", name, password.ErrName)
			}
			return "added " + name, a.withSecret(name, f.Add)
		}),
		onUser("passwd", "give a user a new password", func(f *password.File, name string) (string, error) {
			return "changed " + name, a.withSecret(name, f.Passwd)
		}),
		onUser("remove", "remove a user", func(f *password.File, name string) (string, error) {
			return "removed " + name, f.Remove(name)
		}),
		onUser("disable", "refuse a user without removing them", func(f *password.File, name string) (string, error) {
			return "disabled " + name, f.SetDisabled(name, true)
		}),
		onUser("enable", "let a disabled user in again", func(f *password.File, name string) (string, error) {
			return "enabled " + name, f.SetDisabled(name, false)
		}),
		newUserListCommand(a, &dialogName, &file),
		newUserUnlockCommand(a, &dialogName, &file),
	)
	return cmd
}

func newUserListCommand(a *app, dialogName, file *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "list", Short: "list the users", Args: arguments(),
		RunE: func(*cobra.Command, []string) error {
			t, err := a.userTarget(*dialogName, *file)
			if err != nil {
				return err
			}
			f, err := password.NewFile(t.file)
			if err != nil {
				return err
			}
			entries, err := f.List()
			if err != nil {
				return fmt.Errorf("%s: %w", t.file, err)
			}
			if asJSON {
				return writeUsersJSON(a.stdout, entries)
			}
			return writeUsers(a.stdout, entries)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON (docs/json.md)")
	return cmd
}

func newUserUnlockCommand(a *app, dialogName, file *string) *cobra.Command {
	return &cobra.Command{
		Use: "unlock NAME", Short: "forget a user's failures, so that lock-out ends", Args: arguments("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if *file != "" {
				return usageError(errors.New("unlock works on a dialog's lock-out state, not on a user file: give --dialog, or neither"))
			}
			t, err := a.userTarget(*dialogName, "")
			if err != nil {
				return err
			}
			had, err := password.Unlock(t.lockout, args[0])
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

// userView is one user in `rashost user list --json`.
type userView struct {
	Name     string    `json:"name"`
	Hash     string    `json:"hash"`
	Mark     string    `json:"mark"`
	Disabled bool      `json:"disabled"`
	Created  time.Time `json:"created,omitzero"`
	Changed  time.Time `json:"changed,omitzero"`
}

func writeUsersJSON(w io.Writer, entries []password.Entry) error {
	views := make([]userView, 0, len(entries))
	for _, e := range entries {
		views = append(views, userView{e.Name, e.Kind, e.Mark, e.Disabled, e.Created, e.Changed})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(views)
}

func writeUsers(w io.Writer, entries []password.Entry) error {
	if len(entries) == 0 {
		fmt.Fprintln(w, "no users yet; add one with: rashost user add NAME")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tHASH\tCHANGED\tREMARK")
	for _, e := range entries {
		remark := e.Mark
		if e.Disabled {
			remark = strings.TrimPrefix(remark+", disabled", ", ")
		}
		changed := "-"
		if !e.Changed.IsZero() {
			changed = e.Changed.Local().Format("2006-01-02 15:04")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", e.Name, e.Kind, changed, remark)
	}
	return t.Flush()
}

// userTarget finds the user file: the one given, or that of the only dialog with plugin password, or that of the dialog named.
func (a *app) userTarget(dialogName, file string) (userTarget, error) {
	if file != "" {
		return userTarget{file: file}, nil
	}
	c, err := a.loadConfig()
	if err != nil {
		return userTarget{}, err
	}
	var found []string
	for _, name := range sorted(c.Dialogs) {
		if c.Dialogs[name].Plugin == "password" && (dialogName == "" || dialogName == name) {
			found = append(found, name)
		}
	}
	switch {
	case len(found) == 0 && dialogName != "":
		return userTarget{}, usageError(fmt.Errorf("%s has no dialog %q with plugin password", a.configPath, dialogName))
	case len(found) == 0:
		return userTarget{}, usageError(fmt.Errorf("%s has no dialog with plugin password: name a user file with --file", a.configPath))
	case len(found) > 1:
		return userTarget{}, usageError(fmt.Errorf("several dialogs use plugin password (%s): say which with --dialog", strings.Join(found, ", ")))
	}
	return dialogTarget(c, found[0])
}

func dialogTarget(c *config.Config, name string) (userTarget, error) {
	var o password.Options
	if err := c.Dialogs[name].DecodeOptions(&o); err != nil {
		return userTarget{}, usageError(err)
	}
	if o.File == "" {
		return userTarget{}, usageError(fmt.Errorf("dialogs.%s.options: file is missing: name the user file", name))
	}
	return userTarget{file: c.Resolve(o.File), lockout: password.LockoutPath(c.Resolve(c.StateDir), name)}, nil
}

// withSecret reads a secret and hands it to use. On a terminal it asks twice, without echo; otherwise it takes the first line.
func (a *app) withSecret(name string, use func(string, []byte) error) error {
	secret, err := a.readSecret(name)
	if err != nil {
		return err
	}
	defer clear(secret)
	return use(name, secret)
}

func (a *app) readSecret(name string) ([]byte, error) {
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReaderSize(a.stdin, 2*password.MaxSecret).ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read the password from standard input: %w", err)
		}
		return bytes.Clone(bytes.TrimRight(line, "\r\n")), nil
	}
	first, err := a.ask(in, "Password for "+name+": ")
	if err != nil {
		return nil, err
	}
	second, err := a.ask(in, "Once more: ")
	if err != nil {
		return nil, err
	}
	defer clear(second)
	if !bytes.Equal(first, second) {
		clear(first)
		return nil, errors.New("the two passwords differ: nothing was changed")
	}
	return first, nil
}

// ask prompts for a secret without echo. A signal that would end the program gives the terminal its echo back first.
func (a *app) ask(in *os.File, prompt string) ([]byte, error) {
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("read the password from the terminal: %w", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	answered := make(chan struct{})
	go func() {
		select {
		case <-signals:
			_ = term.Restore(int(in.Fd()), before)
			fmt.Fprintln(a.stderr, "\nnothing was changed")
			os.Exit(exitInterrupted)
		case <-answered:
		}
	}()
	defer close(answered)
	defer signal.Stop(signals)
	fmt.Fprint(a.stderr, prompt)
	secret, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.stderr)
	if err != nil {
		return nil, fmt.Errorf("read the password from the terminal: %w", err)
	}
	return secret, nil
}
