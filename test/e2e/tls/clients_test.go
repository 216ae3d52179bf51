package tls

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A tlsClient is a real client over TLS. A visit uploads all files, lists them and downloads them.
type tlsClient struct {
	name        string
	programs    []string
	passiveOnly bool
	resumes     map[string]resumption // by version of TLS
	visit       func(tlsRun) (out string, err error)
}

// A resumption tells which data connections resume the TLS session of the control connection.
type resumption int

const (
	resumesNever resumption = iota
	resumesAlways
	resumesOnce // each ticket is used once, and uploads bring no new one: never after an upload
)

// tlsClients are those of Debian 12. TLS on active data connections is broken in its curl (curl/curl#10666, fixed in curl 8.0).
var tlsClients = []tlsClient{
	{"curl", []string{"curl"}, true, map[string]resumption{"1.3": resumesOnce, "1.2": resumesNever}, tlsCurl},
	{"curl, a call for each upload", []string{"curl"}, true, map[string]resumption{"1.3": resumesAlways, "1.2": resumesNever}, tlsCurlEach},
	{"lftp", []string{"lftp"}, false, map[string]resumption{"1.3": resumesAlways, "1.2": resumesAlways}, tlsLftp},
	{"FileZilla", []string{"filezilla", "Xvfb", "xdotool", "python3"}, false, map[string]resumption{"1.3": resumesAlways, "1.2": resumesAlways}, tlsFileZilla},
	{"Python ftplib", []string{"python3"}, false, map[string]resumption{"1.3": resumesNever, "1.2": resumesNever}, tlsFtplib},
	{"Python ftplib, `SameSession`", []string{"python3"}, false, map[string]resumption{"1.3": resumesAlways, "1.2": resumesAlways}, tlsFtplibResuming},
	{"`openssl s_client`", []string{"openssl"}, true, map[string]resumption{"1.3": resumesAlways, "1.2": resumesAlways}, tlsOpenSSL},
}

// A tlsCell is a cell of the table: a client, the kind and version of TLS, and --tls-data-session.
type tlsCell struct {
	tlsClient
	implicit bool // implicit TLS
	active   bool
	version  string
	require  bool // --tls-data-session require, not offer
}

func (c tlsCell) String() string {
	way := func(is bool, yes, no string) string {
		if is {
			return yes
		}
		return no
	}
	return strings.Join([]string{strings.NewReplacer(" ", "-", ",", "", "`", "").Replace(c.name), way(c.implicit, "implicit", "explicit"),
		way(c.active, "active", "passive"), c.version, way(c.require, "require", "offer")}, " ")
}

// resumed reports whether the data connection of the nth transfer resumes; uploads come first.
func (c tlsCell) resumed(n int) bool {
	r := c.resumes[c.version]
	return r == resumesAlways || r == resumesOnce && n == 0
}

// refused reports whether the client does not resume although it must.
func (c tlsCell) refused() bool { return c.require && c.resumes[c.version] != resumesAlways }

func tlsCells() map[string]tlsCell {
	cells := make(map[string]tlsCell)
	for i := range len(tlsClients) << 4 {
		c := tlsCell{tlsClients[i>>4], i&1 > 0, i&2 > 0, "1.3", i&4 > 0}
		if i&8 > 0 {
			c.version = "1.2"
		}
		if !c.active || !c.passiveOnly {
			cells[c.String()] = c
		}
	}
	return cells
}

// A tlsRun is one run of a client, in one session if the client can.
type tlsRun struct {
	tlsCell
	t     *testing.T
	b     harness.TLSServer
	from  int    // the length of the server's log at the start
	local string // a directory with the files to be uploaded
	files []harness.Sample
	home  string // the directory of the server, for all of them
	dir   string // where the client runs, and where downloads go
}

func (v tlsRun) address() string {
	if v.implicit {
		return v.b.Implicit
	}
	return v.b.Addr
}

func (v tlsRun) names() (names []string) {
	for _, f := range v.files {
		names = append(names, f.Name)
	}
	return names
}

