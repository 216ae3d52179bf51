package grant

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"iter"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// An evader is a store with permissions, and the store below it for what they forbid. Before it evades a rule, it checks that the
// rule is enforced and that nothing is done. So the whole contract can be tested with any permissions: what they allow must satisfy
// it, and all else must be denied.
type evader struct {
	t          *testing.T
	full       proxy.Store
	restricted proxy.Store
	allowed    proxy.Permissions

	mu  sync.Mutex
	own map[string]bool // files that restricted has written, and uploads that it has begun
}

// newEvader returns an evader for stores with all permissions and with some.
func newEvader(t *testing.T, open func(Rules) proxy.Store, allowed proxy.Permissions) *evader {
	return &evader{t: t, full: open(Rules{Allowed: proxy.PermAll}), restricted: open(Rules{Allowed: allowed}), allowed: allowed, own: make(map[string]bool)}
}

func (v *evader) isOwn(name string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.own[name]
}

func (v *evader) setOwn(name string, is bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.own[name] = is
}

// permitted reports whether all needed permissions are there.
func (v *evader) permitted(needed proxy.Permissions) bool { return v.allowed&needed == needed }

// checkDenied checks an error of an operation that is not permitted.
func (v *evader) checkDenied(op, name string, err error) {
	if !errors.Is(err, proxy.ErrDenied) && (name != "/" || !errors.Is(err, syscall.EISDIR)) {
		v.t.Errorf("%s of %s with the permissions %v: %v, want proxy.ErrDenied", op, name, v.allowed, err)
	}
}

// isFile reports whether a file exists. It ignores that ctx may be cancelled.
func (v *evader) isFile(ctx context.Context, name string) bool {
	e, err := v.full.Stat(context.WithoutCancel(ctx), name)
	return err == nil && !e.Dir && !e.Resumable
}

func (v *evader) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	e, err := v.restricted.Stat(ctx, name)
	all, fullErr := v.full.Stat(ctx, name)
	hidden := v.allowed&(proxy.PermList|proxy.PermRead) == 0 && !strings.HasSuffix(name, "/") && !v.isOwn(name)
	mayResume := v.permitted(proxy.PermWrite) && (v.permitted(proxy.PermOverwrite) || v.isOwn(all.ETag))
	if hidden && err == nil && e.Dir && fullErr == nil && !all.Dir { // the file is hidden, the directory of the same name is not
		return all, fullErr
	}
	switch isFile := fullErr == nil && !all.Dir && !all.Resumable; {
	case fullErr == nil && all.Resumable && !mayResume, hidden && (isFile || errors.Is(fullErr, fs.ErrNotExist)):
		if !errors.Is(err, fs.ErrNotExist) || hidden && !errors.Is(err, proxy.ErrDenied) {
			v.t.Errorf("Stat of %s with the permissions %v: %+v, %v; want that nothing is told", name, v.allowed, e, err)
		}
		return all, fullErr
	case err == nil && e.Denied != proxy.PermAll&^v.allowed:
		v.t.Errorf("Stat of %s with the permissions %v: %v are denied", name, v.allowed, e.Denied)
	}
	return e, err
}

func (v *evader) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	if v.permitted(proxy.PermList) {
		return v.restricted.List(ctx, dir, prefix)
	}
	for _, err := range v.restricted.List(ctx, dir, prefix) {
		v.checkDenied("List", dir, err)
	}
	return v.full.List(ctx, dir, prefix)
}

func (v *evader) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	r, err := v.restricted.Open(ctx, name, at)
	if v.permitted(proxy.PermRead) {
		return r, err
	}
	v.checkDenied("Open", name, err)
	return v.full.Open(ctx, name, at)
}

func (v *evader) Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	sum, err := v.restricted.Sum(ctx, name, etag, algorithm, offset, length)
	if v.permitted(proxy.PermRead) {
		return sum, err
	}
	v.checkDenied("Sum", name, err)
	return v.full.Sum(ctx, name, etag, algorithm, offset, length)
}

// A runList is a source whose runs are known.
type runList struct {
	proxy.Source
	runs []proxy.Run
	err  error // after the last run
}

func (l *runList) Next(context.Context) (proxy.Run, error) {
	if len(l.runs) == 0 {
		return proxy.Run{}, l.err
	}
	next := l.runs[0]
	l.runs = l.runs[1:]
	return next, nil
}

// unread returns a copy of l. It is an error to read its first new bytes.
func (l *runList) unread(v *evader, name string) *runList {
	u := &runList{Source: l.Source, err: l.err}
	for _, run := range l.runs {
		if run.New != nil {
			run.New = readerFunc(func([]byte) (int, error) {
				v.t.Errorf("Put of %s with the permissions %v reads the client's bytes", name, v.allowed)
				return 0, io.ErrUnexpectedEOF
			})
		}
		u.runs = append(u.runs, run)
	}
	return u
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (v *evader) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	if w.Early && v.isFile(ctx, name) { // the source must not be read
		stored, err := v.restricted.Put(ctx, name, src, w)
		if v.permitted(proxy.PermWrite) || v.permitted(proxy.PermOverwrite) { // which may learn that the file exists
			return stored, err
		}
		v.checkDenied("Put", name, err)
		return v.full.Put(ctx, name, src, w)
	}
	all := &runList{Source: src}
	copies := false // from other files
	for {
		run, err := src.Next(ctx)
		if err != nil {
			all.err = err
			break
		}
		copies = copies || run.Copy != nil && run.Copy.From != ""
		all.runs = append(all.runs, run)
	}
	needed := proxy.PermWrite
	if v.isFile(ctx, name) {
		needed = proxy.PermOverwrite
	}
	e, err := v.full.Stat(ctx, name)
	foreign := err == nil && e.Resumable && !v.isOwn(e.ETag) && !v.permitted(proxy.PermOverwrite)
	if !v.permitted(needed) && !w.New {
		_, err := v.restricted.Put(ctx, name, all.unread(v, name), w)
		if !errors.Is(err, fs.ErrInvalid) { // checked by the store
			v.checkDenied("Put", name, err)
		}
	}
	if !v.permitted(needed) || foreign || copies && !v.permitted(proxy.PermRead) {
		return v.full.Put(ctx, name, all, w)
	}
	started := w.Started
	w.Started = func(upload string) {
		v.setOwn(upload, true)
		if started != nil {
			started(upload)
		}
	}
	stored, err := v.restricted.Put(ctx, name, all, w)
	if err == nil {
		v.setOwn(name, true)
	}
	return stored, err
}

