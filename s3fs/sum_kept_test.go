package s3fs

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
)

const hello = "hello"

// answering returns a service with an object hello that has these headers.
func answering(t *testing.T, headers ...string) *fake {
	s := newFake(t)
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if r.Header.Get("X-Amz-Checksum-Mode") != "ENABLED" && call == "Head" {
			t.Error("the request does not ask for checksums")
		}
		resp := response(200, hello)
		resp.Header.Set("Content-Length", "5")
		resp.Header.Set("ETag", `"`+hex.EncodeToString(digestOf("MD5", hello))+`-2"`)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			resp.Header.Set(name, value)
		}
		if call == "Head" {
			resp.Body = http.NoBody
		}
		return resp, nil
	}
	return s
}

func digestOf(algorithm, text string) []byte {
	h := proxy.NewHash(algorithm)
	io.WriteString(h, text)
	return h.Sum(nil)
}

func based(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// other is another content: its checksums in headers show whether a sum is from the headers or from the object.
const other = "jello"

// The headers have checksums of another content, so that the result shows whether they are used.
func TestSumFromHeaders(t *testing.T) {
	full := "X-Amz-Checksum-Type: FULL_OBJECT"
	single := `ETag: "` + hex.EncodeToString(digestOf("MD5", other)) + `"`
	for name, c := range map[string]struct {
		algorithm string
		headers   []string
		kept      bool
	}{
		"CRC32":                     {"CRC32", []string{full, "X-Amz-Checksum-Crc32: " + based(digestOf("CRC32", other))}, true},
		"SHA-1":                     {"SHA-1", []string{full, "X-Amz-Checksum-Sha1: " + based(digestOf("SHA-1", other))}, true},
		"SHA-256":                   {"SHA-256", []string{full, "X-Amz-Checksum-Sha256: " + based(digestOf("SHA-256", other))}, true},
		"SHA-512":                   {"SHA-512", []string{full, "X-Amz-Checksum-Sha512: " + based(digestOf("SHA-512", other))}, true},
		"MD5":                       {"MD5", []string{full, "X-Amz-Checksum-Md5: " + based(digestOf("MD5", other))}, true},
		"no type, in one part":      {"CRC32", []string{single, "X-Amz-Checksum-Crc32: " + based(digestOf("CRC32", other))}, true},
		"no type, in several parts": {"CRC32", []string{"X-Amz-Checksum-Crc32: " + based(digestOf("CRC32", other))}, false},
		"of the parts":              {"SHA-256", []string{"X-Amz-Checksum-Type: COMPOSITE", "X-Amz-Checksum-Sha256: " + based(digestOf("SHA-256", other)) + "-2"}, false},
		"of the parts, and does not look like it": {"SHA-256", []string{"X-Amz-Checksum-Type: COMPOSITE", "X-Amz-Checksum-Sha256: " + based(digestOf("SHA-256", other))}, false},
		"of the parts, and only looks like it":    {"SHA-256", []string{single, "X-Amz-Checksum-Sha256: " + based(digestOf("SHA-256", other)) + "-2"}, false},
		"another algorithm":                       {"CRC32", []string{full, "X-Amz-Checksum-Crc32c: " + based(digestOf("CRC32", other))}, false},
		"too short":                               {"SHA-256", []string{full, "X-Amz-Checksum-Sha256: " + based(digestOf("CRC32", other))}, false},
		"no base64":                               {"CRC32", []string{full, "X-Amz-Checksum-Crc32: ?"}, false},
		"nothing":                                 {"SHA-256", nil, false},

		"the ETag of MinIO":                    {"MD5", []string{single, "Server: MinIO"}, true},
		"encrypted by the service":             {"MD5", []string{single, "Server: MinIO", "X-Amz-Server-Side-Encryption: AES256"}, true},
		"encrypted with KMS":                   {"MD5", []string{single, "Server: MinIO", "X-Amz-Server-Side-Encryption: aws:kms"}, false},
		"encrypted with KMS twice":             {"MD5", []string{single, "Server: MinIO", "X-Amz-Server-Side-Encryption: aws:kms:dsse"}, false},
		"encrypted with KMS, which says a key": {"MD5", []string{single, "Server: MinIO", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id: k"}, false},
		"encrypted with a key of the client's": {"MD5", []string{single, "Server: MinIO", "X-Amz-Server-Side-Encryption-Customer-Algorithm: AES256"}, false},
		"of several parts":                     {"MD5", []string{"Server: MinIO"}, false},
		"a replica":                            {"MD5", []string{single, "Server: MinIO", "X-Amz-Replication-Status: REPLICA"}, false},
		"replicated elsewhere":                 {"MD5", []string{single, "Server: MinIO", "X-Amz-Replication-Status: COMPLETED"}, true},
		"in another class":                     {"MD5", []string{single, "Server: MinIO", "X-Amz-Storage-Class: STANDARD_IA"}, true},
		"in a directory bucket":                {"MD5", []string{single, "Server: MinIO", "X-Amz-Storage-Class: EXPRESS_ONEZONE"}, false},
		"in a tier":                            {"MD5", []string{single, "Server: MinIO", "X-Amz-Storage-Class: WARM"}, false},
		"the ETag of another service":          {"MD5", []string{single, "Server: AmazonS3"}, false},
		"the ETag of one that does not say":    {"MD5", []string{single}, false},
		"an ETag that is no number":            {"MD5", []string{`ETag: "0x8DBF8D8D8D8D8D8D8D8D8D8D8D8D8D8D"`, "Server: MinIO"}, false},
		"an ETag that is too short":            {"MD5", []string{`ETag: "5d41402abc4b2a76"`, "Server: MinIO"}, false},
		"an ETag for another algorithm":        {"SHA-256", []string{`ETag: "` + hex.EncodeToString(digestOf("SHA-256", other)) + `"`, "Server: MinIO"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := answering(t, c.headers...)
			want, calls := digestOf(c.algorithm, hello), []string{"Head", "Get"}
			if c.kept {
				want, calls = digestOf(c.algorithm, other), calls[:1]
			}
			got, err := s.fs(Options{}).Sum(t.Context(), "/f", "", c.algorithm, 0, -1)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%x, %v; want %x", got, err, want)
			}
			s.checkCalls(calls...)
		})
	}
}

// On AWS the ETag is used as an MD5, whatever the Server header.
func TestETagIsMD5OnKnownServices(t *testing.T) {
	single := `ETag: "` + hex.EncodeToString(digestOf("MD5", other)) + `"`
	for endpoint, kept := range map[string]bool{
		"": true, "https://s3.eu-central-1.amazonaws.com": true, "https://s3.cn-north-1.amazonaws.com.cn": true,
		"https://amazonaws.com.example.org": false, "https://notamazonaws.com": false, "https://r2.example.com/.amazonaws.com": false,
	} {
		s := answering(t, single)
		f := NewFS(dial(t, Config{Endpoint: endpoint, Region: "eu-central-1", Credentials: keys("a", "s"), HTTPClient: s}), Options{Bucket: "b"})
		want := digestOf("MD5", hello)
		if kept {
			want = digestOf("MD5", other)
		}
		if got, err := f.Sum(t.Context(), "/f", "", "MD5", 0, -1); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q: %x, %v; want %x", endpoint, got, err, want)
		}
	}
}
