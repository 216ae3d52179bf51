package tls

import (
	"fmt"
	"strings"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// tlsCurl runs all transfers in one call, over one control connection.
func tlsCurl(v tlsRun) (string, error) { return v.curl(v.curlUploads(v.files...), v.curlDownloads()) }

// tlsCurlEach is a call for each upload, and one for all downloads.
func tlsCurlEach(v tlsRun) (string, error) {
	for _, f := range v.files {
		if out, err := v.curl(v.curlUploads(f)); err != nil {
			return out, err
		}
	}
	return v.curl(v.curlDownloads())
}

func (v tlsRun) curl(config ...string) (string, error) {
	return harness.Try(v.t, v.dir, strings.Join(config, ""), append(v.curlArgs(), "-K", "-")...)
}

// curlArgs returns curl and its options for a cell.
func (v tlsRun) curlArgs() []string {
	args := []string{"curl", "-sSv", "--globoff", "--fail-early", "--max-time", "100", "--ftp-method", "nocwd", "--cacert", v.b.CA,
		"--user", harness.User + ":" + harness.Password, "--tlsv" + v.version, "--tls-max", v.version}
	if !v.implicit {
		args = append(args, "--ssl-reqd")
	}
	return args
}

func (v tlsRun) curlURL(name string) string {
	if v.implicit {
		return "ftps://" + v.address() + v.home + "/" + name
	}
	return "ftp://" + v.address() + v.home + "/" + name
}

func (v tlsRun) curlUploads(files ...harness.Sample) string {
	var b strings.Builder
	for _, f := range files { // an output for each: otherwise that of the first download applies
		fmt.Fprintf(&b, "upload-file = %q\noutput = \"/dev/null\"\nurl = %q\n", v.local+"/"+f.Name, v.curlURL(f.Name))
	}
	return b.String()
}

func (v tlsRun) curlDownloads() string {
	var b strings.Builder
	fmt.Fprintf(&b, "url = %q\noutput = \"-\"\n", v.curlURL(""))
	for _, f := range v.files {
		fmt.Fprintf(&b, "url = %q\noutput = %q\n", v.curlURL(f.Name), v.dir+"/"+f.Name)
	}
	return b.String()
}
