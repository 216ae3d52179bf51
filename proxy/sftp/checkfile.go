package sftp

import (
	"context"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// minBlock is the least size of a block in bytes that has a hash of its own.
const minBlock = 256

// maxSums limits the bytes of hashes in an answer.
const maxSums = packet.MaxData

// checkFileName answers check-file-name: the hashes of a file (draft-ietf-secsh-filexfer-extensions-00, section 3).
func checkFileName(s *subsystem, a proxy.Account, q packet.Request) error {
	c, err := q.CheckFile()
	if err != nil {
		return s.malformed(q, err)
	}
	q.Path = c.File
	name, err := resolve(a, c.File)
	if err == nil && names.IsDirectoryPath(c.File) { // a file may have the directory's name
		err = syscall.EISDIR
	}
	if err != nil {
		s.answer(q, nil, err)
		return nil
	}
	s.observe(s.ctx, event.Command{Command: q.Extension, Name: c.File})
	return s.checkFile(q, checkedFile{store: a.Store, name: name, CheckFile: c})
}

// checkFileHandle answers check-file-handle: the hashes of the version that a handle reads. It answers also check-file, which paramiko
// sends instead; the answer to that repeats the name of the extension.
func checkFileHandle(s *subsystem, _ proxy.Account, q packet.Request) error {
	c, err := q.CheckFile()
	if err != nil {
		return s.malformed(q, err)
	}
	switch h := s.handleOf(c.File).(type) {
	case *download:
		f := checkedFile{store: h.store, name: h.name, etag: h.entry.ETag, CheckFile: c}
		if q.Extension == "check-file" {
			f.prefix = []string{q.Extension}
		}
		return s.checkFile(q, f)
	case nil:
		err = errUnknownHandle
	default:
		err = failure("Not a handle that reads.")
	}
	s.answer(q, nil, err)
	return nil
}

// A checkedFile is a file of which a client asks the hashes.
type checkedFile struct {
	packet.CheckFile
	store  proxy.Store
	name   string
	etag   string   // of the version; "" = the current one
	prefix []string // of the answer
}

// checkFile answers with the hashes of a file.
func (s *subsystem) checkFile(q packet.Request, f checkedFile) error {
	algorithm, shown, err := chooseHash(f.Algorithms)
	f.Algorithms = "" // it may be long
	switch {
	case err != nil:
	case int64(f.Offset) < 0 || int64(f.Length) < 0:
		err = syscall.ESPIPE
	case f.BlockSize > 0 && f.BlockSize < minBlock:
		err = failure(fmt.Sprintf("The block size must be 0, or at least %d.", minBlock))
	}
	if err != nil {
		s.answer(q, nil, err)
		return nil
	}
	return s.start(q, false, []string{f.name}, func(ctx context.Context) (reply, error) {
		sums, err := f.sums(ctx, algorithm)
		if err != nil {
			return nil, err
		}
		return func(b []byte, id uint32) []byte { return packet.AppendSums(b, id, append(f.prefix, shown), sums) }, nil
	})
}

// chooseHash returns the first algorithm of a list that is supported, as [proxy.NewHash] and as the client names it.
func chooseHash(list string) (algorithm, shown string, err error) {
	all := proxy.Algorithms()
	known := make([]string, len(all))
	for i, name := range all {
		known[i] = strings.ToLower(strings.ReplaceAll(name, "-", ""))
	}
	for name := range strings.SplitSeq(list, ",") {
		if i := slices.Index(known, name); i >= 0 {
			return all[i], known[i], nil
		}
	}
	return "", "", failure("None of the hash algorithms is supported, but " + strings.Join(known, ", ") + ".")
}

// sums returns the hash of the range, or those of its blocks. That of a range is the one that the storage keeps, if it does.
func (f checkedFile) sums(ctx context.Context, algorithm string) ([]byte, error) {
	if f.BlockSize > 0 {
		return f.blockSums(ctx, proxy.NewHash(algorithm))
	}
	length := int64(f.Length)
	if length == 0 { // to the end
		length = -1
	}
	return f.store.Sum(ctx, f.name, f.etag, algorithm, int64(f.Offset), length)
}

// blockSums reads the range and returns the hashes of its blocks. The last one may be shorter than the others.
func (f checkedFile) blockSums(ctx context.Context, h hash.Hash) ([]byte, error) {
	r, err := f.store.Open(ctx, f.name, proxy.Range{ETag: f.etag, Offset: int64(f.Offset), Length: int64(f.Length)})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	rest := r.Entry().Size - int64(f.Offset)
	if int64(f.Length) > rest {
		return nil, fmt.Errorf("%d bytes at offset %d of %d: %w", f.Length, f.Offset, r.Entry().Size, syscall.ESPIPE)
	}
	if f.Length > 0 {
		rest = int64(f.Length)
	}
	most := int64(maxSums / h.Size())
	if rest > most*int64(f.BlockSize) {
		return nil, failure(fmt.Sprintf("Too many blocks: the block size must be at least %d.", (rest+most-1)/most))
	}
	sums := &blockHash{Hash: h, size: int(f.BlockSize), left: int(f.BlockSize)}
	if _, err := io.Copy(sums, r); err != nil {
		return nil, err
	}
	return sums.end(), nil
}

// A blockHash hashes what is written to it in blocks of size bytes.
type blockHash struct {
	hash.Hash
	size int
	left int // bytes missing in the current block
	sums []byte
}

// Write implements io.Writer.
func (b *blockHash) Write(p []byte) (n int, err error) {
	n = len(p)
	for len(p) > 0 {
		m := min(len(p), b.left)
		b.Hash.Write(p[:m])
		if p, b.left = p[m:], b.left-m; b.left == 0 {
			b.endBlock()
		}
	}
	return n, nil
}

func (b *blockHash) endBlock() {
	b.sums = b.Sum(b.sums)
	b.Reset()
	b.left = b.size
}

// end returns the hashes of all blocks.
func (b *blockHash) end() []byte {
	if b.left < b.size {
		b.endBlock()
	}
	return b.sums
}
