package faults

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// An otherFault is a fault in a command that is not an upload. The bucket has a large file "file" and a small one, "note".
type otherFault struct {
	do    string // the commands, one a line; reply is that of the last; names are in the test's directory
	rules []rule
	code  int
	holds map[string]string // by object: the object that had its content before, empty = absent
}

// TestOtherFaults makes S3, or the connection to it, fail in downloads, listings, renames and deletions. A download with 226 must
// be exact; any other must be recognizable as incomplete.
func TestOtherFaults(t *testing.T) {
	t.Parallel() // it mostly waits
	f := newFaulty(t)
	harness.AtOnce(t, otherFaults, func(t *testing.T, place string, c otherFault) {
		content := map[string][]byte{"file": first(place, largeSize), "note": first(place+" note", 1000)}
		for name, b := range content {
			putChecked(t, f.bucket, place+"/"+name, b)
		}
		w := f.bridge.Connect(t)
		w.Cmd(250, "CWD /%s", place)
		f.proxy.Script(place, c.rules...)
		code, text := 0, ""
		for line := range strings.Lines(c.do) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "RETR ") {
				code, text = fetch(t, w, line, content[line[len("RETR "):]])
			} else if strings.HasPrefix(line, "NLST") {
				code, text = w.Transfer("%s", line)
			} else {
				code, text = w.Do("%s", line)
			}
		}
		if code != c.code || strings.Contains(text, "secret") || strings.Contains(text, requestID) {
			t.Errorf("%d %s, want %d", code, text, c.code)
		}
		if ops := f.proxy.Unused(place); len(ops) > 0 {
			t.Errorf("there were no such requests, or not as many: %q", ops)
		}
		for name, has := range c.holds {
			want := "absent"
			if has != "" {
				want = harness.SumOf(t, bytes.NewReader(content[has]))
			}
			if got := f.bucket.Sum(place + "/" + name); got != want {
				t.Errorf("%s: S3 has %s, want %q", name, got, has)
			}
		}
	})
}

// putChecked puts an object with a checksum, as s3ftpd does.
func putChecked(t *testing.T, v harness.Bucket, key string, content []byte) {
	t.Helper()
	sum := binary.BigEndian.AppendUint32(nil, crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)))
	_, err := v.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &v.Name, Key: &key, Body: bytes.NewReader(content),
		ChecksumCRC32C: aws.String(base64.StdEncoding.EncodeToString(sum))}, harness.Unsigned)
	if err != nil {
		t.Fatal(err)
	}
}

// fetch downloads a file, and checks that only a complete one ends as complete.
func fetch(t *testing.T, w *harness.Client, command string, want []byte) (int, string) {
	t.Helper()
	data := w.Dial()
	defer data.Close()
	code, text := w.Do("%s", command)
	if code != 150 {
		return code, text
	}
	got, err := io.ReadAll(data)
	code, text = w.Reply()
	switch {
	case code == 226 && (err != nil || !bytes.Equal(got, want)):
		t.Errorf("226 for %d bytes that are not the file, %v", len(got), err)
	case code != 226 && err == nil:
		t.Errorf("%d after %d bytes, but the data connection ends like a whole file's", code, len(got))
	}
	return code, text
}

const (
	rename = "RNFR note\nRNTO new"
	middle = largeSize / 2
)

var (
	renamed    = map[string]string{"note": "", "new": "note"}
	notRenamed = map[string]string{"note": "note", "new": ""}
)

