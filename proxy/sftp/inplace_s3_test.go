package sftp

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/access"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/reassembly"
	"github.com/s3ftpd/s3ftpd/test/quirks"
	"github.com/s3ftpd/s3ftpd/test/real"
)

const mebibyte = 1 << 20

// A change is what a client does to a part of a file, and the same on a disk.
type change struct {
	name string
	do   func(f changed)
}

// A changed file is that of a client, or one on a disk.
type changed interface {
	write(offset int64, data []byte)
	resize(n int64) // of the path
	size() int64
}

// changes are done to files of all sizes.
var changes = []change{
	{"the first byte", func(f changed) { f.write(0, []byte("x")) }},
	{"the last byte", func(f changed) { f.write(f.size()-1, []byte("x")) }},
	{"4 KiB in the middle", func(f changed) { f.write(f.size()/2, bytes.Repeat([]byte("x"), 4<<10)) }},
	{"1,000 places of 16 bytes, ascending", func(f changed) {
		size := f.size()
		for i := range int64(1000) {
			f.write(i*size/1000, fmt.Appendf(nil, "change number %02d", i%100))
		}
	}},
	{"the middle, and behind the end", func(f changed) {
		size := f.size()
		f.write(size/2, []byte("x"))
		f.write(size+100_000, []byte("end"))
	}},
	{"truncated to a half", func(f changed) { f.resize(f.size() / 2) }},
	{"longer by 100,000 bytes", func(f changed) { f.resize(f.size() + 100_000) }},
	{"emptied", func(f changed) { f.resize(0) }},
}

// A disk is a file on a disk.
type disk struct {
	*testing.T
	*os.File
}

func (d disk) write(offset int64, data []byte) { d.must(errOf(d.WriteAt(data, offset))) }
func (d disk) resize(n int64)                  { d.must(d.Truncate(n)) }

func (d disk) size() int64 {
	info, err := d.Stat()
	d.must(err)
	return info.Size()
}

func (d disk) must(err error) {
	if err != nil {
		d.Fatal(err)
	}
}

func errOf(_ int, err error) error { return err }

// A remote is a file of a client, opened at the first write without TRUNC.
type remote struct {
	*client
	name    string
	length  int64 // before the change
	handle  string
	pending []uint32
	answers []string // of WRITE, SETSTAT and CLOSE that are not OK
}

func (r *remote) size() int64 { return r.length }

func (r *remote) open(flags int) {
	a := cursor(r.await(r.request(packet.Open, r.name, flags, 0)).body)
	r.handle = a.text()
}

func (r *remote) write(offset int64, data []byte) {
	if r.handle == "" {
		r.open(packet.FlagWrite)
	}
	r.pending = append(r.pending, r.request(packet.Write, r.handle, offset, string(data)))
}

func (r *remote) resize(n int64) {
	r.pending = append(r.pending, r.request(packet.SetStat, r.name, fields(1, n)))
}

// finish sends CLOSE, and waits for all answers.
func (r *remote) finish() {
	if r.handle != "" {
		r.pending = append(r.pending, r.request(packet.Close, r.handle))
	}
	for _, id := range r.pending {
		if a := r.await(id).String(); a != "OK" {
			r.answers = append(r.answers, a)
		}
	}
}

// inPlaceRow is a row of the table in docs/sftp.md.
type inPlaceRow struct {
	change   string
	size     int64
	requests string
	read     int64
}

func (r inPlaceRow) String() string {
	size := fmt.Sprintf("%d MiB", r.size/mebibyte)
	if r.size == 1<<30 {
		size = "1 GiB"
	}
	return fmt.Sprintf("| %s | %s | %s | %.1f MiB |", r.change, size, r.requests, float64(r.read)/mebibyte)
}

// limit returns how many bytes of a file of so many bytes may be read for a change: 5 MiB at each border of a range that S3 copies, and
// all that lies between places that are too close for copies.
func (c change) limit(size int64) int64 {
	if strings.HasPrefix(c.name, "1,000") {
		return size
	}
	return min(size, 2*5*mebibyte)
}

// TestInPlace does each change to files whose sizes are around the limits of S3, and compares them with a file on a disk. The table in
// docs/sftp.md has the requests.
func TestInPlace(t *testing.T) {
	var rows []string
	for name, server := range s3Servers(t) {
		t.Run(name, func(t *testing.T) {
			b := newInPlaceBench(t, server)
			sizes := []int64{mebibyte, 5*mebibyte + 1, 20 * mebibyte}
			if name == "embedded" {
				sizes = append(sizes, 5000, 5*mebibyte-1, 5*mebibyte, 8*mebibyte, 10*mebibyte, 10*mebibyte+1, 16*mebibyte+1)
			}
			var table []string
			for _, c := range changes {
				for _, size := range sizes {
					if row := b.compare(c, size); size%mebibyte == 0 && (size == mebibyte || size == 20*mebibyte) {
						table = append(table, row.String())
					}
				}
			}
			if rows == nil {
				rows = table
			}
			if !slices.Equal(rows, table) {
				t.Errorf("the requests differ:\n%s\nand\n%s", strings.Join(rows, "\n"), strings.Join(table, "\n"))
			}
		})
	}
	want := "| change | file | requests to S3 | read |\n|---|---|---|---|\n" + strings.Join(rows, "\n") + "\n"
	page, err := os.ReadFile("../../docs/sftp.md")
	if err != nil {
		t.Fatal(err)
	}
	if got := access.Section(string(page), "in-place"); got != want {
		t.Errorf("between <!-- in-place --> and <!-- /in-place --> docs/sftp.md must have\n%s", want)
	}
}

