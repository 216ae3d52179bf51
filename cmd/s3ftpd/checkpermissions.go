package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// permissionLosses describes the features that are lost without an optional permission.
var permissionLosses = map[string]string{
	"s3:ListBucketMultipartUploads": "broken uploads cannot be resumed",
	"s3:ListMultipartUploadParts":   "broken uploads cannot be resumed",
	"s3:GetLifecycleConfiguration":  "check cannot see whether a lifecycle rule aborts incomplete multipart uploads",
	"s3:GetObjectTagging":           "files with tags cannot be renamed",
	"s3:PutObjectTagging":           "files with tags cannot be renamed",
}

// permissionResult returns the result for one permission.
func permissionResult(found s3fs.Finding) result {
	x := result{Check: "permission", Status: statusOK, Text: found.Action + " is allowed", Action: found.Action}
	switch {
	case found.Err == nil:
		return x
	case !errors.Is(found.Err, fs.ErrPermission):
		x.Status, x.Text = statusWarning, found.Action+" is unknown: no request could show it"
		x.Advice = "fix what failed above, and run check again"
		return x
	}
	x.Status, x.Text, x.Advice = statusFailed, found.Action+" is denied", "allow "+found.Action
	if !found.Required {
		x.Status = statusWarning
	}
	if loss := permissionLosses[found.Action]; loss != "" && !found.Required {
		x.Text += ": " + loss
	}
	return x
}

// A statement is a statement of an IAM policy.
type statement struct {
	Effect   string
	Action   []string
	Resource string
}

// bucketActions are the permissions on the bucket. All others are on objects or on KMS keys.
var bucketActions = []string{"s3:ListBucket", "s3:ListBucketMultipartUploads", "s3:GetLifecycleConfiguration", "s3:PutLifecycleConfiguration"}

// policy returns an IAM policy that allows actions, as one line of JSON.
func policy(c *config.Config, actions []string) string {
	bucket := "arn:" + partition(c.Region) + ":s3:::" + c.Bucket
	key := "*"
	if strings.HasPrefix(c.SSEKMSKey, "arn:") {
		key = c.SSEKMSKey
	}
	var statements []statement
	for _, action := range actions {
		resource := bucket + "/" + c.Prefix + "*"
		switch {
		case action == s3fs.CreateSession: // this ARN has the ID of the account, which is not known here
			resource = "arn:" + partition(c.Region) + ":s3express:*:*:bucket/" + c.Bucket
		case slices.Contains(bucketActions, action):
			resource = bucket
		case strings.HasPrefix(action, "kms:"):
			resource = key
		}
		i := slices.IndexFunc(statements, func(s statement) bool { return s.Resource == resource })
		if i < 0 {
			i = len(statements)
			statements = append(statements, statement{Effect: "Allow", Resource: resource})
		}
		statements[i].Action = append(statements[i].Action, action)
	}
	text, err := json.Marshal(struct {
		Version   string
		Statement []statement
	}{"2012-10-17", statements})
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// partition returns the AWS partition of a region, the second field of an ARN.
func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
