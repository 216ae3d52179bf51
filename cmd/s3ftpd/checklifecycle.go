package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// fixLifecycle adds the lifecycle rule that aborts incomplete multipart uploads.
func fixLifecycle(ctx context.Context, c *config.Config, store *s3fs.FS) result {
	x := result{Check: "fix-lifecycle", Status: statusFailed}
	days, added, err := store.FixLifecycle(ctx)
	switch {
	case err == nil && added:
		x.Status = statusOK
		x.Text = fmt.Sprintf("added a lifecycle rule that aborts incomplete multipart uploads after %d days; read back: it is there, and all other rules are unchanged", days)
	case err == nil:
		x.Status, x.Text = statusOK, fmt.Sprintf("nothing written: a lifecycle rule aborts incomplete multipart uploads after %d days", days)
	case errors.Is(err, s3fs.ErrLifecycleKept):
		x.Text, x.Advice = err.Error(), "add a rule with AbortIncompleteMultipartUpload with the service's own tools"
	case errors.Is(err, s3fs.ErrLifecycleChanged):
		x.Text, x.Advice = err.Error(), "compare the rules, and restore them with: aws s3api put-bucket-lifecycle-configuration"
	case errors.Is(err, fs.ErrPermission):
		x.Text, x.Advice = "no lifecycle rule was added: "+explain(c, err).why(err), "allow s3:GetLifecycleConfiguration and s3:PutLifecycleConfiguration"
	default:
		x.Text = "no lifecycle rule was added: " + explain(c, err).why(err)
		x.Advice = "some services take no such rule, and abort incomplete multipart uploads by themselves, as MinIO does after 24 hours"
	}
	return x
}
