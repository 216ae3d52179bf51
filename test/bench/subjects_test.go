package bench

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A client moves files over one connection.
type client interface {
	put(name string, size int64) error
	get(name string, size int64) error
	// list lists a directory with a command of FTP. It returns the time to the first line.
	list(command, dir string, entries int) (first time.Duration, err error)
}

// A subject is one way to S3, or a peer: a server of others, whose failures are results.
type subject struct {
	name    string
	peer    bool
	process harness.Process // to measure the CPU time and memory of; 0 = none
	tree    bool            // it has processes for sessions, whose CPU time counts; memory is not measured
	connect func() (client, error)
}

// cpu returns the CPU time of the server so far, in seconds; 0 without one.
func (s subject) cpu(b testing.TB) float64 {
	switch {
	case s.process == 0:
		return 0
	case s.tree:
		return s.process.TreeCPU(b)
	}
	return s.process.CPU(b)
}

// direct returns a client of the SDK, which is the same for all connections.
func direct(b testing.TB, s3 *real.S3) directClient {
	return directClient{harness.Bucket{T: b, Client: s3.Client(), Name: harness.BucketName}, false}
}

// subjects returns direct use, s3ftpd, the earlier build if the environment names one, and peers.
func (w workload) subjects(b *testing.B, s service) []subject {
	sdk := direct(b, s.S3)
	all := []subject{{name: "direct", connect: func() (client, error) { return sdk, nil }}}
	if w.isList() && w.Service != "null" {
		like := sdk
		like.likeBridge = true
		all = append(all, subject{name: "direct, with metadata", connect: func() (client, error) { return like, nil }})
	}
	if w.SFTP { // an earlier build may not know the option
		all = append(all, startBridge(b, "s3ftpd", harness.Program(), s.S3, w.args()...))
		w.SFTP = false
		all = append(all, startBridge(b, "s3ftpd, FTP", harness.Program(), s.S3, w.args()...))
		w.SFTP = true
	} else {
		all = append(all, bridges(b, s.S3, w.args()...)...)
	}
	if !w.NoPeers {
		all = append(all, w.peers(b, s)...)
	}
	if w.OpenSSH {
		for i, other := range all {
			all[i].connect = func() (client, error) {
				c, err := other.connect()
				if sftp, ok := c.(*sftpClient); ok && err == nil {
					return startSFTP(b, sftp)
				}
				return c, err
			}
		}
	}
	return all
}

// bridges starts s3ftpd, and the earlier build if the environment names one.
func bridges(b testing.TB, s3 *real.S3, args ...string) (all []subject) {
	programs := []struct{ name, path string }{{"s3ftpd", harness.Program()}, {"before", os.Getenv("S3FTPD_BENCH_BEFORE")}}
	for _, p := range programs {
		if p.path != "" {
			all = append(all, startBridge(b, p.name, p.path, s3, args...))
		}
	}
	return all
}

// startBridge starts an s3ftpd with these options. Its sessions use TLS if it has --ftps, and SFTP if it has sftpOption.
func startBridge(b testing.TB, name, path string, s3 *real.S3, args ...string) subject {
	addr, sftp := real.FreeAddr(b), ""
	if i := slices.Index(args, sftpOption); i >= 0 {
		sftp = real.FreeAddr(b)
		args = slices.Insert(slices.Clone(args), i+1, sftp)
	}
	args = append([]string{"serve", "--ftp", addr, "--endpoint", s3.Endpoint, "--bucket", harness.BucketName, "--user", harness.User,
		"--log-format", "json"}, args...)
	server := harness.StartCommand(b, addr, append(s3.Env(), "S3FTPD_PASSWORD="+harness.Password), exec.Command(path, args...))
	secure := false
	for _, arg := range args {
		secure = secure || arg == "--ftps"
	}
	return subject{name: name, process: server.Process(), connect: func() (client, error) {
		if sftp != "" {
			return connectSFTP(b, sftp, ours)
		}
		return connectFTP(b, addr, ours, secure)
	}}
}
