package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// A checkText has the texts for the result of one S3 check.
type checkText struct {
	check      string // result.Check
	ok, failed string // result.Text
	loss       string // the consequence for users, appended to failed
	advice     string // used if the error's cause is unknown
}

var checkTexts = map[s3fs.Check]checkText{
	s3fs.CheckBucket: {check: "bucket", ok: "the bucket answers", failed: "the bucket does not answer"},
	s3fs.CheckPut:    {check: "put", ok: "an object can be put", failed: "an object cannot be put, and checks that need one are left out"},
	s3fs.CheckAttributes: {"attributes", "the object has the configured attributes", "the object lacks configured attributes",
		"files are stored without them", "check --storage-class, --sse and --tags"},
	s3fs.CheckRead: {check: "read", ok: "the object can be read, and its content is right", failed: "the object cannot be read"},
	s3fs.CheckList: {check: "list", ok: "the object is listed", failed: "the object is not listed"},
	s3fs.CheckDamaged: {"checksum", "content that does not match its checksum is refused", "content that does not match its checksum is not refused",
		"S3 does not verify uploads", "try another --checksum"},
	s3fs.CheckPutNew: {"put-if-none-match", "STOU: PutObject obeys If-None-Match", "STOU: PutObject does not obey If-None-Match",
		"STOU may replace a file that appears at the same moment", ""},
	s3fs.CheckPutUnchanged: {"put-if-match", "APPE: PutObject obeys If-Match", "APPE: PutObject does not obey If-Match",
		"APPE may replace a file that another client writes at the same moment", ""},
	s3fs.CheckCopy: {check: "copy", ok: "an object can be copied", failed: "an object cannot be copied"},
	s3fs.CheckCopyNew: {"copy-if-none-match", "RNTO: CopyObject obeys If-None-Match", "RNTO: CopyObject does not obey If-None-Match",
		"RNTO of a directory may replace a file that appears at the new name at the same moment", ""},
	s3fs.CheckMultipart: {check: "multipart", ok: "an object can be uploaded in parts, and HEAD shows it", failed: "an object cannot be uploaded in parts"},
	s3fs.CheckPartCopy: {"part-copy", "a part can be copied from an object", "a part cannot be copied from an object",
		"APPE to files of 5 MiB and more fails, and so does RNTO of files over 5 GiB", ""},
	s3fs.CheckCompleteMatch: {"complete-conditions", "CompleteMultipartUpload obeys If-None-Match and If-Match",
		"CompleteMultipartUpload does not obey If-None-Match and If-Match",
		"STOU and APPE may replace a file that another client writes at the same moment", ""},
	s3fs.CheckResume: {"resume", "a broken upload can be resumed", "a broken upload cannot be resumed",
		"clients upload such files from the beginning", "--resume 0 saves the requests"},
	s3fs.CheckAbort: {check: "abort", ok: "a multipart upload can be aborted", failed: "a multipart upload cannot be aborted"},
	s3fs.CheckLifecycle: {"lifecycle", "a lifecycle rule aborts incomplete multipart uploads", "no lifecycle rule is known to abort incomplete multipart uploads",
		"their parts stay, hidden and billed", "run s3ftpd check --fix-lifecycle; MinIO takes no such rule, and aborts them by itself after 24 hours"},
	s3fs.CheckDeleteMatch: {"delete-if-match", "RNTO: DeleteObject obeys If-Match", "RNTO: DeleteObject does not obey If-Match",
		"RNTO may delete a file that another client writes to the old name at the same moment", ""},
	s3fs.CheckDeleteMany: {"delete-many", "several objects can be deleted at once", "several objects cannot be deleted at once",
		"files that RNTO has moved with their directory stay under the old name too", ""},
	s3fs.CheckDelete:  {check: "delete", ok: "an object can be deleted", failed: "an object cannot be deleted"},
	s3fs.CheckLeft:    {check: "clean-up", failed: "objects of the check could not be removed", advice: "remove them by hand"},
	s3fs.CheckFeature: {check: "feature"},
}

// checksumWords describes the values of --checksum in prose.
var checksumWords = map[string]string{"crc32c": "a CRC32C checksum", "crc32": "a CRC32 checksum", "sha256": "a SHA-256 checksum",
	"md5": "an MD5 checksum", "none": "no checksum"}

// attributeOptions maps response headers to the options that configure these attributes of objects.
var attributeOptions = map[string]string{"x-amz-storage-class": "--storage-class", "x-amz-server-side-encryption": "--sse", "x-amz-tagging-count": "--tags"}

