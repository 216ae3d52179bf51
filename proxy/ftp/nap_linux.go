package ftp

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// nap sleeps for d with a precision of microseconds, where a Timer needs at least 1 ms, and without blocking a thread. It returns
// false if it could not, e.g. without a free descriptor.
func nap(d time.Duration) bool {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return false
	}
	timer := os.NewFile(uintptr(fd), "timer")
	defer timer.Close()
	once := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if unix.TimerfdSettime(fd, 0, &once, nil) != nil {
		return false
	}
	_, err = timer.Read(make([]byte, 8))
	return err == nil
}
