package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

const temporaryDoc = harness.Root + "/docs/temporary-names.md"

// TestTemporaryDoc runs the commands of docs/temporary-names.md with other addresses and passwords: each stores the file and renames
// nothing. With temporary names turned on, each renames once, and the file is the same.
func TestTemporaryDoc(t *testing.T) {
	for _, p := range []string{"lftp", "ncftpput", "curl"} {
		real.Client(t, p)
	}
	t.Setenv("PATH", filepath.Dir(real.Rclone(t))+":"+os.Getenv("PATH"))
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server, "--log-level", "debug")
	here := strings.NewReplacer("2121", b.Port(), "alice", harness.User, "secret", harness.Password)
	dir := t.TempDir()
	want := harness.MakeFile(t, filepath.Join(dir, "photos", "one.jpg"), 10*harness.KiB)
	runs := func(block string) (renames int) {
		t.Helper()
		from := b.Log.Mark()
		view.Empty("")
		harness.Run(t, dir, "", "sh", "-ec", here.Replace(block))
		if keys := view.Keys(""); view.Sum("photos/one.jpg") != want || strings.Contains(strings.Join(keys, " "), "one.jpg.") {
			t.Errorf("%s: there are %q", block, keys)
		}
		return strings.Count(strings.Join(b.Log.Since(from), "\n"), `"msg":"rename"`)
	}
	commands := readCommands(t)
	for _, c := range []struct{ block, temporary, not string }{ // temporary in place of not makes the client use a temporary name
		{commands.get(t, "rclone"), "", "--inplace "},
		{commands.get(t, "lftp"), "use-temp-file yes", "use-temp-file no"},
		{commands.get(t, "ncftpput"), "ncftpput -S .tmp ", "ncftpput "},
		{commands.get(t, "curl"), "", ""},
	} {
		if n := runs(c.block); n > 0 {
			t.Errorf("%s renames", c.block)
		}
		if c.not == "" {
			continue
		}
		if n := runs(strings.Replace(c.block, c.not, c.temporary, 1)); n != 1 {
			t.Errorf("%s with a temporary name renames %d times", c.block, n)
		}
	}
}

// TestTemporaryCosts: docs/temporary-names.md has the same requests as docs/requests.md, which has a test of its own.
func TestTemporaryCosts(t *testing.T) {
	pages := make([]string, 2)
	for i, name := range []string{temporaryDoc, harness.Root + "/docs/requests.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[i] = string(text)
	}
	costs := regexp.MustCompile(`(?m)^\| .STOR .*\|( 1 PutObject.* \|)$`).FindAllStringSubmatch(pages[0], -1)
	for _, cost := range costs {
		if !strings.Contains(pages[1], "STOR` under a temporary name, `RNFR`, `RNTO` |"+cost[1]) && !strings.Contains(pages[1], "`STOR`, up to one part |"+cost[1]) {
			t.Errorf("docs/requests.md does not say%s", cost[1])
		}
	}
	if len(costs) != 2 {
		t.Errorf("%d rows, want 2", len(costs))
	}
}