// missing returns the files that were not downloaded, or with other content.
func (v tlsRun) missing() (names []string) {
	for _, f := range v.files {
		name := filepath.Join(v.dir, f.Name)
		if info, err := os.Stat(name); err != nil || info.Size() != f.Size || harness.SumFile(v.t, name) != f.Sum {
			names = append(names, f.Name)
		}
	}
	return names
}

// TestTLSClients runs every client in each cell, and compares with tlsClients.
func TestTLSClients(t *testing.T) {
	server := real.MinIO(t)
	bucket := harness.NewBucket(t, server)
	bridges := map[bool]harness.TLSServer{false: harness.StartTLSServer(t, server), true: harness.StartTLSServer(t, server, "--tls-data-session", "require")}
	local := t.TempDir()
	var files []harness.Sample
	for _, size := range []int64{0, 1, 5*harness.MiB + 1, 20 * harness.MiB} {
		f := harness.Sample{Name: fmt.Sprint(size, "-bytes"), Size: size}
		f.Sum = harness.MakeFile(t, filepath.Join(local, f.Name), size)
		files = append(files, f)
	}
	harness.SomeAtOnce(t, 6, tlsCells(), func(t *testing.T, place string, c tlsCell) {
		for _, p := range c.programs {
			real.Client(t, p)
		}
		b := bridges[c.require]
		v := tlsRun{c, t, b, b.Log.Mark(), local, files, "/" + place, t.TempDir()}
		if c.implicit { // its data connections are the same
			v.files = files[:3]
		}
		out, err := c.visit(v)
		if c.refused() {
			v.checkRefused(bucket, out, err)
		} else {
			v.checkServed(bucket, out, err)
		}
	})
}

// checkServed checks that all files are exact on both sides, and that the data connections resumed as in the table.
func (v tlsRun) checkServed(bucket harness.Bucket, out string, err error) {
	if err != nil {
		v.t.Fatalf("%v\n%s", err, out)
	}
	if names := v.missing(); len(names) > 0 {
		v.t.Errorf("not downloaded, or not as they are: %q", names)
	}
	for _, f := range v.files {
		if got := bucket.Sum(v.home[1:] + "/" + f.Name); got != f.Sum {
			v.t.Errorf("%s: S3 has %s, want %s", f.Name, got, f.Sum)
		}
		if out != "" && !strings.Contains(out, f.Name) {
			v.t.Errorf("the list lacks %s:\n%s", f.Name, out)
		}
	}
	count := make(map[string]int)
	for n, d := range dataConnections(v.b.Log, v.from, v.home) {
		count[d.command]++
		want := dataTLS{d.command, "TLS " + v.version, v.resumed(n), 226}
		if d != want {
			v.t.Errorf("transfer %d is %+v, want %+v", n, d, want)
		}
	}
	if count["STOR"] != len(v.files) || count["RETR"] != len(v.files) || count["LIST"]+count["MLSD"]+count["NLST"] == 0 {
		v.t.Errorf("there were %v", count)
	}
}

// checkRefused checks that the first upload that does not resume ends with 522, that the client reports an error, and that nothing is
// stored.
func (v tlsRun) checkRefused(bucket harness.Bucket, out string, err error) {
	if err == nil {
		v.t.Fatalf("the client reports no error:\n%s", out)
	}
	served := 0
	for v.resumed(served) {
		served++
	}
	refused := v.files[served].Name
	v.b.Log.AwaitFrom(v.t, v.from, "transfer", "name="+v.home+"/"+refused, "code=522")
	var stored []string
	for n, d := range dataConnections(v.b.Log, v.from, v.home) {
		if n < served {
			stored = append(stored, v.home[1:]+"/"+v.files[n].Name)
		} else if d.code != 522 {
			v.t.Errorf("%s ends with %d", d.command, d.code)
		}
	}
	if keys := bucket.Keys(v.home[1:] + "/"); !slices.Equal(keys, stored) || len(keys) != served {
		v.t.Errorf("S3 has %q, want %q", keys, stored)
	}
	v.t.Logf("%v\n%s", err, out)
}
