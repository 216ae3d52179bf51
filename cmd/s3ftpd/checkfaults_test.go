package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A checkFault simulates a faulty service: it changes a request, or answers it with a status and an error code or a document.
type checkFault func(*http.Request) (status int, answer string)

// answered simulates a service that answers some operations with a status and an error code.
func answered(status int, code string, operations ...string) checkFault {
	return func(r *http.Request) (int, string) {
		if slices.Contains(operations, real.Operation(r)) {
			return status, code
		}
		return 0, ""
	}
}

// ignored simulates a service that ignores request headers with a prefix.
func ignored(prefix string) checkFault {
	return func(r *http.Request) (int, string) {
		for name := range r.Header {
			if strings.HasPrefix(name, prefix) {
				delete(r.Header, name)
			}
		}
		return 0, ""
	}
}

// answeredHeader simulates a service that answers requests with a status and an error code if a header begins with a value.
func answeredHeader(status int, code, name, value string) checkFault {
	return func(r *http.Request) (int, string) {
		if strings.HasPrefix(r.Header.Get(name), value) && r.Header.Get(name) != "" {
			return status, code
		}
		return 0, ""
	}
}

const abortRule = "<LifecycleConfiguration><Rule><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><AbortIncompleteMultipartUpload>" +
	"<DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>"

var checkFaults = map[string]checkFault{
	"nothing":                func(*http.Request) (int, string) { return 0, "" },
	"read only":              answered(403, "AccessDenied", "PutObject", "CopyObject", "CreateMultipartUpload", "DeleteObject", "DeleteObjects"),
	"no bucket":              answered(404, "NoSuchBucket", "ListObjectsV2"),
	"not listed":             answered(403, "AccessDenied", "ListObjectsV2"),
	"empty listing":          answered(200, "<ListBucketResult></ListBucketResult>", "ListObjectsV2"),
	"not read":               answered(403, "AccessDenied", "GetObject"),
	"other content":          answered(200, "<other content>", "GetObject"),
	"not copied":             answered(501, "NotImplemented", "CopyObject"),
	"parts not copied":       answered(501, "NotImplemented", "UploadPartCopy"),
	"no parts":               answered(403, "AccessDenied", "UploadPart"),
	"no multipart uploads":   answered(403, "AccessDenied", "CreateMultipartUpload"),
	"uploads not listed":     answered(403, "AccessDenied", "ListMultipartUploads"),
	"uploads hidden":         answered(200, "<ListMultipartUploadsResult></ListMultipartUploadsResult>", "ListMultipartUploads"),
	"parts not listed":       answered(403, "AccessDenied", "ListParts"),
	"parts hidden":           answered(200, "<ListPartsResult></ListPartsResult>", "ListParts"),
	"not aborted":            answered(403, "AccessDenied", "AbortMultipartUpload"),
	"not deleted":            answered(403, "AccessDenied", "DeleteObject", "DeleteObjects"),
	"not many deleted":       answered(501, "NotImplemented", "DeleteObjects"),
	"deleted without effect": answered(200, "<done>", "DeleteObject"),
	"other sizes":            answered(200, "<short>", "HeadObject"),
	"a rule":                 answered(200, abortRule, "GetBucketLifecycleConfiguration"),
	"a rule for others":      answered(200, strings.Replace(abortRule, "<Prefix>", "<Prefix>b", 1), "GetBucketLifecycleConfiguration"),
	"rules not shown":        answered(403, "AccessDenied", "GetBucketLifecycleConfiguration"),
	"checksums ignored":      ignored("X-Amz-Checksum-Crc32c"),
	"checksums refused":      answeredHeader(400, "InvalidRequest", "X-Amz-Checksum-Crc32c", ""),
	"conditions ignored":     ignored("If-"),
	"no If-Match":            answeredHeader(501, "NotImplemented", "If-Match", ""),
	"no If-None-Match":       answeredHeader(501, "NotImplemented", "If-None-Match", ""),
	"quoted ETags refused":   answeredHeader(412, "PreconditionFailed", "If-Match", `"`),
	"attributes ignored":     ignored("X-Amz-Storage-Class"),
	"1,000 part numbers": func(r *http.Request) (int, string) {
		if r.URL.Query().Get("partNumber") == "10000" {
			return 400, "InvalidArgument"
		}
		return 0, ""
	},
}

// TestCheckLines compares the output of check with testdata/check.txt. The section "nothing" has all lines for a service without a
// fault. Each other section has the lines that differ with its fault.
func TestCheckLines(t *testing.T) {
	store := embedded(t, "invoices")
	golden, err := os.ReadFile("testdata/check.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, section := range strings.Split("\n"+string(golden), "\n-- ")[1:] {
		name, lines, _ := strings.Cut(section, " --\n")
		want[name] = strings.TrimSuffix(lines, "\n") + "\n"
	}
	for name, fault := range checkFaults {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, one := range results(storageLines(t, store, fault)) {
				if name == "nothing" || !slices.Contains(results(want["nothing"]), one) {
					got = append(got, one)
				}
			}
			if text := strings.Join(got, ""); text != want[name] {
				t.Errorf("got:\n%s", text)
			}
		})
	}
	if len(want) != len(checkFaults) {
		t.Errorf("%d sections for %d faults", len(want), len(checkFaults))
	}
}

// results splits the output of check into its results, each with its advice.
func results(text string) (list []string) {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, " ") && len(list) > 0 {
			list[len(list)-1] += line
		} else {
			list = append(list, line)
		}
	}
	return list
}

var (
	probeNames = regexp.MustCompile(`s3ftpd-check-[a-z0-9]{26}`)
	clockSkew  = regexp.MustCompile(`clock is .* S3's`)
	uploadIDs  = regexp.MustCompile(`the upload \S+ of`)
)

// storageLines returns the lines of check about a service, without the parts that differ between two runs.
func storageLines(t *testing.T, store http.Handler, fault checkFault) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch status, answer := fault(r); {
		case status == 0:
			store.ServeHTTP(w, r)
		case strings.HasPrefix(answer, "<"):
			io.WriteString(w, answer)
		default:
			w.WriteHeader(status)
			if r.Method != http.MethodHead {
				io.WriteString(w, "<Error><Code>"+answer+"</Code><Message>a checksum was refused</Message></Error>")
			}
		}
	}))
	defer server.Close()
	c, err := config.Load(config.Serve, []string{"--endpoint=" + server.URL, "--bucket=invoices", "--user=alice", "--prefix=a",
		"--storage-class=REDUCED_REDUNDANCY", "--tags=a=b"}, []string{"S3FTPD_PASSWORD=x"})
	if err != nil {
		t.Fatal(err)
	}
	s := service(c, quiet)
	s.MaxBackoff = time.Millisecond
	client, err := s3fs.NewClient(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	out := newConsole()
	checkFindings(t.Context(), &report{w: out}, c, s3fs.NewFS(client, storeOptions(c, client, nil, quiet)).Probe(t.Context(), time.Minute))
	text := probeNames.ReplaceAllString(out.String(), "s3ftpd-check-NAME")
	return clockSkew.ReplaceAllString(uploadIDs.ReplaceAllString(text, "the upload ID of"), "clock is N s ahead of S3's")
}
