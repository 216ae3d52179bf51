package s3fs

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

const twoParts = 5<<20 + 1000 // bytes, with parts of 5 MiB

var errCut = errors.New("cut")

func TestSmallPutIsOneRequest(t *testing.T) {
	for _, size := range []int{0, 1, 5 << 20} {
		s := newFake(t)
		if _, err := s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f.txt", storetest.Source(zeros(size)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		s.checkCalls("Put")
		for header, want := range map[string]string{
			"X-Amz-Content-Sha256":         "UNSIGNED-PAYLOAD",
			"X-Amz-Checksum-Crc32c":        crcText(make([]byte, size)),
			"X-Amz-Sdk-Checksum-Algorithm": "",
			"X-Amz-Trailer":                "",
			"Content-Encoding":             "",
			"Content-Md5":                  "",
			"If-None-Match":                "",
			"Content-Type":                 "text/plain",
		} {
			if got := s.header("Put", header); got != want {
				t.Errorf("%d bytes: %s: %q, want %q", size, header, got, want)
			}
		}
	}
}

func TestMultipartHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		if _, err := s.fs(Options{PartSize: minPart}).Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{New: true}); err != nil {
			t.Fatal(err)
		}
		s.checkCalls("Create", "Part 1", "Part 2", "Complete")
		for _, want := range []struct{ call, header, value string }{
			{"Create", "X-Amz-Checksum-Algorithm", "CRC32C"},
			{"Create", "X-Amz-Checksum-Type", "FULL_OBJECT"},
			{"Part 1", "X-Amz-Checksum-Crc32c", crcText(make([]byte, 5<<20))},
			{"Part 2", "X-Amz-Checksum-Crc32c", crcText(make([]byte, 1000))},
			{"Part 2", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"},
			{"Complete", "X-Amz-Checksum-Crc32c", crcText(make([]byte, twoParts))},
			{"Complete", "X-Amz-Checksum-Type", "FULL_OBJECT"},
			{"Complete", "If-None-Match", "*"},
		} {
			if got := s.header(want.call, want.header); got != want.value {
				t.Errorf("%s: %s: %q, want %q", want.call, want.header, got, want.value)
			}
		}
	})
}
