package s3demo

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/rclone/gofakes3"
)

// logger takes the library's messages.
type logger struct{ log *slog.Logger }

func (l logger) Print(level gofakes3.LogLevel, v ...any) {
	switch level {
	case gofakes3.LogErr:
		l.log.Error("embedded S3 failed", "err", words(v))
	case gofakes3.LogWarn:
		l.log.Warn("embedded S3", "said", words(v))
	default:
		l.log.Debug("embedded S3", "said", words(v))
	}
}

// words are put together only where somebody reads them.
type words []any

func (w words) LogValue() slog.Value { return slog.StringValue(strings.TrimSpace(fmt.Sprintln(w...))) }