// checkFindings reports findings until ctx is done. Later requests fail because they are cancelled: their errors say nothing
// about S3.
func checkFindings(ctx context.Context, r *report, c *config.Config, findings iter.Seq[s3fs.Finding]) {
	var missing []string // IAM permissions
	for found := range findings {
		switch {
		case ctx.Err() != nil:
			return
		case found.Check == s3fs.CheckClock:
			r.add(clockResult(found.Skew))
		case found.Check == s3fs.CheckPermission:
			r.add(permissionResult(found))
			if errors.Is(found.Err, fs.ErrPermission) {
				missing = append(missing, found.Action)
			}
		default:
			r.add(findingResult(c, found))
		}
	}
	if len(missing) > 0 {
		r.warn("policy", policy(c, missing), "the keys lack permissions: %s; this IAM policy grants them", strings.Join(missing, ", "))
	}
}

// Limits of the difference between this clock and S3's: check warns above skewWarned, and AWS refuses requests above skewRefused.
const (
	skewWarned  = time.Minute
	skewRefused = 15 * time.Minute
)

// clockResult returns the result for skew, the time that this machine's clock is ahead of S3's.
func clockResult(skew time.Duration) result {
	x := result{Check: "clock", Status: statusOK, Text: fmt.Sprintf("this machine's clock is %.0f s ahead of S3's", skew.Seconds())}
	if skew < 0 {
		x.Text = fmt.Sprintf("this machine's clock is %.0f s behind S3's", -skew.Seconds())
	}
	switch skew = skew.Abs(); {
	case skew > skewRefused:
		x.Status, x.Text = statusFailed, x.Text+", and S3 refuses requests beyond 15 min"
	case skew > skewWarned:
		x.Status, x.Text = statusWarning, x.Text+"; beyond 15 min S3 refuses requests"
	}
	if x.Status != statusOK {
		x.Advice = "set the clock, and keep it right with NTP (timedatectl set-ntp true)"
	}
	return x
}

// findingResult returns the result of a check of S3.
func findingResult(c *config.Config, found s3fs.Finding) result {
	cause := explain(c, found.Err)
	text := checkTexts[found.Check]
	x := result{Check: text.check, Status: statusWarning, Action: found.Action}
	switch {
	case found.Err == nil:
		x.Status, x.Text = statusOK, text.ok+detail(found)
	case found.Check == s3fs.CheckFeature:
		x.Text = fmt.Sprintf("%s: %s; %s", unsupported(found.Refusal), cause.why(found.Err), found.Refusal.Feature.Instead())
		x.Advice = cmp.Or(found.Refusal.Feature.Option(), cause.advice)
	case found.Check == s3fs.CheckBucket && errors.Is(found.Err, fs.ErrPermission):
		x.Status, x.Text, x.Advice = statusFailed, "the bucket answers, but cannot be listed: "+cause.why(found.Err), cause.advice
	default:
		x.Text, x.Advice = fmt.Sprintf("%s%s: %s", text.failed, leftBehind(found.Left), cmp.Or(differences(found), cause.why(found.Err))), cmp.Or(cause.advice, text.advice)
		if text.loss != "" {
			x.Text += "; " + text.loss
		}
		if found.Required {
			x.Status = statusFailed
		}
	}
	return x
}

// detail returns details to append to the text of a check that succeeded.
func detail(found s3fs.Finding) string {
	var text string
	switch {
	case found.Check == s3fs.CheckPut:
		text = "with " + checksumWords[found.Checksum]
	case found.Check == s3fs.CheckAttributes:
		var kept []string
		for _, a := range found.Attributes {
			kept = append(kept, attributeOptions[a.Header]+" "+a.Kept)
		}
		text = strings.Join(kept, ", ")
	case found.OtherETag:
		text = "with another ETag than CompleteMultipartUpload returned"
	case found.Check == s3fs.CheckLifecycle:
		text = fmt.Sprintf("%d days after they began", found.AbortDays)
	}
	if text != "" {
		text = ", " + text
	}
	return text
}

// differences lists the attributes that S3 stored otherwise than configured. It returns "" if all are right.
func differences(found s3fs.Finding) string {
	var list []string
	for _, a := range found.Attributes {
		if a.Differs() {
			list = append(list, fmt.Sprintf("%s is %q, not %q", attributeOptions[a.Header], a.Kept, a.Configured))
		}
	}
	return strings.Join(list, ", ")
}

// leftBehind lists, as a text to append, the objects and uploads that the checks could not remove.
func leftBehind(left []s3fs.LeftBehind) string {
	var names []string
	for _, l := range left {
		name := strconv.Quote(l.Key)
		if l.UploadID != "" {
			name = fmt.Sprintf("the upload %s of %s", l.UploadID, name)
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

// unsupported returns a text about a feature that the service refused.
func unsupported(r s3fs.Refusal) string {
	text := "not supported: " + string(r.Feature)
	if r.Scope != "" {
		text += " (" + r.Scope + ")"
	}
	return text
}

// why returns the reason followed by the error in brackets, or the error alone if the reason is unknown.
func (x explanation) why(err error) string {
	text := errorText(err)
	if e, ok := errors.AsType[*s3fs.RequestError](err); ok {
		text = e.Error()
	}
	if x.reason == "" {
		return text
	}
	return x.reason + " (" + text + ")"
}
