package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version prints what the Go toolchain noted in the program when it was built.
func version(_ context.Context, p *process) error {
	if err := p.only(); err != nil {
		return err
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	_, err := fmt.Fprintln(p.stdout, versionLine(info))
	return err
}

// versionLine is the version, the commit with a plus sign if there were changes on top of it, and the toolchain.
func versionLine(info *debug.BuildInfo) string {
	words := []string{"s3ftpd", info.Main.Version}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if info.Main.Version == "" {
		words[1] = "(devel)"
	}
	if revision := settings["vcs.revision"]; revision != "" {
		if settings["vcs.modified"] == "true" {
			revision += "+"
		}
		words = append(words, revision, settings["vcs.time"])
	}
	words = append(words, runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH)
	return strings.Join(words, " ")
}
