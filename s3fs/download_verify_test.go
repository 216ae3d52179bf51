package s3fs

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// sumOf returns the checksum of the content of so many bytes, as S3 writes it.
func wholeSumOf(size int64, table *crc32.Table) string {
	b := make([]byte, size)
	copyPattern(b, 0)
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, table)))
}

// A flipped bit anywhere is an error instead of the end of the file.
func TestCorruptDownloadIsDetected(t *testing.T) {
	const size = 26*mib + 3
	ieee := crc32.MakeTable(crc32.IEEE)
	for name, test := range map[string]struct {
		header, value string
		offset        int64
		found         bool
	}{
		"CRC32C":                   {header: "X-Amz-Checksum-Crc32c", value: wholeSumOf(size, castagnoli), found: true},
		"CRC32":                    {header: "X-Amz-Checksum-Crc32", value: wholeSumOf(size, ieee), found: true},
		"of the parts":             {header: "X-Amz-Checksum-Crc32c", value: "AAAAAA==-5"},
		"another kind":             {header: "X-Amz-Checksum-Crc64nvme", value: "AAAAAAAAAAA="},
		"nonsense":                 {header: "X-Amz-Checksum-Crc32c", value: "AAAA"},
		"none":                     {header: "X-Other", value: "x"},
		"the file is read in part": {header: "X-Amz-Checksum-Crc32c", value: wholeSumOf(size, castagnoli), offset: 1},
	} {
		for where, at := range map[string]int64{"sound": -1, "first byte": test.offset, "last byte": size - 1, "in a range": 20 * mib} {
			t.Run(name+" "+where, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newObjectFake(t, size)
					s.pause = slowS3
					s.header.Set(test.header, test.value)
					s.on = func(g *getFake) { g.damage = at }
					f := s.fs(Options{})
					for _, through := range []func(io.Reader) io.Reader{whole, onlyReader} {
						r, err := f.Open(t.Context(), "/f", proxy.Range{Offset: test.offset})
						if err != nil {
							t.Fatal(err)
						}
						n, err := io.Copy(io.Discard, through(r))
						r.Close()
						if errors.Is(err, ErrDamaged) != (test.found && at >= 0) || err != nil && !errors.Is(err, ErrDamaged) || n != size-test.offset {
							t.Errorf("%d bytes, %v", n, err)
						}
					}
					allFree(t, f.budget)
				})
			})
		}
	}
}

func whole(r io.Reader) io.Reader      { return r }
func onlyReader(r io.Reader) io.Reader { return struct{ io.Reader }{r} }

// Only the first request asks for the checksum, and none if the service does not support it.
func TestFirstRequestAsksForChecksum(t *testing.T) {
	for checksum, want := range map[string]string{"": "ENABLED", "crc32c": "ENABLED", "sha256": "ENABLED", "md5": "", "none": ""} {
		synctest.Test(t, func(t *testing.T) {
			s := newObjectFake(t, mib)
			s.on = func(g *getFake) {
				if g.n == 0 {
					g.breaks(1000, io.EOF)
				}
			}
			c := dial(t, Config{Endpoint: "http://fake", Checksum: checksum, Credentials: keys("a", "s"), HTTPClient: s})
			if err := new(taker).take(t, NewFS(c, Options{Bucket: "b"})); err != nil {
				t.Error(err)
			}
			for i, want := range []string{want, ""} {
				if got := s.sentHeaders()[i].Get("X-Amz-Checksum-Mode"); got != want {
					t.Errorf("checksum %q, request %d: mode %q, want %q", checksum, i+1, got, want)
				}
			}
		})
	}
}

// If a service refuses the header for checksums, requests never have it again.
func TestRefusedChecksumHeader(t *testing.T) {
	s := newObjectFake(t, 100)
	object := s.fault
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if r.Header.Get("X-Amz-Checksum-Mode") != "" {
			return refusal(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-mode' received for this API call."), nil
		}
		return object(r, call)
	}
	var log strings.Builder
	c := dial(t, Config{Endpoint: "http://fake", Credentials: keys("a", "s"), HTTPClient: s, Log: slog.New(slog.NewTextHandler(&log, nil))})
	f := NewFS(c, Options{Bucket: "b"})
	for range 2 {
		if err := new(taker).take(t, f); err != nil {
			t.Error(err)
		}
	}
	s.checkCalls("Get x3")
	if strings.Count(log.String(), "level=WARN") != 1 {
		t.Errorf("logged %q", log.String())
	}
}

// A request that is refused for another reason is not sent again without the header.
func TestOtherRefusalIsNotRetried(t *testing.T) {
	s := newObjectFake(t, 100)
	s.on = func(g *getFake) { g.refuse(403, "AccessDenied") }
	if r, err := s.fs(Options{}).Open(t.Context(), "/f", proxy.Range{}); err == nil {
		r.Close()
		t.Error("opened")
	}
	s.checkCalls("Get")
}
