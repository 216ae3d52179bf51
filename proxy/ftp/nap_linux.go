package ftp

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// nap waits for d to the microsecond, where a Timer takes 1 ms at least, and holds no thread meanwhile. It reports
// whether it did; without a free descriptor it cannot.
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
