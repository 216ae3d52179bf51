package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"
)

func (s *session) cmdDele(ctx context.Context, arg string) (reply, error) {
	s.stored = ""
	name, err := resolve(s.dir, arg)
	if err == nil {
		err = s.store.Remove(ctx, name)
	}
	if err != nil {
		return reply{}, err
	}
	s.known.add(path.Dir(name)) // it may vanish now
	s.log.Info("delete", "user", s.user, "name", name)
	return reply{250, "Deleted."}, nil
}

func (s *session) cmdRnfr(ctx context.Context, arg string) (reply, error) {
	name, err := resolve(s.dir, arg)
	if err == nil && take(&s.stored) != name { // should that have gone since, RNTO will say so
		_, err = s.store.Stat(ctx, name)
	}
	if err != nil {
		return reply{}, err
	}
	s.from = name
	return reply{350, "Now the new name."}, nil
}

func (s *session) cmdRnto(ctx context.Context, arg string) (reply, error) {
	from := take(&s.from)
	if from == "" {
		return reply{503, "Say RNFR first."}, nil
	}
	to, err := resolve(s.dir, arg)
	if err == nil {
		err = s.store.Rename(ctx, from, to)
	}
	if errors.Is(err, syscall.EFBIG) { // 552 is no reply to RNTO (RFC 959, section 5.4)
		err = fmt.Errorf("%w: %w", reply{553, "That is more than can be renamed in one step."}, err)
	}
	if err != nil {
		return reply{}, err
	}
	s.known.move(from, to)
	s.log.Info("rename", "user", s.user, "name", from, "to", to)
	return reply{250, "Renamed."}, nil
}

// file describes the file that a path means; a directory is syscall.EISDIR.
func (s *session) file(ctx context.Context, arg string) (fs.FileInfo, error) {
	name, err := resolve(s.dir, arg)
	if err != nil {
		return nil, err
	}
	info, err := s.store.Stat(ctx, name)
	if err == nil && info.IsDir() {
		err = syscall.EISDIR
	}
	return info, err
}

// cmdSize tells the bytes that a transfer in TYPE I would move (RFC 3659, section 4), or those that are safe of an
// upload that broke.
func (s *session) cmdSize(ctx context.Context, arg string) (reply, error) {
	if s.ascii {
		return reply{550, "No sizes in TYPE A, use TYPE I."}, nil
	}
	name, err := resolve(s.dir, arg)
	if err != nil {
		return reply{}, err
	}
	info, err := s.look(ctx, name)
	switch {
	case err != nil:
		return reply{}, err
	case info.IsDir():
		return reply{}, syscall.EISDIR
	}
	return reply{213, fmt.Sprint(info.Size())}, nil
}

// cmdMdtm tells the modification time in UTC (RFC 3659, section 3).
func (s *session) cmdMdtm(ctx context.Context, arg string) (reply, error) {
	info, err := s.file(ctx, arg)
	if err != nil {
		return reply{}, err
	}
	return reply{213, info.ModTime().UTC().Format(factTime)}, nil
}
