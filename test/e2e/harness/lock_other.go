//go:build !unix

package harness

// lock does nothing where the syscall package has no file locks.
func lock(string) (unlock func(), err error) { return func() {}, nil }
