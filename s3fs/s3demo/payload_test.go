package s3demo_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// raw opens a store that accepts unsigned requests, and returns the URL of a bucket.
func raw(t testing.TB) string {
	t.Helper()
	return rawIn(t, t.TempDir())
}

func rawIn(t testing.TB, dir string) string {
	t.Helper()
	store, err := s3demo.Open(dir, s3demo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.CreateBucket(bucketName); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(store.Handler())
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		server.Close()
		store.Close()
	})
	return server.URL + "/" + bucketName
}

// send sends a request, and returns the status with S3's error code, and the headers.
func send(t testing.TB, method, url, body string, headers ...string) (string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	result := fmt.Sprint(answer.StatusCode)
	if _, rest, ok := strings.Cut(string(text), "<Code>"); ok {
		code, _, _ := strings.Cut(rest, "</Code>")
		result += " " + code
	} else if method == http.MethodGet {
		result += " " + string(text)
	}
	return result, answer.Header
}

func crc32c(content string) string {
	sum := crc32.Checksum([]byte(content), crc32.MakeTable(crc32.Castagnoli))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

func TestDigests(t *testing.T) {
	const content = "the content"
	sha, md := sha256.Sum256([]byte(content)), md5.Sum([]byte(content))
	encode := base64.StdEncoding.EncodeToString
	url := raw(t)
	_, header := send(t, "GET", url+"?uploads", "")
	if header.Get("Content-Type") != "application/xml" {
		t.Errorf("Content-Type %q", header.Get("Content-Type"))
	}
	for _, name := range []string{"object", "part"} {
		for _, c := range []struct{ header, value, want string }{
			{"Content-MD5", encode(md[:]), "200"},
			{"Content-MD5", encode(make([]byte, 16)), "400 BadDigest"},
			{"Content-MD5", "?", "400 InvalidDigest"},
			{"X-Amz-Content-Sha256", hex.EncodeToString(sha[:]), "200"},
			{"X-Amz-Content-Sha256", strings.Repeat("0", 64), "400 XAmzContentSHA256Mismatch"},
			{"X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD", "200"},
			{"X-Amz-Checksum-Crc32c", crc32c(content), "200"},
			{"X-Amz-Checksum-Crc32c", crc32c("another"), "400 BadDigest"},
			{"X-Amz-Checksum-Crc32c", "AAAA", "400 InvalidRequest"},
			{"X-Amz-Checksum-Sha256", encode(sha[:]), "200"},
			{"X-Amz-Checksum-Sha256", encode(make([]byte, 32)), "400 BadDigest"},
			{"X-Amz-Checksum-Crc32", "AAAAAA==", "400 BadDigest"},
			{"X-Amz-Checksum-Crc64nvme", "AAAAAAAAAAA=", "400 BadDigest"},
			{"X-Amz-Checksum-Sha1", encode(make([]byte, 20)), "400 BadDigest"},
			{"X-Amz-Checksum-New", "AAAA", "400 InvalidRequest"},
		} {
			target := url + "/k"
			if name == "part" {
				algorithm, _ := strings.CutPrefix(c.header, "X-Amz-Checksum-")
				target = partOf(t, target, algorithm)
			}
			if got, _ := send(t, "PUT", target, content, c.header, c.value); got != c.want {
				t.Errorf("%s, %s: %s: %s, want %s", name, c.header, c.value, got, c.want)
			}
		}
	}
	for _, target := range []string{url + "/k", partOf(t, url+"/k", "Crc32c")} {
		if got, _ := send(t, "PUT", target, "", "X-Amz-Checksum-Crc32c", crc32c("something")); got != "400 BadDigest" {
			t.Errorf("%s, nothing instead of something: %s", target, got)
		}
	}
	// A refused body leaves the old object.
	send(t, "PUT", url+"/k", "old")
	send(t, "PUT", url+"/k", "new", "X-Amz-Checksum-Crc32c", crc32c("another"))
	if got, _ := send(t, "GET", url+"/k", ""); got != "200 old" {
		t.Errorf("after a refused PUT: %s", got)
	}
}

// partOf creates an upload, and returns the URL of its first part. An unknown algorithm means none.
func partOf(t testing.TB, url, algorithm string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"?uploads", nil)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains([]string{"Crc32", "Crc32c", "Crc64nvme", "Sha1", "Sha256"}, algorithm) {
		r.Header.Set("X-Amz-Checksum-Algorithm", algorithm)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<UploadId>")
	id, _, _ := strings.Cut(rest, "</UploadId>")
	return url + "?partNumber=1&uploadId=" + id
}

func TestChunkedBodies(t *testing.T) {
	url := raw(t)
	signed := ";chunk-signature=" + strings.Repeat("0", 64)
	body := "7" + signed + "\r\nthe con\r\n4" + signed + "\r\ntent\r\n0" + signed + "\r\n"
	plain := "b\r\nthe content\r\n0\r\n"
	trailer := "x-amz-checksum-crc32c:" + crc32c("the content") + "\r\n"
	wrong := "x-amz-checksum-crc32c:" + crc32c("another") + "\r\n"
	for _, name := range []string{"object", "part"} {
		for _, c := range []struct{ name, kind, body, length, trailer, want string }{
			{"signed", "AWS4-HMAC-SHA256-PAYLOAD", body + "\r\n", "11", "", "200"},
			{"signed with trailer", "AWS4-HMAC-SHA256-PAYLOAD-TRAILER", body + trailer + "x-amz-trailer-signature:00\r\n\r\n", "11", "x-amz-checksum-crc32c", "200"},
			{"unsigned", "UNSIGNED-PAYLOAD-TRAILER", plain + trailer + "\r\n", "11", "x-amz-checksum-crc32c", "200"},
			{"no empty line", "UNSIGNED-PAYLOAD-TRAILER", plain + trailer, "11", "x-amz-checksum-crc32c", "200"},
			{"wrong trailer", "UNSIGNED-PAYLOAD-TRAILER", plain + wrong + "\r\n", "11", "x-amz-checksum-crc32c", "400 BadDigest"},
			{"no trailer", "UNSIGNED-PAYLOAD-TRAILER", plain + "\r\n", "11", "x-amz-checksum-crc32c", "400 BadDigest"},
			{"unknown trailer", "UNSIGNED-PAYLOAD-TRAILER", plain + "\r\n", "11", "x-amz-checksum-new", "400 InvalidRequest"},
			{"less than announced", "AWS4-HMAC-SHA256-PAYLOAD", body + "\r\n", "12", "", "400 IncompleteBody"},
			{"more than announced", "AWS4-HMAC-SHA256-PAYLOAD", body + "\r\n", "10", "", "400 IncompleteBody"},
			{"no length", "AWS4-HMAC-SHA256-PAYLOAD", body + "\r\n", "", "", "411 MissingContentLength"},
			{"cut off", "AWS4-HMAC-SHA256-PAYLOAD", body[:100], "11", "", "400 IncompleteBody"},
			{"no chunks", "AWS4-HMAC-SHA256-PAYLOAD", "the content", "11", "", "400 IncompleteBody"},
		} {
			headers := []string{"X-Amz-Content-Sha256", "STREAMING-" + c.kind, "Content-Encoding", "aws-chunked", "X-Amz-Decoded-Content-Length", c.length}
			if c.trailer != "" {
				headers = append(headers, "X-Amz-Trailer", c.trailer)
			}
			send(t, "PUT", url+"/k", "old")
			target := url + "/k"
			if name == "part" {
				target = partOf(t, target, map[bool]string{true: "Crc32c"}[c.trailer == "x-amz-checksum-crc32c"])
			}
			got, _ := send(t, "PUT", target, c.body, headers...)
			if got != c.want {
				t.Errorf("%s, %s: %s, want %s", name, c.name, got, c.want)
			}
			if name != "object" {
				continue
			}
			content := "200 old"
			if c.want == "200" {
				content = "200 the content"
			}
			got, header := send(t, "GET", url+"/k", "", "X-Amz-Checksum-Mode", "ENABLED")
			if got != content || header.Get("Content-Encoding") != "" {
				t.Errorf("%s: %q, encoding %q, want %q", c.name, got, header.Get("Content-Encoding"), content)
			}
			if c.trailer != "" && c.want == "200" && header.Get("X-Amz-Checksum-Crc32c") != crc32c("the content") {
				t.Errorf("%s: the checksum of the trailer was not kept", c.name)
			}
		}
	}
}

func TestClientDies(t *testing.T) {
	url := raw(t)
	send(t, "PUT", url+"/k", "old")
	conn, err := net.Dial("tcp", strings.TrimPrefix(strings.TrimSuffix(url, "/"+bucketName), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PUT /%s/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", bucketName)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn) // until the server closes the connection
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(answer, []byte("IncompleteBody")) {
		t.Errorf("answer: %s", answer)
	}
	if got, _ := send(t, "GET", url+"/k", ""); got != "200 old" {
		t.Errorf("after half an upload: %s", got)
	}
}
