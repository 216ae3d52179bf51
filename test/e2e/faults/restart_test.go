package faults

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestS3Killed kills S3 in the middle of two uploads and restarts it: one continues without an error, the other one breaks before S3
// is back, and is resumed.
func TestS3Killed(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute until all repetitions have failed")
	}
	t.Parallel()
	server := real.MinIO(t)
	f := faulty{bucket: harness.NewBucket(t, server), proxy: harness.NewFaultProxy(t, server)}
	f.bridge = harness.StartServer(t, &f.proxy.S3, "--s3-timeout", "2s", "--part-size", "5MiB", "--log-level", "debug")
	kill := func() {
		server.Process.Kill()
		server.Process.Wait()
	}
	begin := func(place string, holds string) (*faultyUpload, func() (int, string)) {
		u := &faultyUpload{faulty: f, uploadFault: uploadFault{size: largeSize, holds: holds}, t: t, key: place + "/file", w: f.bridge.Connect(t)}
		there := f.proxy.Answered(place, "UploadPart 1")
		data, content := u.w.Open("STOR %s", u.key), first(u.key, u.size)
		data.Write(content[:8*harness.MiB])
		await(t, there)
		return u, func() (int, string) {
			data.Write(content[8*harness.MiB:])
			data.Close()
			return u.w.Reply()
		}
	}

	u, end := begin("goes-on", fresh)
	kill()
	server.Restart()
	if code, text := end(); code != 226 {
		t.Errorf("goes on: %d %s", code, text)
	}
	u.check()

	u, end = begin("breaks", before)
	kill()
	if code, text := end(); code != 451 {
		t.Errorf("breaks: %d %s", code, text)
	}
	server.Restart()
	u.left = true
	u.check()
}
