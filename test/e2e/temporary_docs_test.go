package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

const temporaryDoc = "../../docs/temporary-names.md"

// TestTemporaryDoc runs the commands of docs/temporary-names.md as they stand there, but for addresses and passwords: each of
// them stores and renames nothing. With what they turn off turned on, the file is the same in the end.
func TestTemporaryDoc(t *testing.T) {
	for _, p := range []string{"lftp", "ncftpput", "curl"} {
		real.Client(t, p)
	}
	t.Setenv("PATH", filepath.Dir(real.Rclone(t))+":"+os.Getenv("PATH"))
	server := real.MinIO(t)
	view := newBucket(t, server)
	b := startBridge(t, server, "--log-level", "debug")
	here := strings.NewReplacer("2121", b.port(), "alice", user, "secret", password)
	dir := t.TempDir()
	want := makeFile(t, filepath.Join(dir, "photos", "one.jpg"), 10*kib)
	runs := func(name, block string) (renames int) {
		t.Helper()
		from := b.log.mark()
		view.empty("")
		run(t, dir, "", "sh", "-ec", here.Replace(block))
		if keys := view.keys(""); view.sum("photos/one.jpg") != want || strings.Contains(strings.Join(keys, " "), "one.jpg.") {
			t.Errorf("%s: there are %q", name, keys)
		}
		b.log.mu.Lock()
		defer b.log.mu.Unlock()
		return strings.Count(strings.Join(b.log.lines[from:], "\n"), `"msg":"rename"`)
	}
	blocks := commandBlocks(t, temporaryDoc)
	for name, block := range blocks {
		if n := runs(name, block); n > 0 {
			t.Errorf("%s renames", name)
		}
	}
	for name, on := range map[string]*strings.Replacer{
		"rclone":   strings.NewReplacer("--inplace ", ""),
		"lftp":     strings.NewReplacer("use-temp-file no", "use-temp-file yes"),
		"ncftpput": strings.NewReplacer("ncftpput ", "ncftpput -S .tmp "),
	} {
		if n := runs(name, on.Replace(blocks[name])); n != 1 {
			t.Errorf("%s with a temporary name renames %d times", name, n)
		}
	}
}

// TestTemporaryCosts: docs/temporary-names.md says of requests what docs/s3.md says, which has a test.
func TestTemporaryCosts(t *testing.T) {
	pages := make([]string, 2)
	for i, name := range []string{temporaryDoc, "../../docs/s3.md"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pages[i] = string(text)
	}
	costs := regexp.MustCompile(`(?m)^\| .STOR .*\|( 1 PutObject.* \|)$`).FindAllStringSubmatch(pages[0], -1)
	for _, cost := range costs {
		if !strings.Contains(pages[1], "STOR` under a temporary name, `RNFR`, `RNTO` |"+cost[1]) && !strings.Contains(pages[1], "`STOR`, up to one part |"+cost[1]) {
			t.Errorf("docs/s3.md does not say%s", cost[1])
		}
	}
	if len(costs) != 2 {
		t.Errorf("%d rows, want 2", len(costs))
	}
}

// TestRcloneTimes: rclone knows a file again by the times in MinIO's listings, and if it asks for each time.
func TestRcloneTimes(t *testing.T) {
	server := real.MinIO(t)
	newBucket(t, server)
	b := startBridge(t, server)
	r := newRclone(t, b.addr, "")
	file := filepath.Join(r.dir, "tree", "file")
	makeFile(t, file, 1000)
	if err := os.Chtimes(file, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	r.do("sync", "tree", "@tree")
	from := b.log.mark()
	r.do("sync", "--ftp-disable-mlsd", "tree", "@tree")
	if sent := b.log.stored(from); len(sent) > 0 {
		t.Errorf("without a change, these were sent: %q", sent)
	}
	r.do("sync", "tree", "@tree")
	if sent := b.log.stored(from); len(sent) > 0 {
		t.Errorf("on MinIO, whose listings have the times, these were sent without a change: %q", sent)
	}
}
