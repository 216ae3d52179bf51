package ftp

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// hashAlgorithm returns the algorithm of HASH.
func (s *session) hashAlgorithm() string { return cmp.Or(s.hashName, "SHA-256") }

// hashFeature returns the argument of HASH in FEAT: all algorithms, the current one marked.
func (s *session) hashFeature() string {
	names := proxy.Algorithms()
	names[slices.Index(names, s.hashAlgorithm())] += "*"
	return strings.Join(names, ";")
}

// optsHash returns or sets the algorithm of HASH (draft-bryan-ftpext-hash-02, section 3.2).
func (s *session) optsHash(options string) error {
	if name := strings.ToUpper(options); slices.Contains(proxy.Algorithms(), name) {
		s.hashName = name
	} else if name != "" {
		return reply{501, "Unknown algorithm, still using " + s.hashAlgorithm() + "."}
	}
	return s.ok(200, s.hashAlgorithm())
}

// cmdHash replies with the checksum of a file or of the range set by RANG (draft-bryan-ftpext-hash-02, section 3). It is that of the
// stored bytes, as in TYPE I, whatever the type is.
func (s *session) cmdHash(ctx context.Context, arg string) error {
	chosen, algorithm, store := take(&s.hashRange), s.hashAlgorithm(), s.store
	var text string
	err := s.tryArgForms(ctx, argForms(arg, false), func(ctx context.Context, path, name string, o byteRange) error {
		if chosen != nil {
			o = *chosen
		} else {
			e, err := s.file(ctx, path)
			if err != nil {
				return err
			}
			o.end = e.Size
		}
		sum, err := store.Sum(ctx, name, "", algorithm, o.start, o.end-o.start)
		if errors.Is(err, syscall.ESPIPE) && chosen == nil {
			return fmt.Errorf("%w: %w", reply{450, "File is changing, try again."}, err)
		}
		// The draft's end is inclusive. An empty file has no last byte; its range is 0-0.
		text = fmt.Sprintf("%s %d-%d %s %s", algorithm, o.start, max(o.end-1, o.start), hex.EncodeToString(sum), path)
		return err
	})
	if err != nil {
		return err
	}
	return s.ok(213, text)
}

// cmdSum returns a command such as XCRC, which replies with the checksum of a file or of a range of it, of the stored bytes.
func cmdSum(algorithm string) func(*session, context.Context, string) error {
	return func(s *session, ctx context.Context, arg string) error {
		var sum []byte
		store := s.store
		err := s.tryArgForms(ctx, argForms(arg, true), func(ctx context.Context, _, name string, o byteRange) (err error) {
			length := int64(-1)
			if o.end >= 0 {
				length = o.end - o.start
			}
			sum, err = store.Sum(ctx, name, "", algorithm, o.start, length)
			return err
		})
		if err != nil {
			return err
		}
		return s.ok(250, strings.ToUpper(hex.EncodeToString(sum)))
	}
}

// tryArgForms calls work with each form until one names a file.
func (s *session) tryArgForms(
	ctx context.Context, tries []argForm, work func(_ context.Context, path, name string, o byteRange) error,
) (err error) {
	for _, try := range tries {
		var name string
		if name, err = names.Resolve(s.dir, try.path); err == nil {
			err = try.err
		}
		if err == nil {
			err = work(ctx, try.path, name, try.byteRange)
		}
		// Without permission to list, a store returns fs.ErrPermission for a missing file.
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			break
		}
	}
	return err
}
