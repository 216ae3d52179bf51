package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version prints the build information that the Go toolchain has stored in the program.
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

// versionLine returns the version, the commit, with "+" if the tree had uncommitted changes, and the toolchain.
func versionLine(info *debug.BuildInfo) string {
	words := []string{"s3ftpd", versionOf(info)}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
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

// versionOf returns the version of the program.
func versionOf(info *debug.BuildInfo) string { return cmp.Or(info.Main.Version, "(devel)") }
