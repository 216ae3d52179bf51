package sftp

import (
	"context"
	"errors"
	"io"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// copyData answers copy-data: a range of the file of one handle becomes part of the file of another one, by a copy inside the storage
// when that is closed (draft-ietf-secsh-filexfer-extensions-00, section 7). As with OpenSSH, a length of 0 is to the end, and a range
// that the file does not have is copied as far as it goes, with the answer EOF.
func copyData(s *subsystem, _ proxy.Account, q packet.Request) error {
	c, err := q.CopyData()
	if err != nil {
		return s.malformed(q, err)
	}
	from, to := s.handleOf(c.From), s.handleOf(c.To)
	source, reads := from.(*download)
	target, writes := to.(*upload)
	switch {
	case from == nil || to == nil:
		err = errUnknownHandle
	case from == to:
		err = failure("Source and target are the same handle.")
	case !reads:
		err = failure("The source is not a handle that reads.")
	case !writes:
		err = failure("The target is not a handle that writes.")
	case target.refused != nil:
		err = target.refused
	default:
		err = s.copyRange(source, target, c)
	}
	s.answer(q, nil, err)
	return nil
}

// copyRange makes a range of the source part of the target.
func (s *subsystem) copyRange(source *download, target *upload, c packet.CopyData) error {
	rest := max(source.entry.Size-int64(c.FromOffset), 0)
	length := int64(c.Length)
	switch {
	case int64(c.FromOffset) < 0 || int64(c.ToOffset) < 0 || length < 0:
		return failure("Invalid offset.")
	case length == 0:
		length = rest
	}
	copied := proxy.Copy{From: source.name, ETag: source.entry.ETag, Offset: int64(c.FromOffset), Length: min(length, rest)}
	from, to := copied.Offset, int64(c.ToOffset)
	if source.name == target.name && from < to+copied.Length && to < from+copied.Length {
		return failure("Source and target overlap.")
	}
	if err := mayCopy(s.ctx, target.store, target.name, copied.From); err != nil {
		return err
	}
	if err := target.content.Copy(to, copied); err != nil {
		return err
	}
	if length > rest {
		return io.EOF
	}
	return nil
}

// mayCopy returns the error of a store that cannot copy from one file to another, e.g. since they lie in different buckets. It copies
// nothing.
func mayCopy(ctx context.Context, store proxy.Store, name, from string) error {
	_, err := store.Put(ctx, name, &copyQuestion{from: from}, proxy.Write{})
	switch {
	case errors.Is(err, errAsked):
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return dueTo{status{packet.OpUnsupported, "Cannot copy between these directories, they have different storages."}, err}
	}
	return err
}

// A copyQuestion is the source of mayCopy.
type copyQuestion struct {
	question
	from string
}

// Next implements proxy.Source.
func (q *copyQuestion) Next(ctx context.Context) (proxy.Run, error) {
	if q.from == "" {
		return q.question.Next(ctx)
	}
	defer func() { q.from = "" }()
	return proxy.Run{Copy: &proxy.Copy{From: q.from}}, nil
}
