//go:build !linux

package ftp

import "time"

// nap cannot do better than a Timer on this system.
func nap(time.Duration) bool { return false }
