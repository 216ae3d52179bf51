package ftp

import (
	"testing"
	"time"
)

// TestQuitNotice: a QUIT counts from the moment on when the 150 was sent, and no other time than that of its own reading matters.
func TestQuitNotice(t *testing.T) {
	q := newQuitNotice()
	q.quit(time.Now())
	if closed(q.read) {
		t.Error("a QUIT counts before the 150")
	}
	before := time.Now()
	q.mark()
	if q.quit(before.Add(-time.Second)); closed(q.read) {
		t.Error("a QUIT counts that was read before the 150 and is seen later")
	}
	if q.quit(time.Now()); !closed(q.read) {
		t.Error("a QUIT after the 150 does not count")
	}
	var none *quitNotice // of a command that is no upload
	none.mark()
	none.quit(time.Now())
	if none.behind(nil, 0) != nil {
		t.Error("there is a QUIT behind no upload")
	}
}
