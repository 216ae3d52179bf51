package sftp

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A program changes files in a directory with text (a MiB of lines), large (9 MiB) and small (a line). $SRC is a directory on the disk.
type program struct {
	name, script string
	needs        string // a program
	refused      string // why the change is not possible; "" = it is
	silent       bool   // its exit status says nothing of the refusal, because sshfs does not wait for CLOSE
}

// inPython writes a file of n MiB, and its header at the end, by one handle.
const inPython = `python3 -c '
f = open("new", "wb", buffering=0)
for i in range(%d): f.write(b"data" * 262144)
f.seek(0); f.write(b"head"); f.close()'`

// inNano types a line into nano, saves and leaves.
const inNano = `python3 -c '
import os, pty, sys
pid, tty = pty.fork()
if pid == 0:
    os.execvp("sh", ["sh", "-c", "stty rows 24 cols 80; TERM=xterm exec nano --ignorercfiles small"])
def await_text(text):
    seen = b""
    while text not in seen: seen += os.read(tty, 4096)
for text, keys in (b"^X", b"typed\n\x18"), (b"Save modified", b"y"), (b"Write", b"\r"):
    await_text(text)
    os.write(tty, keys)
try:
    while os.read(tty, 4096): pass
except OSError: pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))'`

// programs are the rows of the table in docs/sftp.md.
var programs = []program{
	{name: "new file, append: `echo >`, `echo >>`", script: `echo one > new; echo two > small; echo three >> text; echo four >> large`},
	{name: "`cp`, `cp` over a longer file", script: `cp large copy; cp "$SRC/one" new; cp small text`},
	{name: "`mv`, `mv` over a file", script: `mv large moved; mv small text`},
	{name: "`touch` of a new file, and of an old one", script: `touch new; touch -d 2017-07-14 small`},
	{name: "`truncate -s`, shorter", script: `truncate -s 1000 text; truncate -s 7M large; truncate -s 0 small`},
	{name: "`truncate -s`, longer", script: `truncate -s +1000 text`, silent: true, refused: "the file stays, without an error: only an open handle can do it, and CLOSE refuses it"},
	{name: "`dd conv=notrunc` in the middle", script: `dd if="$SRC/one" of=large bs=4096 seek=1000 count=1 conv=notrunc status=none`},
	{name: "`dd conv=notrunc` of the first bytes", script: `dd if=small of=large conv=notrunc status=none`},
	{name: "`sed -i`", script: `sed -i s/line/word/ text; sed -i.bak 's/.*/&&/' small`},
	{name: "`sort -o` onto itself", script: `sort -r text -o text`},
	{name: "`vim`", script: `vim -u NONE -c 'set swapfile' -es -c '%s/line/word/' -c wq text </dev/null`, needs: "vim"},
	{name: "`vim` with `backupcopy=yes`", script: `vim -u NONE -c 'set backup backupcopy=yes' -es -c '%s/line/word/' -c wq text </dev/null`, needs: "vim"},
	{name: "`nano`", script: inNano, needs: "nano"},
	{name: "`git clone`", script: `git clone -q "file://$SRC/repository" clone`, needs: "git",
		refused: "git opens its pack to read it before it has closed it; clone on a disk, and copy"},
	{name: "`git status`, `git commit` in a copied repository", needs: "git", script: `cp -r "$SRC/repository" clone && cd clone && echo more >> file &&
		git -c user.name=a -c user.email=a@b commit -qam more && git fsck --strict && git rev-parse HEAD^ > ../parent && git status --porcelain > ../status`},
	{name: "`tar -x`", script: `tar -xf "$SRC/all.tar"`},
	{name: "`rsync -a`, new and changed files", script: `rsync -a "$SRC/one" "$SRC/two" .; rsync -a "$SRC/two" one`, needs: "rsync"},
	{name: "`rsync -a --inplace`", script: `rsync -a --inplace "$SRC/two" large; rsync -a --inplace "$SRC/one" text`, needs: "rsync"},
	{name: "`rsync -a --inplace --no-whole-file`", script: `cp large "$TMP/large"; echo more >> "$TMP/large"
		dd if="$SRC/one" of="$TMP/large" bs=4096 seek=999 count=1 conv=notrunc status=none
		rsync -a --inplace --no-whole-file "$TMP/large" large`, needs: "rsync"},
	{name: "a header written last, into 1 MiB", script: fmt.Sprintf(inPython, 1), needs: "python3"},
	{name: "a header written last, into 20 MiB", script: fmt.Sprintf(inPython, 20), needs: "python3", refused: "the program's `close` fails: S3 has the first parts already"},
}

