//go:build !linux

package ftp

// processorLoad is not implemented on this system.
func processorLoad() float64 { return 0 }

// allRun is not implemented on this system.
func allRun() bool { return true }
