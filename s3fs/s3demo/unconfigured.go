package s3demo

import (
	"encoding/xml"
	"net/http"
)

// unconfigured are the resources that this store does not support, with the error code for "not configured", if any.
var unconfigured = map[string]string{
	"accelerate":          "",
	"analytics":           "",
	"cors":                "NoSuchCORSConfiguration",
	"encryption":          "ServerSideEncryptionConfigurationNotFoundError",
	"intelligent-tiering": "",
	"inventory":           "",
	"logging":             "",
	"metrics":             "",
	"notification":        "",
	"object-lock":         "ObjectLockConfigurationNotFoundError",
	"ownershipControls":   "OwnershipControlsNotFoundError",
	"policy":              "NoSuchBucketPolicy",
	"policyStatus":        "NoSuchBucketPolicy",
	"publicAccessBlock":   "NoSuchPublicAccessBlockConfiguration",
	"replication":         "ReplicationConfigurationNotFoundError",
	"requestPayment":      "",
	"restore":             "",
	"select":              "",
	"tagging":             "NoSuchTagSet",
	"torrent":             "",
	"website":             "NoSuchWebsiteConfiguration",
}

// otherResources are supported with some methods. Other methods on them must not be routed to the object or bucket.
var otherResources = []string{"acl", "attributes", "delete", "legal-hold", "lifecycle", "location", "retention", "uploadId", "uploads", "versioning", "versions"}

// otherResource returns the query parameter that selects a resource other than the object or bucket, or "".
func (q *request) otherResource() string {
	for param := range unconfigured {
		if q.query.Has(param) {
			return param
		}
	}
	for _, param := range otherResources {
		if q.query.Has(param) && q.r.Method != http.MethodHead {
			return param
		}
	}
	return ""
}

// notConfigured answers a request for a resource that the store does not support.
func (q *request) notConfigured(param string) error {
	code, known := unconfigured[param]
	switch {
	case !known:
		return refuse("MethodNotAllowed", "Method", q.r.Method, "ResourceType", param)
	case code == "" || q.key != "":
		return refuse("NotImplemented").withMessage("This store has no %s.", param)
	}
	if err := q.requireBucket(); err != nil {
		return err
	}
	switch q.r.Method {
	case http.MethodGet:
		return refuse(code, "BucketName", q.bucket)
	case http.MethodDelete:
		q.w.WriteHeader(http.StatusNoContent) // nothing is configured
		return nil
	}
	return refuse("NotImplemented").withMessage("This store has no %s.", param)
}

// requireBucket returns an error unless the bucket exists.
func (q *request) requireBucket() error {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	_, err := q.store.bucket(q.bucket)
	return err
}

func (q *request) noObjectLock() error {
	if err := q.requireBucket(); err != nil {
		return err
	}
	return invalidRequest("Bucket is missing Object Lock Configuration")
}

// owner owns all buckets and objects.
var owner = ownerAnswer{ID: "fe7272ea58be830e56fe1663b10fafef", DisplayName: "s3demo"}

type ownerAnswer struct {
	ID          string
	DisplayName string
}

type aclAnswer struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	Xmlns   string   `xml:"xmlns,attr"`
	Owner   ownerAnswer
	Grants  []grantAnswer `xml:"AccessControlList>Grant"`
}

type grantAnswer struct {
	Grantee    granteeAnswer
	Permission string
}

type granteeAnswer struct {
	Xsi  string `xml:"xmlns:xsi,attr"`
	Type string `xml:"xsi:type,attr"`
	ownerAnswer
}

// getACL answers GetObjectAcl and GetBucketAcl: the owner may do everything.
func (q *request) getACL() error {
	if err := q.requireResource(); err != nil {
		return err
	}
	return q.answer(aclAnswer{Xmlns: s3Namespace, Owner: owner, Grants: []grantAnswer{{
		granteeAnswer{"http://www.w3.org/2001/XMLSchema-instance", "CanonicalUser", owner}, "FULL_CONTROL",
	}}})
}

// putACL answers PutObjectAcl and PutBucketAcl. As by default in S3, the bucket's owner owns all objects and ACLs are off.
func (q *request) putACL() error {
	if err := q.requireResource(); err != nil {
		return err
	}
	if q.r.Header.Get("X-Amz-Acl") == "" {
		return refuse("AccessControlListNotSupported")
	}
	return checkACL(q.r.Header)
}

func checkACL(h http.Header) error {
	switch h.Get("X-Amz-Acl") {
	case "", "private", "bucket-owner-full-control":
	default:
		return refuse("AccessControlListNotSupported")
	}
	for _, name := range []string{"Read", "Write", "Read-Acp", "Write-Acp", "Full-Control"} {
		if h.Get("X-Amz-Grant-"+name) != "" {
			return refuse("AccessControlListNotSupported")
		}
	}
	return nil
}

// requireResource returns an error unless the bucket exists, and the object if the request has a key.
func (q *request) requireResource() error {
	if q.key == "" {
		return q.requireBucket()
	}
	_, _, err := q.lookUp()
	return err
}
