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
	"github.com/s3ftpd/s3ftpd/proxy/ftp/names"
)

// digest returns the algorithm that HASH uses now.
func (s *session) hashAlgorithm() string { return cmp.Or(s.hashName, "SHA-256") }

// hashFeature is the argument of HASH in FEAT: all algorithms, with a mark at the one in use.
func (s *session) hashFeature() string {
	names := proxy.Algorithms()
	names[slices.Index(names, s.hashAlgorithm())] += "*"
	return strings.Join(names, ";")
}

// optsHash tells the algorithm that HASH uses, or changes it (draft-bryan-ftpext-hash-02, section 3.2).
func (s *session) optsHash(options string) error {
	if name := strings.ToUpper(options); slices.Contains(proxy.Algorithms(), name) {
		s.hashName = name
	} else if name != "" {
		return reply{501, "Unknown algorithm, still using " + s.hashAlgorithm() + "."}
	}
	return s.ok(200, s.hashAlgorithm())
}

// cmdHash tells the checksum of a file, or of the octets of it that RANG has chosen (draft-bryan-ftpext-hash-02,
// section 3): of the bytes that TYPE I transfers, whatever the type is now.
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
		sum, err := store.Sum(ctx, name, algorithm, o.start, o.end-o.start)
		if errors.Is(err, syscall.ESPIPE) && chosen == nil {
			return fmt.Errorf("%w: %w", reply{450, "File is changing, try again."}, err)
		}
		// The draft's end is the last octet. An empty file has none, but has to begin and end somewhere.
		text = fmt.Sprintf("%s %d-%d %s %s", algorithm, o.start, max(o.end-1, o.start), hex.EncodeToString(sum), path)
		return err
	})
	if err != nil {
		return err
	}
	return s.ok(213, text)
}

// cmdSum returns the command that tells the checksum of a file, or of a range of it, by that algorithm: XCRC and those
// like it, as many servers have them. It, too, is of the bytes that TYPE I transfers.
func cmdSum(algorithm string) func(*session, context.Context, string) error {
	return func(s *session, ctx context.Context, arg string) error {
		var sum []byte
		store := s.store
		err := s.tryArgForms(ctx, argForms(arg, true), func(ctx context.Context, _, name string, o byteRange) (err error) {
			length := int64(-1)
			if o.end >= 0 {
				length = o.end - o.start
			}
			sum, err = store.Sum(ctx, name, algorithm, o.start, length)
			return err
		})
		if err != nil {
			return err
		}
		return s.ok(250, strings.ToUpper(hex.EncodeToString(sum)))
	}
}

// compute runs work with the first reading whose file is there.
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
		// A store that may not be listed denies access where there is nothing.
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			break
		}
	}
	return err
}
