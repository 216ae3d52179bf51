//go:build !linux

package real

// takesAttributes reports whether a directory is known to support user extended attributes.
func takesAttributes(string) bool { return true }
