package transfers

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// resumers are the command lines with which real clients upload a file, and resume an upload that broke. All of them ask for the size
// first; then curl sends APPE, the others REST and STOR.
var resumers = []struct {
	name    string
	program string
	args    func(t testing.TB, addr, local, remote string) []string
}{
	{"curl", "curl", func(_ testing.TB, addr, local, remote string) []string {
		return []string{"curl", "-sS", "--max-time", "60", "-u", harness.User + ":" + harness.Password, "-C", "-", "-T", local, "ftp://" + addr + "/" + remote}
	}},
	{"lftp-put-c", "lftp", func(_ testing.TB, addr, local, remote string) []string {
		return harness.LftpArgs(addr, 1, fmt.Sprintf("put -c %s -o %s", local, remote))
	}},
	{"lftp-reput", "lftp", func(_ testing.TB, addr, local, remote string) []string {
		return harness.LftpArgs(addr, 1, fmt.Sprintf("reput %s -o %s", local, remote))
	}},
	{"ftplib", "python3", func(t testing.TB, addr, local, remote string) []string {
		script := filepath.Join(t.TempDir(), "resume.py")
		if err := os.WriteFile(script, []byte(ftplibResume), 0o666); err != nil {
			t.Fatal(err)
		}
		host, port, _ := net.SplitHostPort(addr)
		return []string{"python3", script, host, port, harness.User, harness.Password, local, remote}
	}},
}

// ftplibResume asks for the size and resumes there.
const ftplibResume = `import ftplib, sys
host, port, user, password, local, remote = sys.argv[1:]
ftp = ftplib.FTP()
ftp.connect(host, int(port), timeout=60)
ftp.login(user, password)
ftp.voidcmd("TYPE I")
try:
    at = ftp.size(remote)
except ftplib.error_perm:
    at = 0
with open(local, "rb") as f:
    f.seek(at)
    print(ftp.storbinary("STOR " + remote, f, blocksize=1 << 16, rest=at or None))
ftp.quit()
`