// TestPrograms runs programs on a mounted server and on a disk, and compares the bucket with the disk. docs/sftp.md has the table.
func TestPrograms(t *testing.T) {
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	mount := mountSSHFS(t, start(t, s3))
	src := programSources(t)
	table := "| program | works |\n|---|---|\n"
	for i, p := range programs {
		says := "yes"
		if p.refused != "" {
			says = "no: " + p.refused
		}
		table += fmt.Sprintf("| %s | %s |\n", p.name, says)
		t.Run(p.name, func(t *testing.T) {
			if p.needs != "" {
				real.Client(t, p.needs)
			}
			dir := fmt.Sprint("case", i)
			disk, remote := filepath.Join(t.TempDir(), "disk"), filepath.Join(mount, dir)
			for _, to := range []string{disk, remote} {
				harness.Run(t, "/", "", "mkdir", to)
				harness.Run(t, to, "", "cp", filepath.Join(src, "text"), filepath.Join(src, "large"), filepath.Join(src, "small"), ".")
			}
			want := programTree(t, disk)
			awaitTree(t, bucket, dir, want)
			if out, err := runProgram(t, p, disk, src); err != nil {
				t.Fatalf("on a disk: %v\n%s", err, out)
			}
			out, err := runProgram(t, p, remote, src)
			if p.refused == "" {
				want = programTree(t, disk)
			}
			if failed := p.refused != "" && !p.silent; failed != (err != nil) {
				t.Errorf("%v\n%s", err, out)
			}
			awaitTree(t, bucket, dir, want)
		})
	}
	if t.Failed() {
		return
	}
	harness.CheckGenerated(t, filepath.Join(harness.Root, "docs", "sftp.md"), "./test/e2e/sftp -run TestPrograms", table)
}

// programSources returns a directory on the disk with files for programs.
func programSources(t *testing.T) string {
	src := t.TempDir()
	var text strings.Builder
	for i := range 40_000 {
		fmt.Fprintf(&text, "this is line number %06d\n", i)
	}
	for name, content := range map[string]string{"text": text.String(), "small": "a line\n"} {
		if err := os.WriteFile(filepath.Join(src, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for name, size := range map[string]int64{"large": 9 * harness.MiB, "one": 100 * harness.KiB, "two": 6 * harness.MiB} {
		harness.MakeFile(t, filepath.Join(src, name), size)
	}
	harness.Run(t, src, "", "tar", "-cf", "all.tar", "one", "two", "small")
	harness.Run(t, src, "", "sh", "-ec", `git init -q repository; cd repository; cp ../two file; git add file
		git -c user.name=a -c user.email=a@b commit -qm one; echo more >> file; git -c user.name=a -c user.email=a@b commit -qam two`)
	return src
}

func runProgram(t *testing.T, p program, dir, src string) (string, error) {
	return harness.Try(t, dir, "", "env", "SRC="+src, "TMP="+t.TempDir(), "sh", "-ec", p.script)
}

// programTree returns the files of a directory, without those of git, which have times in them.
func programTree(t *testing.T, dir string) map[string]string {
	sums := harness.TreeSums(t, dir)
	maps.DeleteFunc(sums, func(name, _ string) bool { return strings.Contains(name, ".git/") })
	return sums
}

// awaitTree waits until the bucket has these files in a directory: sshfs does not wait for CLOSE.
func awaitTree(t *testing.T, bucket harness.Bucket, dir string, want map[string]string) {
	t.Helper()
	for name, sum := range want {
		harness.Until(t, name+" is in the bucket as on the disk", func() bool { return bucket.Sum(dir+"/"+name) == sum })
	}
	for _, key := range bucket.Keys(dir + "/") {
		if name := strings.TrimPrefix(key, dir+"/"); !strings.Contains(name, ".git/") && !strings.HasSuffix(key, "/") && want[name] == "" {
			t.Errorf("the bucket has %s too", name)
		}
	}
}
