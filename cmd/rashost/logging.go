package main

import (
	"io"
	"log/slog"

	"github.com/sirupsen/logrus"
	logrusslog "github.com/sirupsen/logrus/hooks/slog"
)

// newLogger makes the logger that every package gets: log/slog on top, logrus below. level is one of debug, info, warn, error;
// format is text or json. Colours stay off: logrus' coloured form prints messages unescaped.
func newLogger(out io.Writer, level, format string) *slog.Logger {
	base := logrus.New()
	base.SetOutput(out)
	parsed, err := logrus.ParseLevel(level)
	if err != nil {
		parsed = logrus.InfoLevel
	}
	base.SetLevel(parsed)
	if format == "json" {
		base.SetFormatter(&logrus.JSONFormatter{})
	} else {
		base.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true})
	}
	return slog.New(logrusslog.NewHandler(base, nil))
}
