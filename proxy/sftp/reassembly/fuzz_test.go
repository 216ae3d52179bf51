package reassembly

import (
	"bytes"
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// FuzzUpload compares an upload with a file on a disk, to which the same is done: the upload publishes exactly the content of that
// file, or fails and publishes nothing. It fails only for a reason.
func FuzzUpload(f *testing.F) {
	for _, seed := range []string{
		"\x00\x00\x00\x04", "\x00\xff\x00\x00\x10\x00\x10\x10\x00\x04", "\x01\xff\x00\x10\x10\x04", "\x02\xff\x00\x30\x20\x00\x50\x05\x03\x40\x04", "\x05\xff\x00\x64\x10\x04",
		"\x00\xff\x00\x00\xff\x00\xff\xff\x00\x7f\x05\x04", "\x00\xff\x00\x00\x40\x00\x50\x40\x00\x40\x10\x00\x90\x40\x00\xd0\x40\x04", "\x01\x02\x00\x00\x40\x00\x40\x40\x00\x80\x40\x05",
		"\x01\xff\x00\x20\x08\x00\x60\x08\x00\xa0\x08\x00\xf0\x08\x00\xff\x80\x01\x90\x04", "\x02\xff\x00\x00\x40\x02\x20\x01\x20\x03\x04",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		synctest.Test(t, func(t *testing.T) { runProgram(t, program[:min(len(program), 200)]) })
	})
}

// unit is the number of bytes for which a byte of a program stands.
const unit = 1000

// A disk is a file on a disk, beside an upload.
type disk struct {
	*handle
	file     []byte // its content before
	content  []byte // now
	required int    // the last announced size
	reason   bool   // something has happened that may make the upload fail
	failed   bool   // a method has failed
	wrote    bool
	writes   byte
}

// next removes the first byte of a program, and returns it, or 0 at the end.
func next(program *[]byte) (b byte) {
	if len(*program) > 0 {
		b, *program = (*program)[0], (*program)[1:]
	}
	return b
}

// runProgram runs a program. Its first byte tells the file and how it is opened, the second the memory, the others what is done.
func runProgram(t *testing.T, program []byte) {
	kind, buffers := next(&program), next(&program)
	store := storeWith("-")
	d := &disk{}
	switch old := bytes.Repeat([]byte("old-"), 100*unit/4); kind % 3 {
	case 1:
		store = storeWith(string(old))
		d.file = old
	case 2:
		store.Resumable["/f"] = old
	}
	limits := func(c *Config) { c.Keep, c.Window = 4*pageSize, 3*pageSize }
	set := []func(*Config){limits}
	if kind&4 != 0 {
		set = append(set, appending)
	}
	if kind&8 != 0 {
		set = append(set, truncated)
	}
	d.handle = open(t, store, set...)
	if d.config.Base != (proxy.Entry{}) {
		d.content = append(bytes.Clone(d.file), store.Resumable["/f"]...)
	}
	d.memory.free = int(buffers)
	d.reason = buffers < 9
	for len(program) > 0 && !d.step(&program) {
	}
	d.Break(errBroken)
	if n := d.memory.count(); n > 0 || d.memory.most > 9 {
		t.Errorf("%d buffers were lent at a time, %d were not returned", d.memory.most, n)
	}
}

// step does what the program says next, and reports whether that was the end.
func (d *disk) step(program *[]byte) (done bool) {
	switch op := next(program); op % 8 {
	case 0, 6, 7:
		d.writeData(int64(next(program))*unit, int(next(program))*unit/2, op&8 == 0, op&16 != 0)
	case 1:
		d.resize(int(next(program)) * unit)
	case 2:
		d.Announce(int64(next(program)) * unit)
		d.required = int(d.Upload.required)
	case 3:
		d.SetTime(time.Unix(1, 0))
	case 4:
		d.close()
		return true
	case 5:
		d.Break(errBroken)
		d.checkUnchanged()
		return true
	}
	return false
}

func (d *disk) writeData(offset int64, n int, mayWait, cut bool) {
	d.writes++
	data := bytes.Repeat([]byte{'a' + d.writes%26}, n)
	sent := io.Reader(bytes.NewReader(data))
	if cut = cut && n > 1; cut {
		sent = io.MultiReader(bytes.NewReader(data[:n/2]), iotest.ErrReader(errBroken))
	}
	err := d.writeFrom(offset, n, sent, mayWait)
	if rest, _ := io.ReadAll(sent); len(rest) > 0 {
		d.Errorf("%d bytes of a WRITE were not read", len(rest))
	}
	if _, broken := errors.AsType[*ReadError](err); broken != cut {
		d.Errorf("the reader fails: %v, and the error is %v", cut, err)
	}
	if err != nil {
		d.checkReason(err, offset)
		d.failed = true
	}
	if n == 0 {
		return
	}
	if d.config.Append {
		offset = int64(len(d.content))
	} else if d.config.Base.Resumable && !d.wrote && offset == 0 {
		d.content = nil
	}
	d.wrote = true
	d.grow(int(offset) + n)
	copy(d.content[offset:], data)
}

// checkReason checks that a WRITE had a reason to fail.
func (d *disk) checkReason(err error, offset int64) {
	switch {
	case d.failed || d.reason || errors.Is(err, errBroken):
	case errors.Is(err, syscall.ESPIPE) && !d.wrote:
	case errors.Is(err, errors.ErrUnsupported) && (d.put.started || d.base.Resumable):
	default:
		d.Errorf("a WRITE at %d failed: %v", offset, err)
	}
}

func (d *disk) grow(n int) {
	if n > len(d.content) {
		d.content = append(d.content, make([]byte, n-len(d.content))...)
	}
}

func (d *disk) resize(n int) {
	if err := d.SetSize(int64(n)); err != nil {
		if !d.failed && !d.put.started && !d.appends {
			d.Errorf("the size cannot be set: %v", err)
		}
		d.failed = true
	}
	d.required = n
	if d.config.Append && n > len(d.content) {
		return // the next byte goes to the end of what was written, not behind zeros
	}
	d.grow(n)
	d.content = d.content[:n]
}

func (d *disk) close() {
	stored, changed, err := d.Close(d.Context())
	switch {
	case err != nil:
		if !d.failed && d.required <= len(d.content) && int64(d.required) <= d.size() && !d.base.Resumable {
			d.Errorf("Close failed: %v", err)
		}
		d.checkUnchanged()
	case d.failed:
		d.Error("Close did not fail, but a WRITE or FSETSTAT")
	case !changed && !d.base.Resumable && !bytes.Equal(d.content, d.file):
		d.Error("nothing was changed, but should be")
	case changed && !bytes.Equal(d.store.Files["/f"].Data, d.content), changed && stored.Size != int64(len(d.content)):
		d.Errorf("the file has %d bytes, want %d:\n%s\n%s", len(d.store.Files["/f"].Data), len(d.content), outline(d.store.Files["/f"].Data), outline(d.content))
	case !changed:
		d.checkUnchanged()
	}
}

// checkUnchanged checks that nothing was published.
func (d *disk) checkUnchanged() {
	d.Helper()
	f, ok := d.store.Files["/f"]
	if ok != (d.file != nil) || !bytes.Equal(f.Data, d.file) {
		d.Errorf("the file has %d bytes: something was published", len(f.Data))
	}
}

// outline shortens content for error messages, to one byte of each unit.
func outline(content []byte) (short []byte) {
	for i := 0; i < len(content); i += unit / 2 {
		short = append(short, content[i])
	}
	return bytes.ReplaceAll(short, []byte{0}, []byte{'.'})
}
