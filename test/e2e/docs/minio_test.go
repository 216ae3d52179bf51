package docs

import (
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestFromMinIO runs the commands of docs/from-minio.md and of the section on MinIO's users in docs/users.md. The user alice is in LDAP.
func TestFromMinIO(t *testing.T) {
	real.Client(t, "curl")
	commands := readCommands(t)
	directory := real.Slapd(t, map[string]string{"alice": "wonderland"})
	server := real.MinIOWithLDAP(t, directory)
	bucket := harness.NewBucket(t, server)
	bucket.Name = "invoices"
	bucket.Create()
	server.AddPolicy(t, "invoices", real.BucketPolicy(bucket.Name))
	server.AttachPolicy(t, "invoices", directory.DN("alice"))
	server.AddServiceAccount(t, "alice", "scanner-key", "scanner-secret")
	for _, x := range []struct{ server, client string }{
		{commands.get(t, "minio ldap"), commands.get(t, "minio ldap client")},
		{commands.get(t, "keys and ldap"), commands.get(t, "keys and ldap client")},
		{commands.get(t, "minio ldap"), strings.ReplaceAll(commands.get(t, "minio ldap client"), "alice:wonderland", "scanner-key:scanner-secret")},
		{commands.get(t, "minio ftp"), strings.ReplaceAll(commands.get(t, "minio ldap client"), "alice:wonderland", "scanner-key:scanner-secret")},
	} {
		t.Run("", func(t *testing.T) {
			bucket.Put("README.md", "x")
			p := newPlace(t, server, t.TempDir())
			p.serve(t, x.server, nil)
			if out := p.run(t, x.client); !strings.HasSuffix(out, " README.md\r\n") && !strings.HasSuffix(out, " README.md\n") {
				t.Errorf("the bucket lists\n%s", out)
			}
			if got, want := bucket.Sum("README.md"), harness.SumFile(t, harness.Root+"/README.md"); got != want {
				t.Errorf("S3 has %s, want %s", got, want)
			}
		})
	}
}
