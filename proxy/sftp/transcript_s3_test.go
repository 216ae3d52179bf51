package sftp

import (
	"errors"
	"io"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/quirks"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// needsMemory reports whether a transcript lets time pass, or makes the store fail.
func needsMemory(text string) bool {
	for _, line := range []string{"\nT>", "\n! fail", "\n! slow"} {
		if strings.Contains(text, line) {
			return true
		}
	}
	return false
}

// TestTranscriptsOnS3 plays the transcripts on the embedded store and on MinIO, each below a prefix of its own, in real time. Those
// that let time pass or make the store fail need the store in memory.
func TestTranscriptsOnS3(t *testing.T) {
	for name, server := range s3Servers(t) {
		t.Run(name, func(t *testing.T) {
			bucket := "transcripts"
			if _, err := server.Client().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
				t.Fatal(err)
			}
			keys := server.Client().Options().Credentials
			client, err := s3fs.NewClient(t.Context(), s3fs.Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys})
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			played := 0
			for pattern, run := range map[string]func(*testing.T, scriptStore, string){
				transcripts: func(t *testing.T, store scriptStore, text string) { play(t, store, text) },
				"scp/*.scp": playSCP,
			} {
				for name, text := range scripts(t, pattern) {
					if needsMemory(text) {
						continue
					}
					played++
					t.Run(name, func(t *testing.T) {
						prefix := path.Join(path.Dir(pattern), name)
						run(t, &bucketStore{s3fs.NewFS(client, s3fs.Options{Bucket: bucket, Prefix: prefix}), server.Client(), bucket, prefix + "/"}, text)
					})
				}
			}
			if played < 40 {
				t.Errorf("only %d transcripts", played)
			}
		})
	}
}

// s3Servers returns the embedded store and, unless the tests must be short, MinIO.
func s3Servers(t *testing.T) map[string]*real.S3 {
	t.Helper()
	servers := map[string]*real.S3{"embedded": embeddedS3(t)}
	if !testing.Short() {
		servers["MinIO"] = real.MinIO(t)
	}
	return servers
}

// embeddedS3 returns the embedded store, with the quirks of other services.
func embeddedS3(t *testing.T, modes ...quirks.Mode) *real.S3 {
	t.Helper()
	demo, err := s3demo.Open(t.TempDir(), s3demo.Options{Keys: map[string]string{quirks.AccessKey: quirks.SecretKey}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { demo.Close() })
	server := httptest.NewServer(quirks.Wrap(demo.Handler(), modes...))
	t.Cleanup(server.Close)
	return &real.S3{Endpoint: server.URL, AccessKey: quirks.AccessKey, SecretKey: quirks.SecretKey, Region: "us-east-1"}
}

// A bucketStore is the part of a bucket below a prefix.
type bucketStore struct {
	*s3fs.FS
	api            *s3.Client
	bucket, prefix string
}

// prepare implements scriptStore.
func (b *bucketStore) prepare(t testing.TB, kind, name, data string) bool {
	var err error
	switch kind {
	case "file":
		_, err = b.Put(t.Context(), name, storetest.WithModTime(strings.NewReader(data), time.Unix(1_000_000_000, 0)), proxy.Write{})
	case "dir":
		_, err = b.Mkdir(t.Context(), name)
	case "resumable":
		broken := errors.New("broken in a test")
		_, err = b.Put(t.Context(), name, storetest.Source(io.MultiReader(strings.NewReader(data), iotest.ErrReader(broken))), proxy.Write{})
		if errors.Is(err, broken) {
			err = nil
		}
	default:
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// contents implements scriptStore.
func (b *bucketStore) contents(t testing.TB) (lines []string) {
	objects, err := b.api.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &b.bucket, Prefix: &b.prefix})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects.Contents {
		object, err := b.api.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &b.bucket, Key: o.Key})
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(object.Body)
		object.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		name := "/" + strings.TrimPrefix(*o.Key, b.prefix)
		lines = append(lines, strings.TrimRight(name+" "+shorten(string(data)), " "))
	}
	slices.Sort(lines)
	return lines
}

// resumable implements scriptStore.
func (b *bucketStore) resumable(t testing.TB, names []string) map[string]int64 {
	sizes := make(map[string]int64)
	for _, name := range names {
		key := b.prefix + strings.TrimPrefix(name, "/") // MinIO lists the uploads of a key only
		uploads, err := b.api.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &b.bucket, Prefix: &key})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range uploads.Uploads {
			parts, err := b.api.ListParts(t.Context(), &s3.ListPartsInput{Bucket: &b.bucket, Key: u.Key, UploadId: u.UploadId})
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts.Parts {
				if *p.PartNumber < 5000 { // not one that says who resumes the upload
					sizes[name] += *p.Size
				}
			}
		}
	}
	return sizes
}

// lost implements scriptStore. S3 completes an upload only if all parts but the last have at least 5 MiB.
func (*bucketStore) lost() int64 { return 5<<20 - 1 }
