package sftp

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// statvfs tells what the limits of the account leave, in blocks of 4 KiB.
func TestStatvfs(t *testing.T) {
	const block, none = 4096, 1 << 50
	for _, x := range []struct {
		space                          proxy.Space
		err                            error
		blocks, free, files, freeFiles int
	}{
		{proxy.Space{}, nil, none / block, none / block, none, none},
		{proxy.Space{DailyUpload: 10 * block, UploadedToday: 3 * block}, nil, 10, 7, none, none},
		{proxy.Space{Size: 20 * block, StoredSize: 15 * block, Files: 5, StoredFiles: 2}, nil, 20, 5, 5, 3},
		{proxy.Space{Size: 20 * block, StoredSize: 30 * block, Files: 5, StoredFiles: 6}, nil, 20, 0, 5, 0},
		{proxy.Space{Files: 5, StoredFiles: 5}, nil, 0, 0, 5, 0},
		{proxy.Space{}, fmt.Errorf("%w: %w", proxy.ErrNotCounted, fs.ErrPermission), 0, 0, 0, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, func(_ *Server, a *proxy.Account) {
				a.Store = storetest.NewMemory()
				a.Space = func(context.Context) (proxy.Space, error) { return x.space, x.err }
			})
			defer c.close()
			want := fmt.Sprintf("EXTENDED 4096 4096 %d %d %[2]d %d %d %[4]d 0 0 1024", x.blocks, x.free, x.files, x.freeFiles)
			if x.err != nil {
				want = "FAILURE Quota not counted yet, try again later."
			}
			if got := c.await(c.request(packet.Extended, "statvfs@openssh.com", "/")).String(); got != want {
				t.Errorf("%+v: %s, want %s", x.space, got, want)
			}
		})
	}
}

// VERSION names each extension that is served, and no other; the data of vendor-id is that of draft-ietf-secsh-filexfer-13.
func TestVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, func(srv *Server, _ *proxy.Account) { srv.Version = "v1.2.3" })
		defer c.close()
		data := make(map[string]cursor)
		for v := c.version; len(v) > 0; {
			name := v.text()
			data[name] = cursor(v.text())
		}
		for name := range extensions {
			if _, named := data[name]; !named {
				t.Errorf("VERSION does not name %s", name)
			}
		}
		if len(data) != len(extensions) {
			t.Errorf("VERSION names %d extensions, and %d are served", len(data), len(extensions))
		}
		id := data["vendor-id"]
		if got := fmt.Sprint(id.text(), " ", id.text(), " ", id.text(), " ", id.long(), len(id)); got != "s3ftpd s3ftpd v1.2.3 0 0" {
			t.Errorf("vendor-id is %q", got)
		}
		if string(data["statvfs@openssh.com"]) != "2" || string(data["limits@openssh.com"]) != "1" {
			t.Errorf("the extensions are %q", data)
		}
	})
}

// A check-file-handle whose hashes do not fit into an answer names the least block size that does.
func TestCheckFileOfManyBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t)
		defer c.close()
		const size = 10 << 20
		c.store.Files["/f"] = storetest.MemoryFile{Name: "/f", Data: make([]byte, size)}
		ask := func(block int) string {
			return c.await(c.request(packet.Extended, "check-file-name", "/f", "sha512", int64(0), int64(0), block)).sums(1)
		}
		const least = (size*64 + packet.MaxData - 1) / packet.MaxData
		if got, want := ask(256), fmt.Sprintf("FAILURE Too many blocks: the block size must be at least %d.", least); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := ask(least); len(got) != len("SUMS sha512 ")+2*64*((size+least-1)/least) {
			t.Errorf("with blocks of that size: %.100s", got)
		}
		if got := ask(least - 1); !failed(got) {
			t.Errorf("with smaller ones: %.100s", got)
		}
	})
}

// TestCopyDataBetweenStorages: copy-data between mounts that cannot copy from each other is refused when it comes, not at CLOSE.
func TestCopyDataBetweenStorages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := storetest.NewMemory(), storetest.NewMemory()
		a.Files["/f"] = storetest.MemoryFile{Name: "/f", Data: []byte("data")}
		c := newClient(t, func(_ *Server, account *proxy.Account) {
			rules := grant.Rules{Allowed: proxy.PermAll}
			account.Store = grant.Mounts(
				grant.Mount{Path: "/a", Rules: rules, Base: a, Dir: "/", Place: "a"}, grant.Mount{Path: "/b", Rules: rules, Base: b, Dir: "/", Place: "b"})
		})
		defer c.close()
		user := accessTest{script: &script{t: t, client: c, handles: map[string]string{}}}
		for play, want := range map[string]string{
			"OPEN a/f R as r; OPEN a/g WCT as w; copy-data r 0 0 w 0; CLOSE w": "OK",
			"OPEN a/f R as r; OPEN b/f WCT as w; copy-data r 0 0 w 0":          "OP_UNSUPPORTED Cannot copy between these directories, they have different storages.",
		} {
			if reply := user.run(play); reply != want {
				t.Errorf("%s: %s", play, reply)
			}
		}
		if got := string(a.Files["/g"].Data); got != "data" || len(b.Files) > 0 {
			t.Errorf("/a/g has %q, /b %v", got, b.Files)
		}
	})
}