// compare does a change to a file of so many bytes, by SFTP and on a disk.
func (b *inPlaceBench) compare(c change, size int64) inPlaceRow {
	old := bytes.Repeat([]byte("0123456789abcdef\n"), int(size)/17+1)[:size]
	b.put(old)
	name := filepath.Join(b.TempDir(), "file")
	if err := os.WriteFile(name, old, 0o600); err != nil {
		b.Fatal(err)
	}
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer file.Close()
	c.do(disk{b.T, file})
	r := b.session(size, func(r *remote) { c.do(r) })
	if len(r.answers) > 0 {
		b.Errorf("%s of %d bytes: %s", c.name, size, r.answers)
	}
	row := inPlaceRow{change: c.name, size: size}
	row.requests, row.read = b.count.take()
	if limit := c.limit(size); row.read > limit {
		b.Errorf("%s of %d bytes: %d bytes were read, at most %d should be", c.name, size, row.read, limit)
	}
	b.check(file)
	return row
}

// TestInPlaceHeader: a file whose header is written at the end is stored if all of it is kept in memory. Otherwise the WRITE and CLOSE
// are refused, and the old file stays.
func TestInPlaceHeader(t *testing.T) {
	for name, server := range s3Servers(t) {
		t.Run(name, func(t *testing.T) {
			b := newInPlaceBench(t, server)
			old := []byte("the old file")
			refusal := statusOf(reassembly.ErrBack).text
			for size, refused := range map[int]bool{mebibyte: false, 20 * mebibyte: true} {
				b.put(old)
				content := bytes.Repeat([]byte("x"), size)
				r := b.session(0, func(r *remote) {
					r.open(packet.FlagWrite)
					for at := 0; at < size; at += 128 << 10 {
						r.write(int64(at), content[at:at+128<<10])
					}
					r.write(0, []byte("header"))
				})
				want := []string(nil)
				if copy(content, "header"); refused {
					want, content = []string{"OP_UNSUPPORTED " + refusal, "OP_UNSUPPORTED " + refusal}, old
				}
				if !slices.Equal(r.answers, want) {
					t.Errorf("%d bytes: %q, want %q", size, r.answers, want)
				}
				b.check(bytes.NewReader(content))
			}
		})
	}
}

// TestInPlaceWithoutCopies: where S3 cannot copy parts, CLOSE says so and the old file stays; a file of up to 5 MiB can be changed.
func TestInPlaceWithoutCopies(t *testing.T) {
	for _, mode := range []string{"no-part-copy-501", "no-part-copy-411", "no-part-copy-405"} {
		t.Run(mode, func(t *testing.T) {
			b := newInPlaceBench(t, embeddedS3(t, quirks.Named(mode)))
			refusal := "OP_UNSUPPORTED " + statusOf(proxy.ErrNoCopy).text
			for size, want := range map[int][]string{5 * mebibyte: nil, 12 * mebibyte: {refusal}} {
				content := bytes.Repeat([]byte("0"), size)
				b.put(content)
				r := b.session(int64(size), func(r *remote) { r.write(100, []byte("x")) })
				if !slices.Equal(r.answers, want) {
					t.Errorf("%d bytes: %q, want %q", size, r.answers, want)
				}
				if want == nil {
					content[100] = 'x'
				}
				b.check(bytes.NewReader(content))
				r = b.session(int64(size), func(r *remote) { r.resize(int64(size) / 2) })
				if size > 10*mebibyte && !slices.Equal(r.answers, want) {
					t.Errorf("truncated: %q, want %q", r.answers, want)
				}
			}
		})
	}
}

// TestInPlaceOfGigabyte changes 4 KiB in the middle of 1 GiB. S3 copies the rest, whose content is known.
func TestInPlaceOfGigabyte(t *testing.T) {
	if testing.Short() {
		t.Skip("it copies gigabytes")
	}
	const size, part = 1 << 30, 64 * mebibyte
	b := newInPlaceBench(t, real.MinIO(t))
	content := bytes.Repeat([]byte("0123456789abcdef"), part/16)
	b.put(content)
	b.assemble(size / part)
	patch := bytes.Repeat([]byte("x"), 4<<10)
	b.session(size, func(r *remote) { r.write(size/2, patch) })
	requests, read := b.count.take()
	t.Log(requests, read)
	if want := "2 HeadObject, 1 ListObjectsV2, 1 GetObject, 1 CreateMultipartUpload, 2 UploadPartCopy, 1 UploadPart, 1 CompleteMultipartUpload"; requests != want || read > 5*mebibyte {
		t.Errorf("%s, %d bytes were read; want %s", requests, read, want)
	}
	var want []io.Reader
	for range size / part {
		want = append(want, bytes.NewReader(content))
	}
	want[size/part/2] = io.MultiReader(bytes.NewReader(patch), bytes.NewReader(content[len(patch):]))
	b.check(io.MultiReader(want...))
}
