package grant

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Put implements proxy.Store.
func (p *permissions) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	return p.put(ctx, name, src, w, p.copySource)
}

// copySource returns the name in below of a file to copy from.
func (p *permissions) copySource(name string) (string, error) {
	return p.inBelow(name), p.check("copy", name, proxy.PermRead)
}

// put is Put with the function that returns the names in below of files to copy from.
func (p *permissions) put(
	ctx context.Context, name string, src proxy.Source, w proxy.Write, copySource func(name string) (string, error),
) (proxy.Stored, error) {
	s := &source{Source: src, copySource: copySource}
	err := p.check("put", name, proxy.PermWrite)
	switch mayOverwrite := p.allowsAny(proxy.PermOverwrite); {
	case err != nil && mayOverwrite:
		err = p.checkExists(ctx, name)
	case err == nil && !mayOverwrite:
		err = p.restrictToNew(ctx, name, s, &w)
	}
	if err != nil {
		return proxy.Stored{}, err
	}
	begun, next := []string{w.Base}, w.Started
	w.Started = func(upload string) {
		p.uploads.add(upload, p.inBelow(name))
		begun = append(begun, upload)
		if next != nil {
			next(upload)
		}
	}
	if found := w.Found; found != nil {
		w.Found = func(e proxy.Entry) { found(p.entry(e)) }
	}
	stored, err := p.below.Put(ctx, p.inBelow(name), s, w)
	switch {
	case err == nil:
		p.written.add(name)
		p.uploads.remove(begun...)
	case s.onlyNew && errors.Is(err, fs.ErrExist):
		err = fmt.Errorf("%w: %w", err, proxy.ErrDenied)
	}
	return stored, err
}

// checkExists returns an error unless the file exists: the account may not write new ones.
func (p *permissions) checkExists(ctx context.Context, name string) error {
	e, err := p.below.Stat(ctx, p.inBelow(name))
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && (e.Dir || e.Resumable):
		return p.check("put", name, proxy.PermWrite)
	case err != nil:
		return err
	}
	return nil
}

// restrictToNew restricts an upload to a name that no file has. It may resume an upload of the user, and no other one.
func (p *permissions) restrictToNew(ctx context.Context, name string, s *source, w *proxy.Write) error {
	if !w.New {
		w.New, w.Early, s.onlyNew = true, true, true
	}
	s.mayResume = func() bool { return false }
	if !p.uploads.isTo(p.inBelow(name)) {
		return nil
	}
	e, err := p.below.Stat(ctx, p.inBelow(name))
	if err != nil || !e.Resumable || !p.uploads.has(e.ETag) {
		return nil
	}
	resumes, err := s.resumes(ctx)
	if err == nil && resumes {
		w.Base, w.Early = cmp.Or(w.Base, e.ETag), false
		s.mayResume = func() bool { return w.Base == e.ETag }
	}
	return err
}

// A source translates and checks the runs of an upload.
type source struct {
	proxy.Source
	copySource func(name string) (string, error)
	mayResume  func() bool // whether the first bytes may be kept; nil = yes
	onlyNew    bool        // the account may not overwrite a file
	first      *proxy.Run  // read ahead
	empty      bool        // there is no first run
	notFirst   bool        // the first run was returned
}

// resumes reports whether the first run keeps the first bytes of an upload or of a file.
func (s *source) resumes(ctx context.Context) (bool, error) {
	run, err := s.Source.Next(ctx)
	if err != nil {
		if s.empty = err == io.EOF; s.empty {
			err = nil
		}
		return false, err
	}
	s.first = &run
	return isPrefix(run.Copy), nil
}

// isPrefix reports whether a copy keeps the first bytes of the name that is written, which may be a resumable upload.
func isPrefix(c *proxy.Copy) bool {
	return c != nil && c.From == "" && c.ETag == "" && c.Offset == 0 && c.Length > 0
}

// Next implements proxy.Source.
func (s *source) Next(ctx context.Context) (run proxy.Run, err error) {
	switch {
	case s.empty:
		return run, io.EOF
	case s.first != nil:
		run, s.first = *s.first, nil
	default:
		if run, err = s.Source.Next(ctx); err != nil {
			return run, err
		}
	}
	first := !s.notFirst
	s.notFirst = true
	switch {
	case first && isPrefix(run.Copy) && s.mayResume != nil && !s.mayResume():
		// As if nothing could be resumed, even if there is an upload of another user.
		return proxy.Run{}, &proxy.OffsetError{Err: fmt.Errorf("nothing to resume for this account: %w", syscall.ESPIPE)}
	case run.Copy == nil || run.Copy.From == "":
		return run, nil
	}
	translated := *run.Copy
	translated.From, err = s.copySource(run.Copy.From)
	run.Copy = &translated
	return run, err
}
