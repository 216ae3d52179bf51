package s3fs

import "testing"

// Two clients of one process, for users with different keys, share locks and running uploads if they share a registry. A client
// without one has its own, like a client of another process.
func TestSharedRegistry(t *testing.T) {
	s := newFake(t)
	service := Config{Endpoint: "http://fake", Credentials: keys("a", "s"), HTTPClient: s, Registry: new(Registry)}
	place := func(s Config) *FS { return NewFS(dial(t, s), Options{Bucket: "b"}) }
	first, second := place(service), place(service)
	service.Registry = nil
	other := place(service)

	l := first.newNameLock("f")
	if err := l.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if second.newNameLock("f").tryAcquire() {
		t.Error("the name is locked twice in one process")
	}
	if !other.newNameLock("f").tryAcquire() {
		t.Error("the name is locked for another process")
	}
	l.release()

	first.client.uploads.register("id", &ownership{})
	if second.client.uploads.ownerOf("id") == nil {
		t.Error("the upload is not known to the same process")
	}
	if other.client.uploads.ownerOf("id") != nil {
		t.Error("the upload is known to another process")
	}
}
