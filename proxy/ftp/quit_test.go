package ftp

import (
	"testing"
	"time"
)

// Only a QUIT that was read after the 150 was sent counts.
func TestQuitNotice(t *testing.T) {
	q := newQuitNotice()
	q.quit(time.Now())
	if closed(q.read) {
		t.Error("a QUIT counts before the 150")
	}
	before := time.Now()
	q.mark()
	if q.quit(before.Add(-time.Second)); closed(q.read) {
		t.Error("a QUIT counts that was read before the 150 but reported later")
	}
	if q.quit(time.Now()); !closed(q.read) {
		t.Error("a QUIT after the 150 does not count")
	}
	var none *quitNotice // of a command that is not an upload
	none.mark()
	none.quit(time.Now())
	if none.behind(nil, 0) != nil {
		t.Error("behind returns a channel without an upload")
	}
}
