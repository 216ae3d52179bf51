//go:build !unix

package scenario

import "os/exec"

// killGroup does nothing: the clients run on Unix.
func killGroup(*exec.Cmd) {}
