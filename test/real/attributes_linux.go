package real

import "syscall"

// takesAttributes reports whether a directory supports user extended attributes.
func takesAttributes(dir string) bool {
	return syscall.Setxattr(dir, "user.s3ftpd.test", []byte("x"), 0) == nil
}
