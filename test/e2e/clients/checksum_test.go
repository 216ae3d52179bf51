package clients

import (
	"crypto/md5"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

const ftplibCommands = `
import ftplib, sys
f = ftplib.FTP()
f.connect(sys.argv[1], int(sys.argv[2]))
f.login(sys.argv[3], sys.argv[4])
for command in sys.argv[5:]:
    print(f.sendcmd(command))
f.quit()
`

// TestChecksums: checksums that S3 keeps and those that s3ftpd computes are those of the file, for each client.
func TestChecksums(t *testing.T) {
	real.Client(t, "lftp")
	real.Client(t, "python3")
	server := real.MinIO(t)
	harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--checksum", "crc32")
	dir := t.TempDir()
	host, port, _ := strings.Cut(b.Addr, ":")
	for _, size := range []int64{0, 1000, 20*harness.MiB + 1} {
		name := fmt.Sprintf("a file of %d", size)
		sha256 := harness.MakeFile(t, filepath.Join(dir, name), size)
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		harness.Run(t, dir, "", harness.LftpArgs(b.Addr, 1, "put "+harness.Quote(name))...)
		crc, sum, last := crc32.ChecksumIEEE(content), md5.Sum(content), max(size-1, 0)
		want := fmt.Sprintf("213 SHA-256 0-%d %s %s\n250 %08X\n250 %X\n200 CRC32\n213 CRC32 0-%[1]d %08[6]x /%[3]s\n", last, sha256, name, crc, sum, crc)
		got := harness.Run(t, dir, ftplibCommands, "python3", "-", host, port, harness.User, harness.Password,
			"HASH "+name, "XCRC "+name, `XMD5 "`+name+`"`, "OPTS HASH CRC32", "HASH /"+name)
		if got != want {
			t.Errorf("ftplib got %q, want %q", got, want)
		}
		got = harness.Run(t, dir, "", harness.LftpArgs(b.Addr, 1, "quote XCRC "+harness.Quote(name))...)
		if !strings.HasSuffix(got, fmt.Sprintf("250 %08X\n", crc)) {
			t.Errorf("lftp got %q, want %08X", got, crc)
		}
	}
}
