package sftp

import (
	"fmt"
	"math"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// attributesOf returns the attributes of an entry. Its permissions show what the account may do. An unknown time is shown as now, as in
// LIST of FTP: clients would show 1970.
func attributesOf(e proxy.Entry) packet.Attributes {
	a := packet.Attributes{HasSize: true, Size: uint64(e.Size), Permissions: modeOf(e)}
	if e.ModTime.IsZero() {
		e.ModTime = time.Now()
	}
	seconds := uint32(min(max(e.ModTime.Unix(), 0), math.MaxUint32))
	a.HasTimes, a.AccessTime, a.ModTime = true, seconds, seconds
	return a
}

// modeOf returns the mode bits of an entry, without w where the account may not write.
func modeOf(e proxy.Entry) uint32 {
	mode, write := uint32(packet.ModeFile|0o644), proxy.PermOverwrite
	switch {
	case e.Dir:
		mode, write = packet.ModeDir|0o755, proxy.PermWrite
	case e.Resumable:
		write = proxy.PermWrite
	}
	if e.Denied&write != 0 {
		mode &^= 0o222
	}
	return mode
}

// longLine formats an entry as ls -l does, see [proxy.Entry.ListTime]. Some clients read it.
func longLine(e proxy.Entry, name string, now time.Time) string {
	return fmt.Sprintf("%s 1 ftp ftp %10d %s %s", modeText(modeOf(e)), e.Size, e.ListTime(now), name)
}

// modeText returns mode bits as ls -l does.
func modeText(mode uint32) string {
	text := []byte("-rwxrwxrwx")
	if mode&packet.ModeDir != 0 {
		text[0] = 'd'
	}
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			text[1+i] = '-'
		}
	}
	return string(text)
}

// timeOf returns the modification time of attributes; zero = they have none.
func timeOf(a packet.Attributes) time.Time {
	if !a.HasTimes {
		return time.Time{}
	}
	return time.Unix(int64(a.ModTime), 0).UTC()
}
