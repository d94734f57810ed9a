// Command rashost is the dial-in security host. This file lists its subcommands; each has a file of its own.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	execPlugin(os.Args)
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRootCommand(a)
	root.SetArgs(args)
	return a.exitCode(root.ExecuteContext(ctx))
}

func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "rashost",
		Short: "a dial-in security host",
		Long: "rashost answers calls on modems and serial lines, finds out who is calling before anything behind the line sees a byte, hands the\n" +
			"line on, and keeps a record of every call. Begin with: rashost demo",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          unknownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	a.bindConfigFlag(root)
	root.AddCommand(
		newServeCommand(a), newCheckCommand(a), newDemoCommand(a),
		newLinesCommand(a), newCallsCommand(a), newWhyCommand(a),
		newHangupCommand(a), newDisableCommand(a), newEnableCommand(a), newResetCommand(a), newArmCommand(a), newDisarmCommand(a),
		newUserCommand(a), newCallCommand(a), newPluginsCommand(a), newPluginCommand(a), newSchemaCommand(a),
		newModemCommand(a), newDevicesCommand(a), newDoctorCommand(a),
		newPPPHookCommand(a),
	)
	return root
}

// unknownCommand refuses words that are no subcommand.
func unknownCommand(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError(fmt.Errorf("unknown command %q: rashost --help lists the commands", args[0]))
}
