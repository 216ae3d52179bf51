//go:build !linux

package ftp

import "time"

// nap is not implemented on this system.
func nap(time.Duration) bool { return false }
