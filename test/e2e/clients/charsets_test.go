package clients

import (
	_ "embed"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

//go:embed testdata/names_client.py
var namesClient string

// namesIn has the names of a directory and two files for a charset. Some bytes of their characters are backslashes and brackets.
// iconv and encoding are the charset's names in lftp and Python.
var namesIn = []struct{ charset, iconv, encoding, dir, file, other string }{
	{"latin1", "CP1252", "cp1252", "Größe", "prix en €.txt", "café à la crème"},
	{"shift-jis", "CP932", "cp932", "表示", "ソースコード.txt", "高橋ポート①"},
	{"gbk", "GB18030", "gbk", "誠信", "遊戲運.txt", "錦遼 报告"},
}

// TestNames: clients without UTF-8 see names in their own charset, and the keys in the bucket are UTF-8.
func TestNames(t *testing.T) {
	real.Client(t, "lftp")
	real.Client(t, "python3")
	server := real.MinIO(t)
	b := harness.NewBucket(t, server)
	local := filepath.Join(t.TempDir(), "local")
	want := harness.MakeFile(t, local, 1000)
	for _, n := range namesIn {
		t.Run(n.charset, func(t *testing.T) {
			v := namesTest{t, harness.StartServer(t, server, "--names", n.charset, "--prefix", n.charset), t.TempDir()}
			pythonNames(v, n.encoding, "127.0.0.1", "/", n.dir, n.file, n.other)
			key := n.charset + "/" + n.dir
			if got, want := b.Keys(n.charset+"/"), []string{key + "/", key + "/" + n.other}; !slices.Equal(got, want) {
				t.Errorf("Python made %q, want %q", got, want)
			}
			b.Empty(n.charset + "/")

			script := fmt.Sprintf("set ftp:use-utf8 no\nset ftp:charset %s\nset file:charset UTF-8\n", n.iconv)
			dir, file, other := harness.Quote(n.dir), harness.Quote(n.dir+"/"+n.file), harness.Quote(n.dir+"/"+n.other)
			out := v.lftp(script + "mkdir " + dir + "\nput " + harness.Quote(local) + " -o " + file + "\ncls -1 " + harness.Quote(n.dir+"/*") +
				"\nget " + file + " -o back\nmv " + file + " " + other + "\nls " + dir)
			if !strings.Contains(out, n.dir+"/"+n.file) || !strings.Contains(out, n.other) {
				t.Errorf("lftp lists\n%s", out)
			}
			if got, back := b.Sum(key+"/"+n.other), harness.SumFile(t, filepath.Join(v.dir, "back")); got != want || back != want {
				t.Errorf("lftp put %s and got %s, want %s; there are %q", got, back, want, b.Keys(n.charset))
			}
		})
	}
}

// A namesTest has a server and the directory of its clients.
type namesTest struct {
	t   testing.TB
	b   *harness.Server
	dir string
}

// lftp runs commands.
func (v namesTest) lftp(commands string) string {
	v.t.Helper()
	script := fmt.Sprintf("set cmd:fail-exit yes\nset net:max-retries 1\nset net:timeout 120\nset ftp:ssl-allow no\nopen -u %s,%s ftp://%s\n%s\n",
		harness.User, harness.Password, v.b.Addr, commands)
	return harness.Run(v.t, v.dir, script, "lftp", "--norc", "-f", "/dev/stdin")
}

// pythonNames stores, lists and fetches names in an encoding, from an address.
func pythonNames(v namesTest, encoding, from, base, dir, name, other string) {
	v.t.Helper()
	host, port, _ := strings.Cut(v.b.Addr, ":")
	harness.Run(v.t, v.dir, namesClient, "python3", "-", host, port, harness.User, harness.Password, encoding, from, base, dir, name, other)
}

// TestNamesByNetwork: clients of different charsets see the same files; their networks or OPTS UTF8 select the charset.
func TestNamesByNetwork(t *testing.T) {
	real.Client(t, "lftp")
	real.Client(t, "python3")
	server := real.MinIO(t)
	b := harness.NewBucket(t, server)
	for _, names := range []string{"127.0.0.2=shift-jis", harness.User + "=shift-jis"} {
		v := namesTest{t, harness.StartServer(t, server, "--names", names, "--backslash", "127.0.0.2"), t.TempDir()}
		pythonNames(v, "cp932", "127.0.0.2", "\\", "表示", "ソース.txt", "高橋.txt")
		if got := v.lftp(`ls "/表示"`); !strings.HasSuffix(got, " 高橋.txt\n") { // OPTS UTF8 ON overrides the user's charset
			t.Errorf("%s: lftp lists\n%s", names, got)
		}
		v.lftp(`mv "/表示/高橋.txt" "/表示/表.txt"` + "\n" + `mkdir "/表示/größe"`)
		if got, want := b.Keys(""), []string{"表示/", "表示/größe/", "表示/表.txt"}; !slices.Equal(got, want) {
			t.Errorf("%s: there are %q, want %q", names, got, want)
		}
		b.Empty("")
		pythonNames(v, "cp932", "127.0.0.2", "\\", "ソ", "表", "一")
		b.Empty("")
	}
}

// TestNamesNotListed: keys with control characters, and keys that a charset cannot encode, are in no listing.
func TestNamesNotListed(t *testing.T) {
	real.Client(t, "python3")
	server := real.MinIO(t)
	b := harness.NewBucket(t, server)
	for _, key := range []string{"a\x1b[2J", "a\u009b2J", "a\u0085", "a\x7f", "a\x01/b", "表", "d\u009b/x", "good", `c:\x`} {
		b.Put(key, "x")
	}
	for option, want := range map[string][]string{"--names=utf-8": {`c:\x`, "good", "表"}, "--names=latin1": {`c:\x`, "good"}, "--backslash": {"good", "表"}} {
		v := namesTest{t, harness.StartServer(t, server, option), t.TempDir()}
		for command, got := range listed(v, "NLST", "NLST *", "MLSD", "LIST", "STAT /") {
			if !slices.Equal(got, want) {
				t.Errorf("%s: %s has %q, want %q", option, command, got, want)
			}
		}
	}
}

// listed returns the names at the ends of listed lines.
func listed(v namesTest, commands ...string) map[string][]string {
	v.t.Helper()
	host, port, _ := strings.Cut(v.b.Addr, ":")
	script := `
import ftplib, sys
host, port, user, password, *commands = sys.argv[1:]
ftp = ftplib.FTP(encoding="latin-1")
ftp.connect(host, int(port), timeout=60)
ftp.login(user, password)
for command in commands:
    lines = []
    if command.startswith("STAT"):
        lines = ftp.sendcmd(command).split("\n")[1:-1]
    else:
        ftp.retrlines(command, lines.append)
    for l in lines:
        sys.stdout.buffer.write((command + "\t" + l + "\n").encode("latin-1"))
`
	names := make(map[string][]string)
	for _, command := range commands {
		names[command] = nil
	}
	args := append([]string{"python3", "-", host, port, harness.User, harness.Password}, commands...)
	for line := range strings.Lines(harness.Run(v.t, v.dir, script, args...)) {
		command, entry, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		names[command] = append(names[command], entry[strings.LastIndexByte(entry, ' ')+1:])
	}
	return names
}

// TestLongNames: a key has at most 1,024 bytes of UTF-8 with the prefix; MinIO allows 255 bytes between slashes.
func TestLongNames(t *testing.T) {
	real.Client(t, "curl")
	server := real.MinIO(t)
	b := harness.NewBucket(t, server)
	local := filepath.Join(t.TempDir(), "local")
	harness.MakeFile(t, local, 10)
	long := strings.Repeat(strings.Repeat("n", 254)+"/", 4)[:1024-len("tenant/")]
	for _, c := range []struct {
		charset, name, key string
		code               int
	}{
		{"utf-8", long, "tenant/" + long, 226},
		{"utf-8", long + "n", "tenant/" + long + "n", 553},
		{"utf-8", strings.Repeat("n", 255), "tenant/" + strings.Repeat("n", 255), 226},
		{"utf-8", strings.Repeat("n", 256), "tenant/" + strings.Repeat("n", 256), 553},
		{"latin1", strings.Repeat(strings.Repeat("\xe9", 126)+"/", 4) + "\xe9\xe9n", "tenant/" + strings.Repeat(strings.Repeat("é", 126)+"/", 4) + "één", 226},
		{"latin1", strings.Repeat(strings.Repeat("\xe9", 126)+"/", 4) + "\xe9\xe9\xe9", "tenant/" + strings.Repeat(strings.Repeat("é", 126)+"/", 4) + "ééé", 553},
	} {
		bridge := harness.StartServer(t, server, "--names", c.charset, "--prefix", "tenant")
		out, err := harness.Try(t, t.TempDir(), "", "curl", "-sS", "-v", "--ftp-method", "nocwd", "-T", local,
			"--user", harness.User+":"+harness.Password, "ftp://"+bridge.Addr+"/"+percent(c.name))
		if !strings.Contains(out, fmt.Sprintf("\n< %d ", c.code)) || (err == nil) != (c.code == 226) {
			t.Errorf("%s, %d bytes: %v\n%s", c.charset, len(c.name), err, out)
		}
		if got := slices.Contains(b.Keys("tenant/"), c.key); got != (c.code == 226) {
			t.Errorf("%s, %d bytes, a key of %d: there is one: %v", c.charset, len(c.name), len(c.key), got)
		}
	}
}

// percent escapes a path for a URL, byte by byte.
func percent(path string) string {
	var b strings.Builder
	for i := range len(path) {
		if path[i] == '/' {
			b.WriteByte('/')
			continue
		}
		fmt.Fprintf(&b, "%%%02x", path[i])
	}
	return b.String()
}
