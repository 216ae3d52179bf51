package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// The log says that the program stops, how many sessions and transfers it waits for, and that it has stopped.
func TestStoppingIsLogged(t *testing.T) {
	awsEnvironment(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	defer server.Close()
	r := start(t, []string{"S3FTPD_PASSWORD=wonderland"}, "--user=alice", "--bucket=invoices", "--ftp=127.0.0.1:0", "--drain-timeout=7s",
		"--tls-self-signed", "--ftps=127.0.0.1:0", "--endpoint="+server.URL, "--tls=optional", "--passive-ports=1024-65535")
	address := listening.FindStringSubmatch(r.stderr.await(t, `"implicit":true`))[1]
	idle, busy := dial(t, address), dial(t, address)
	expect(t, busy, "USER alice", 331)
	expect(t, busy, "PASS wonderland", 230)
	data := passiveData(t, busy)
	expect(t, busy, "STOR file", 150)
	r.stop()
	text := r.stderr.await(t, `"msg":"stopping"`)
	if !strings.Contains(text, `"msg":"stopping","sessions":2,"transfers":1,"drain":"7s"}`) || strings.Contains(text, `"msg":"stopped"`) {
		t.Error(text)
	}
	expect(t, idle, "", 421)
	data.Close()
	busy.ReadResponse(0) // reply to the upload, which the server refuses
	r.end(t)
	if text := strings.TrimSpace(r.stderr.String()); !strings.HasSuffix(text, `"msg":"stopped"}`) || strings.Count(text, `"msg":"stopping"`) != 1 {
		t.Error(text)
	}
}
