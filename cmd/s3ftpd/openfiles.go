package main

import (
	"fmt"
	"log/slog"

	"github.com/s3ftpd/s3ftpd/config"
)

// Open files of the process: of each session the control connection, a passive port, the data connection and a connection
// to S3; the others are listeners and files.
const (
	filesPerSession = 4
	otherFiles      = 64
)

// openFilesProblem says that the limit of open files is too low for --max-sessions, else it returns "". limit 0 = none.
func openFilesProblem(c *config.Config, limit uint64) (problem, advice string) {
	need := uint64(c.MaxSessions)*filesPerSession + otherFiles
	if limit == 0 || limit >= need {
		return "", ""
	}
	return fmt.Sprintf("the limit of open files is %d, and --max-sessions %d can need %d", limit, c.MaxSessions, need),
		fmt.Sprintf("raise the limit (ulimit -Hn, LimitNOFILE= of systemd), or use --max-sessions %d", max(1, (int(limit)-otherFiles)/filesPerSession))
}

// warnOpenFiles logs that the limit of open files is too low.
func warnOpenFiles(c *config.Config, log *slog.Logger) {
	if problem, advice := openFilesProblem(c, maxOpenFiles()); problem != "" {
		log.Warn("too few open files allowed", "problem", problem, "advice", advice)
	}
}

// checkOpenFiles warns if the limit of open files is too low.
func checkOpenFiles(r *report, c *config.Config) {
	if problem, advice := openFilesProblem(c, maxOpenFiles()); problem != "" {
		r.warn("open-files", advice, "%s", problem)
	}
}