var otherFaults = map[string]otherFault{
	"GET is delayed":                    {do: "RETR file", rules: rules(when("GetObject", 1, late(300*time.Millisecond))), code: 226},
	"GET, 500 for a while":              {do: "RETR file", rules: rules(when("GetObject", 2, refuse(500, "InternalError"))), code: 226},
	"GET, 503 for good":                 {do: "RETR file", rules: rules(when("GetObject", always, refuse(503, "SlowDown"))), code: 451},
	"GET, no permission":                {do: "RETR file", rules: rules(when("GetObject", 1, refuse(403, "AccessDenied"))), code: 550},
	"GET, archived":                     {do: "RETR file", rules: rules(when("GetObject", 1, refuse(403, "InvalidObjectState"))), code: 550},
	"GET is reset":                      {do: "RETR file", rules: rules(when("GetObject", 1, reset)), code: 226},
	"GET is reset in the middle":        {do: "RETR file", rules: rules(when("GetObject", 1, after(middle, breaks))), code: 226},
	"GET ends early":                    {do: "RETR file", rules: rules(when("GetObject", 1, after(middle, ends))), code: 226},
	"GET, silence":                      {do: "RETR file", rules: rules(when("GetObject", 1, stall(0))), code: 226},
	"GET, silence in the middle":        {do: "RETR file", rules: rules(when("GetObject", 1, after(middle, stops))), code: 226},
	"GET ends early, changed meanwhile": {do: "RETR file", rules: rules(when("GetObject", 1, after(middle, ends)), when("GetObject", 1, refuse(412, "PreconditionFailed"))), code: 426},
	"GET ends early, deleted meanwhile": {do: "RETR file", rules: rules(when("GetObject", 1, after(middle, ends)), when("GetObject", 1, refuse(404, "NoSuchKey"))), code: 426},
	"GET ends early, then forbidden":    {do: "RETR file", rules: rules(when("GetObject", 1, after(middle, ends)), when("GetObject", always, refuse(403, "AccessDenied"))), code: 550},
	"GET, a bit flipped":                {do: "RETR file", rules: rules(when("GetObject", 1, spoil(middle))), code: 451},
	"GET of little, a bit flipped":      {do: "RETR note", rules: rules(when("GetObject", 1, spoil(500))), code: 451},

	"HEAD is delayed":       {do: "SIZE note", rules: rules(when("HeadObject", 1, late(300*time.Millisecond))), code: 213},
	"HEAD, 503 for a while": {do: "SIZE note", rules: rules(when("HeadObject", 2, refuse(503, "SlowDown"))), code: 213},
	"HEAD, 503 for good":    {do: "SIZE note", rules: rules(when("HeadObject", always, refuse(503, "SlowDown"))), code: 451},
	"HEAD is reset":         {do: "SIZE note", rules: rules(when("HeadObject", 1, reset)), code: 213},
	"HEAD, silence":         {do: "SIZE note", rules: rules(when("HeadObject", 1, stall(0))), code: 213},

	"LIST is delayed":       {do: "NLST", rules: rules(when("ListObjectsV2", 1, late(300*time.Millisecond))), code: 226},
	"LIST, 500 for a while": {do: "NLST", rules: rules(when("ListObjectsV2", 2, refuse(500, "InternalError"))), code: 226},
	"LIST, 503 for good":    {do: "NLST", rules: rules(when("ListObjectsV2", always, refuse(503, "SlowDown"))), code: 451},
	"LIST, no permission":   {do: "NLST", rules: rules(when("ListObjectsV2", always, refuse(403, "AccessDenied"))), code: 550},
	"LIST is reset":         {do: "NLST", rules: rules(when("ListObjectsV2", 1, reset)), code: 226},
	"LIST, silence":         {do: "NLST", rules: rules(when("ListObjectsV2", 1, stall(0))), code: 226},
	"LIST ends early":       {do: "NLST", rules: rules(when("ListObjectsV2", 1, after(100, ends))), code: 226},

	"copy is delayed":             {do: rename, rules: rules(when("CopyObject", 1, late(1500*time.Millisecond))), code: 250, holds: renamed},
	"copy, 503 for a while":       {do: rename, rules: rules(when("CopyObject", 2, refuse(503, "SlowDown"))), code: 250, holds: renamed},
	"copy, Error in 200":          {do: rename, rules: rules(when("CopyObject", 1, refuse(200, "InternalError"))), code: 250, holds: renamed},
	"copy, Error in 200 for good": {do: rename, rules: rules(when("CopyObject", always, refuse(200, "InternalError"))), code: 451, holds: notRenamed},
	"copy, Error in 200 but done": {do: rename, rules: rules(when("CopyObject", always, failAfter(200, "InternalError"))), code: 250, holds: renamed},
	"copy done, answer lost":      {do: rename, rules: rules(when("CopyObject", 1, lost)), code: 250, holds: renamed},
	"copy done, answers lost":     {do: rename, rules: rules(when("CopyObject", always, lost)), code: 250, holds: renamed},
	"copy, no permission":         {do: rename, rules: rules(when("CopyObject", 1, refuse(403, "AccessDenied"))), code: 550, holds: notRenamed},
	"copy, changed meanwhile":     {do: rename, rules: rules(when("CopyObject", 1, refuse(412, "PreconditionFailed"))), code: 250, holds: renamed},
	"copy, changed again":         {do: rename, rules: rules(when("CopyObject", 2, refuse(412, "PreconditionFailed"))), code: 450, holds: notRenamed},
	"renamed, deletion lost":      {do: rename, rules: rules(when("DeleteObject", 1, lost)), code: 250, holds: renamed},
	"deletion lost":               {do: "DELE note", rules: rules(when("DeleteObject", 1, lost)), code: 250, holds: map[string]string{"note": ""}},
	"deletion lost for good":      {do: "DELE note", rules: rules(when("DeleteObject", always, lost)), code: 250, holds: map[string]string{"note": ""}},
	"deletion, no permission":     {do: "DELE note", rules: rules(when("DeleteObject", 1, refuse(403, "AccessDenied"))), code: 550, holds: map[string]string{"note": "note"}},
	"a time, answer lost":         {do: "MFMT 20200102030405 note", rules: rules(when("CopyObject", 1, lost)), code: 213, holds: map[string]string{"note": "note"}},
}

