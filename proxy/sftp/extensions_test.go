package sftp

import (
	"context"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
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
