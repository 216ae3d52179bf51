package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A doubtful password causes a warning at the start, when its file changes, and in `check`. None shows the password.
func TestDoubtfulPasswords(t *testing.T) {
	awsEnvironment(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0", "--endpoint=" + server.URL}

	write("\uFEFFcanary \n")
	r := start(t, nil, append(args, "--password-file", file)...)
	text := r.stderr.await(t, "listening")
	if !strings.Contains(text, `"option":"--password-file \"`+file+`\"","problem":"begins or ends with white space`) {
		t.Error(text)
	}
	write("wonderland\ncanary\n")
	c := dial(t, listening.FindStringSubmatch(text)[1])
	expect(t, c, "USER alice", 331)
	expect(t, c, "PASS wonderland", 230)
	if text = r.stderr.await(t, "has 2 lines: only the first is the password"); strings.Contains(text, "canary") || strings.Count(text, "begins or ends") != 1 {
		t.Error(text)
	}
	code, text, _ := output(t, "", nil, append(append([]string{"check"}, args...), "--password-file", file)...)
	if code != exitFailure || !strings.Contains(text, `warn  --password-file "`+file+`" has 2 lines`) || strings.Contains(text, "canary") {
		t.Error(text)
	}

	r = start(t, []string{"S3FTPD_PASSWORD=canary "}, args...)
	r.stderr.await(t, `"option":"S3FTPD_PASSWORD","problem":"begins or ends with white space`)
}

// A hash that a shell has damaged is refused, in the environment and in the file.
func TestEatenHash(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	const rest = "=19=19456,t=2,p=1/canary"
	if err := os.WriteFile(file, []byte(rest+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ environ, args []string }{
		{[]string{"S3FTPD_PASSWORD=" + rest}, nil}, {nil, []string{"--password-file", file}},
	} {
		code, _, err := output(t, "", c.environ, append(c.args, "--user=alice", "--bucket=invoices")...)
		if code != exitUsage || !strings.Contains(err, "put it in single quotes") || strings.Contains(err, "canary") {
			t.Errorf("%v: %d, %s", c, code, err)
		}
	}
}