func (v *evader) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	needed := proxy.PermRename
	if replace && from != to && v.isFile(ctx, from) && v.isFile(ctx, to) {
		needed |= proxy.PermOverwrite
	}
	own := v.isOwn(from)
	stored, err := v.restricted.Rename(ctx, from, to, replace)
	if v.permitted(needed) {
		if err == nil && from != to {
			v.setOwn(from, false)
			v.setOwn(to, own)
		}
		return stored, err
	}
	v.checkDenied("Rename", from, err)
	return v.full.Rename(ctx, from, to, replace)
}

func (v *evader) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	stored, err := v.restricted.Remove(ctx, name)
	if v.permitted(proxy.PermDelete) {
		if err == nil {
			v.setOwn(name, false)
		}
		return stored, err
	}
	v.checkDenied("Remove", name, err)
	return v.full.Remove(ctx, name)
}

func (v *evader) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	stored, err := v.restricted.Mkdir(ctx, dir)
	if v.permitted(proxy.PermMkdir) {
		return stored, err
	}
	v.checkDenied("Mkdir", dir, err)
	return v.full.Mkdir(ctx, dir)
}

func (v *evader) Rmdir(ctx context.Context, dir string) (proxy.Stored, error) {
	stored, err := v.restricted.Rmdir(ctx, dir)
	if v.permitted(proxy.PermDelete) {
		return stored, err
	}
	v.checkDenied("Rmdir", dir, err)
	return v.full.Rmdir(ctx, dir)
}

func (v *evader) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	stored, err := v.restricted.SetTime(ctx, name, mtime)
	if v.permitted(proxy.PermOverwrite) || v.permitted(proxy.PermWrite) && v.isOwn(name) {
		return stored, err
	}
	v.checkDenied("SetTime", name, err)
	return v.full.SetTime(ctx, name, mtime)
}

func (v *evader) Usage(ctx context.Context, dir string) (bytes, files int64, err error) {
	return v.restricted.Usage(ctx, dir)
}

// sets are permissions to test with.
func sets() []proxy.Permissions {
	all := []proxy.Permissions{
		proxy.PermAll, 0,
		proxy.PermList | proxy.PermRead,                         // ro
		proxy.PermWrite | proxy.PermOverwrite | proxy.PermMkdir, // wo
		proxy.PermWrite | proxy.PermMkdir,                       // dropbox
		proxy.PermAll &^ (proxy.PermList | proxy.PermRead | proxy.PermOverwrite),
	}
	for p := proxy.PermList; p <= proxy.PermMkdir; p <<= 1 {
		all = append(all, proxy.PermAll&^p)
	}
	return all
}

func TestContractWithPermissions(t *testing.T) {
	for i, allowed := range sets() {
		t.Run(strings.ReplaceAll(allowed.String(), ", ", "+"), func(t *testing.T) {
			if testing.Short() && i > 3 {
				t.Skip("many sets of permissions")
			}
			t.Parallel()
			storetest.Run(t, storetest.Limits{Brief: true, Part: 64 << 10}, func(t *testing.T) proxy.Store {
				memory := storetest.NewMemory()
				return newEvader(t, func(r Rules) proxy.Store { return Permissions(memory, r) }, allowed)
			})
		})
	}
}

func TestContractWithQuota(t *testing.T) {
	storetest.Run(t, storetest.Limits{Brief: true, Part: 64 << 10}, func(t *testing.T) proxy.Store {
		b := newBucket(t)
		return b.limit(b.quota(1<<40, 1<<40, "/"))
	})
}

// A mount is a store as the contract demands, wherever it is and lies, beside others with similar paths.
func TestContractInMount(t *testing.T) {
	for _, x := range []struct {
		path, dir string
		allowed   proxy.Permissions
	}{
		{"/in", "/data/in", proxy.PermAll},
		{"/in", "/", proxy.PermAll},
		{"/", "/data/in", proxy.PermAll},
		{"/a/b/c", "/data/in", dropbox},
	} {
		t.Run(strings.TrimSuffix(x.path+" in "+x.dir, "/"), func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, storetest.Limits{Brief: true, Part: 64 << 10}, func(t *testing.T) proxy.Store {
				memory := storetest.NewMemory()
				other := Mount{Path: strings.TrimSuffix(x.path, "/") + "side", Base: memory, Dir: x.dir + "side", Place: memory, Rules: Rules{Allowed: proxy.PermAll}}
				others := []Mount{other, {Path: "/i", Base: memory, Dir: "/i"}}
				if x.path == "/" {
					others = nil // they would be listed
				}
				return newEvader(t, func(r Rules) proxy.Store {
					all := Mounts(append(others, Mount{Path: x.path, Rules: r, Base: memory, Dir: x.dir, Place: memory})...)
					if x.path == "/" {
						return all
					}
					return below{all, x.path}
				}, x.allowed)
			})
		})
	}
}
