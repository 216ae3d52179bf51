package sftp

import (
	"context"
	"slices"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// knownDirs are the directories that a connection has seen. Methods may be called from many goroutines at once.
type knownDirs struct {
	mu   sync.Mutex
	dirs names.Directories
}

func (k *knownDirs) clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dirs = nil
}

func (k *knownDirs) add(dir string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dirs.Add(dir)
}

func (k *knownDirs) has(dir string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.dirs[dir]
}

func (k *knownDirs) forget(dir string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dirs.Forget(dir)
}

func (k *knownDirs) move(from, to string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.dirs.Move(from, to)
}

// isKnownDir reports whether a directory has the name that the connection has seen. It asks the store only about such a name.
func (s *subsystem) isKnownDir(ctx context.Context, a proxy.Account, name string) bool {
	if !s.known.has(name) {
		return false
	}
	if !isDir(ctx, a, name) {
		s.known.forget(name)
		return false
	}
	return true
}

// maxReported limits the names that a connection remembers in reportedUploads.
const maxReported = 100

// reportedUploads are the resumable uploads that STAT has told a client of: it may mean to resume them when it appends to their names.
// Methods may be called from many goroutines at once.
type reportedUploads struct {
	mu      sync.Mutex
	uploads map[string]string // by name
}

func (r *reportedUploads) add(name, upload string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.uploads == nil || len(r.uploads) >= maxReported {
		r.uploads = make(map[string]string)
	}
	r.uploads[name] = upload
}

func (r *reportedUploads) has(name, upload string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, ok := r.uploads[name]
	return ok && id == upload
}

// isHomeOrAbove reports whether dir is the user's home or a parent. For the session it exists, if only as an empty directory.
func (s *subsystem) isHomeOrAbove(a proxy.Account, dir string) bool {
	return names.IsWithin(dir, home(a))
}

// openUploads are the handles of a connection that write. Methods may be called from many goroutines at once.
type openUploads struct {
	mu   sync.Mutex
	list []*upload
}

func (o *openUploads) add(u *upload) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = append(o.list, u)
}

func (o *openUploads) remove(u *upload) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = slices.DeleteFunc(o.list, func(other *upload) bool { return other == u })
}

// close declares that the client has closed the handle. SETSTAT, which may come before the upload is published, is that of the new file.
func (o *openUploads) close(u *upload) {
	o.mu.Lock()
	defer o.mu.Unlock()
	u.closing = true
}

// ifOpen calls do if the client has not closed the handle. CLOSE waits meanwhile.
func (o *openUploads) ifOpen(u *upload, do func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !u.closing {
		do()
	}
}

// replaced declares that another file has got the name, which path requests mean from now on.
func (o *openUploads) replaced(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, u := range o.list {
		u.replaced = u.replaced || names.IsWithin(name, u.name)
	}
}

// to returns the last handle that writes a name and was not closed, or nil.
func (o *openUploads) to(name string) *upload {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, u := range slices.Backward(o.list) {
		if u.name == name && !u.closing && !u.replaced {
			return u
		}
	}
	return nil
}

// write reports whether a handle writes a name, or its CLOSE runs.
func (o *openUploads) write(name string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.list, func(u *upload) bool { return u.name == name && !u.replaced })
}

// delete declares that the file that these handles write was deleted. They publish nothing.
func (o *openUploads) delete(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, u := range o.list {
		if u.name == name {
			u.deleted, u.replaced = true, true
		}
	}
}

// isDeleted reports whether the file of an upload was deleted.
func (o *openUploads) isDeleted(u *upload) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return u.deleted
}

// othersUnsent reports whether another upload than u holds a part that is not sent: it may wait for what stands behind a WRITE to u.
func (o *openUploads) othersUnsent(u *upload) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.ContainsFunc(o.list, func(other *upload) bool { return other != u && other.content.Unsent() })
}