// TestErrorsOfS3: each error of S3 has its reply. The log has S3's request ID, and replies do not.
func TestErrorsOfS3(t *testing.T) {
	t.Parallel() // it mostly waits
	f := newFaulty(t)
	type c struct{ status, code int }
	deletions := map[string]int{"NoSuchKey": 250, "OperationAborted": 450} // already deleted; another session changes the name
	harness.AtOnce(t, map[string]c{
		"AccessDenied": {403, 550}, "InvalidAccessKeyId": {403, 451}, "SignatureDoesNotMatch": {403, 451}, "AllAccessDisabled": {403, 550},
		"ExpiredToken": {400, 451}, "RequestTimeTooSkewed": {403, 451}, "SlowDown": {503, 451}, "ServiceUnavailable": {503, 451},
		"InternalError": {500, 451}, "TooManyRequests": {429, 451}, "NoSuchBucket": {404, 451}, "NoSuchKey": {404, 550}, "OperationAborted": {409, 451},
		"EntityTooLarge": {400, 552}, "KeyTooLongError": {400, 553}, "InvalidURI": {400, 553}, "XMinioInvalidObjectName": {400, 553},
		"QuotaExceeded": {403, 452}, "XMinioStorageFull": {507, 452}, "NotHeardOf": {507, 452}, "InvalidDigest": {400, 451},
		"MethodNotAllowed": {405, 504}, "NotImplemented": {501, 504}, "InvalidArgument": {400, 451},
	}, func(t *testing.T, place string, c c) {
		w := f.bridge.Connect(t)
		f.proxy.Script(place, when("PutObject", always, refuse(c.status, place)), when("DeleteObject", always, refuse(c.status, place)))
		u := &faultyUpload{faulty: f, uploadFault: uploadFault{size: 10}, t: t, place: place, key: place + "/file", w: w}
		code, text := u.send("STOR", 0)
		f.bucket.Put(u.key, "x")
		deleted, why := w.Do("DELE %s", u.key)
		deletion := cmp.Or(deletions[place], c.code)
		if code != c.code || deleted != deletion {
			t.Errorf("%d %s, %d %s; want %d and %d", code, text, deleted, why, c.code, deletion)
		}
		if said := text + why; strings.Contains(said, "secret") || strings.Contains(said, requestID) || strings.Contains(said, place) {
			t.Errorf("%q tells what is S3's", said)
		}
		logged := []map[string]any{f.bridge.Log.Await(t, "transfer", "name=/"+u.key)}
		if deleted != 250 {
			logged = append(logged, f.bridge.Log.Await(t, "command failed", "command=DELE", "name="+u.key))
		}
		for _, e := range logged {
			if !strings.Contains(fmt.Sprint(e["err"]), requestID) || !strings.Contains(fmt.Sprint(e["err"]), place) {
				t.Errorf("the log does not say which request S3 refused, and how: %v", e)
			}
		}
	})
}
