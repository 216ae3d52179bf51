package s3fs

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// A KnownService is an S3 service with known properties. docs/services.md lists all of them.
type KnownService struct {
	Name         string
	Hosts        []string // patterns for the host of the endpoint, see hostMatches; none = the service is not recognized
	MaxParts     int      // highest part number of an upload; 0 = 10,000, as on AWS
	UniformParts bool     // all parts of an upload but the last must have the same size
	VirtualHost  bool     // the bucket must be in the host name
	Known        string   // what works, which option helps, what does not work
	Source       string   // of Known
	Date         string   // of Source
}

// directoryBuckets is the name of S3 Express One Zone. Its buckets are recognized by directoryBucketSuffix too.
const directoryBuckets, directoryBucketSuffix = "AWS directory buckets", "--x-s3"

// nameAWS is the name of the service that is used without an endpoint.
const nameAWS = "AWS"

// Options returns the options that are set automatically for the service, as a user would write them.
func (k KnownService) Options() (options []string) {
	if k.VirtualHost {
		options = append(options, "--path-style off")
	}
	if k.MaxParts != 0 {
		options = append(options, fmt.Sprintf("--max-parts %d", k.MaxParts))
	}
	if k.UniformParts {
		options = append(options, "--uniform-parts on")
	}
	return options
}

// KnownServices returns all known services.
func KnownServices() []KnownService { return slices.Clone(knownServices) }

// Known returns the known service of the client, for a bucket. It reports false if the service is not recognized.
func (c *Client) Known(bucket string) (KnownService, bool) {
	endpoint := c.api.Options().BaseEndpoint
	known, ok := knownByName(nameAWS), true
	if endpoint != nil {
		known, ok = knownByEndpoint(*endpoint)
	}
	if ok && known.Name == nameAWS && strings.HasSuffix(bucket, directoryBucketSuffix) {
		known = knownByName(directoryBuckets)
	}
	return known, ok
}

// PartLimits returns the limits of the client's service: the highest part number, and whether all parts but the last must
// have the same size. For most services they are those of AWS.
func (c *Client) PartLimits() (maxParts int, uniform bool) {
	known, _ := c.Known("")
	if known.MaxParts == 0 {
		return 10_000, known.UniformParts
	}
	return known.MaxParts, known.UniformParts
}

// pathStyle reports whether the bucket is in the path of URLs by default.
func pathStyle(endpoint *string) bool {
	if endpoint == nil {
		return false
	}
	known, _ := knownByEndpoint(*endpoint)
	return !known.VirtualHost
}

func knownByName(name string) KnownService {
	return knownServices[slices.IndexFunc(knownServices, func(k KnownService) bool { return k.Name == name })]
}

func knownByEndpoint(endpoint string) (KnownService, bool) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return KnownService{}, false
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	for _, k := range knownServices {
		if slices.ContainsFunc(k.Hosts, func(pattern string) bool { return hostMatches(pattern, host) }) {
			return k, true
		}
	}
	return KnownService{}, false
}

// hostMatches reports whether a host name matches a pattern. If the first label is "*", it matches one label or more; any
// other * matches characters of one label.
func hostMatches(pattern, host string) bool {
	patterns, labels := strings.Split(pattern, "."), strings.Split(host, ".")
	if patterns[0] == "*" && len(labels) >= len(patterns) {
		patterns, labels = patterns[1:], labels[len(labels)-len(patterns)+1:]
	}
	return slices.EqualFunc(patterns, labels, func(pattern, label string) bool {
		matches, err := path.Match(pattern, label)
		return matches && err == nil
	})
}

const reviewDate = "2026-11-29"

// knownServices are in the order in which their patterns are tried.
var knownServices = []KnownService{
	{Name: directoryBuckets, Hosts: []string{"s3express-*.*.amazonaws.com"}, VirtualHost: true, Date: reviewDate,
		Known: "Listings are unsorted and take only prefixes that end in a slash. There are no tags and no Content-MD5: " +
			"`--tags` and `--checksum md5` fail.",
		Source: "documented: AWS, differences for directory buckets"},
	{Name: nameAWS, Hosts: []string{"*.amazonaws.com", "*.amazonaws.com.cn"}, Date: reviewDate,
		Known: "Conditions hold on PutObject, CompleteMultipartUpload, CopyObject and DeleteObject. Buckets with Object Lock " +
			"refuse `--checksum none`.",
		Source: "documented: AWS, conditional requests, Object Lock"},
	{Name: "Google Cloud Storage", Hosts: []string{"storage.googleapis.com", "*.storage.googleapis.com"}, Date: reviewDate,
		Known: "It takes HMAC keys. It copies no parts: `APPE` to files over 5 MiB, changes of a part of them (SFTP), and renames of files over 5 GiB, fail. " +
			"Conditions are for reading only, so `STOU` and `APPE` cannot exclude that another writes at the same moment.",
		Source: "documented: rclone's provider file, Google on request preconditions, milvus-io/milvus-storage#480"},
	{Name: "Cloudflare R2", Hosts: []string{"*.r2.cloudflarestorage.com"}, UniformParts: true, Date: reviewDate,
		Known: "The region is `auto`; `us-east-1` is taken for it. It keeps no CRC32C of whole uploads, so MD5 is sent. " +
			"`--tags` and `--acl` are not implemented.",
		Source: "documented: Cloudflare, S3 API compatibility; cloudflare/cloudflare-docs#32458"},
	{Name: "Backblaze B2", Hosts: []string{"*.backblazeb2.com"}, Date: reviewDate,
		Known: "Conditions on writing are refused, so `STOU` asks first whether the name is free, and may replace a file that appears at the " +
			"same moment. `--tags` is refused, and `--acl` is for buckets only.",
		Source: "documented: Backblaze, S3 Copy Object and access control lists; obsidian-s3-sync#78"},
	{Name: "Scaleway", Hosts: []string{"*.scw.cloud"}, MaxParts: 1000, Date: reviewDate,
		Known:  "An upload has 1,000 parts at most: a larger `--memory` allows larger parts, and so larger files.",
		Source: "documented: Scaleway, rclone's provider file"},
	{Name: "Wasabi", Hosts: []string{"*.wasabisys.com"}, Date: reviewDate,
		Known:  "Nothing that differs from AWS is known. `--region` must be that of the endpoint.",
		Source: "documented: Wasabi, S3 API reference"},
	{Name: "DigitalOcean Spaces", Hosts: []string{"*.digitaloceanspaces.com"}, Date: reviewDate,
		Known: "`If-Match` is answered with 412 where its ETag has quotes, as the standard has it: an `APPE` or a deletion " +
			"that is refused so is made after a HEAD.",
		Source: "reported: slatedb/slatedb#1818"},
	{Name: "Alibaba OSS", Hosts: []string{"*.aliyuncs.com"}, VirtualHost: true, Date: reviewDate,
		Known: "Conditions on writing are refused, so `STOU` asks first whether the name is free. DeleteObjects takes Content-MD5 only. " +
			"ETags of parts are no MD5.",
		Source: "reported: treeverse/lakeFS#3490, walgit#67, milvus-io/milvus-storage#500; documented: rclone's provider file"},
	{Name: "Tencent COS", Hosts: []string{"*.myqcloud.com", "*.tencentcos.cn"}, VirtualHost: true, Date: reviewDate,
		Known:  "The name of a bucket ends in the number of the account. CRC32C is not verified: `--checksum md5` is. DeleteObjects takes Content-MD5 only.",
		Source: "documented: Tencent, 436/102489; reported: gobackup/gobackup#233, milvus-io/milvus-storage#454 and #500"},
	{Name: "Huawei OBS", Hosts: []string{"*.myhuaweicloud.com", "*.myhuaweicloud.eu"}, VirtualHost: true, Date: reviewDate,
		Known: "CRC32C is not verified: `--checksum md5` is. DeleteObjects takes Content-MD5 only. " +
			"A parallel file system (PFS) has no ListObjectsV2: use an object bucket.",
		Source: "reported: Tencent/WeKnora#3273, milvus-io/milvus-storage#454 and #500; documented: rclone's provider file"},
	{Name: "OVHcloud", Hosts: []string{"*.cloud.ovh.net", "*.cloud.ovh.us"}, Date: reviewDate,
		Known:  "DeleteObjects takes Content-MD5 only. `--region` must be that of the endpoint, e.g. `gra`.",
		Source: "reported: ovh/public-cloud-roadmap#763; documented: rclone's provider file"},
	{Name: "Oracle OCI, vhcompat", Hosts: []string{"vhcompat.objectstorage.*.oraclecloud.com", "vhcompat.objectstorage.*.oci.customer-oci.com"},
		VirtualHost: true, Date: reviewDate,
		Known:  "Only buckets that were made through the S3 API are there. Else as Oracle OCI.",
		Source: "documented: Oracle, release note of 2026-02-10"},
	{Name: "Oracle OCI", Hosts: []string{"*.compat.objectstorage.*.oraclecloud.com", "*.compat.objectstorage.*.oci.customer-oci.com"}, Date: reviewDate,
		Known:  "The bucket must be in the path. DeleteObjects takes Content-MD5 only. `--region` must be that of the endpoint.",
		Source: "documented: Oracle, virtual-hosted style; reported: benbjohnson/litestream#808"},
	{Name: "IBM COS", Hosts: []string{"*.cloud-object-storage.appdomain.cloud"}, Date: reviewDate,
		Known:  "rclone lists it without an encoding and by the first version of ListObjects. ETags of parts are no MD5.",
		Source: "documented: rclone's provider file"},
	{Name: "Storj", Hosts: []string{"gateway.storjshare.io", "*.storjshare.io"}, Date: reviewDate,
		Known: "It copies no parts: `APPE` to files over 5 MiB, changes of a part of them (SFTP), and renames of files over 5 GiB, fail. " +
			"Open uploads are listed by prefixes that end in a slash only, so those of the whole directory are listed. `--part-size 64MiB` makes best use of its segments.",
		Source: "reported: storj/edge#207, #286; documented: rclone's provider file"},
	{Name: "IDrive e2", Hosts: []string{"*.idrivee2.com", "*.idrivee2-*.com"}, Date: reviewDate,
		Known:  "Nothing that differs from MinIO, on which it is built, is known.",
		Source: "documented: rclone's provider file"},
	{Name: "Akamai (Linode)", Hosts: []string{"*.linodeobjects.com"}, Date: reviewDate,
		Known:  "It is built on Ceph. `--region` must be that of the endpoint.",
		Source: "documented: rclone's provider file"},
	{Name: "Hetzner", Hosts: []string{"*.your-objectstorage.com"}, Date: reviewDate,
		Known:  "It is built on Ceph. `--region` must be that of the endpoint.",
		Source: "documented: rclone's provider file"},
	{Name: "Exoscale", Hosts: []string{"*.exo.io"}, Date: reviewDate,
		Known:  "Nothing that differs from AWS is known.",
		Source: "not looked into"},
	{Name: "Contabo", Hosts: []string{"*.contabostorage.com"}, Date: reviewDate,
		Known:  "It is built on Ceph. The bucket must be in the path.",
		Source: "reported: GeoArchive/nextcloud-S3-local-S3-migration#15"},
	{Name: "Ceph", Date: reviewDate,
		Known:  "Conditions on PutObject hold in all versions, those on CompleteMultipartUpload since 2025 only.",
		Source: "reported: ceph/ceph#64830, ceph/s3-tests#693"},
	{Name: "Dell ECS", Date: reviewDate,
		Known:  "CompleteMultipartUpload answers with the ETag `00`.",
		Source: "reported: irods/irods_resource_plugin_s3#1924"},
	{Name: "Garage", Date: reviewDate,
		Known:  "The region is signed: `--region garage`, unless configured otherwise. `--acl`, `--tags` and `--sse` are not implemented.",
		Source: "documented: Garage, S3 compatibility status"},
	{Name: "NetApp StorageGRID", Date: reviewDate,
		Known:  "It knows SHA-256 and Content-MD5, and no CRC: `--checksum sha256`, or MD5, which is sent where CRC32C is refused.",
		Source: "documented: NetApp, S3 UploadPart"},
	{Name: "MinIO", Date: reviewDate,
		Known: "A file and a directory cannot have one name. Conditions on CopyObject, DeleteObject and DeleteObjects are ignored. " +
			"Names of more than 255 bytes between two slashes are refused.",
		Source: "tried on v0.0.0-20260212201848-7aac2a2c5b7c"},
	{Name: "versitygw", Date: reviewDate,
		Known:  "A file and a directory cannot have one name. A directory loses its time by a rename. Conditions on CopyObject and DeleteObjects are ignored.",
		Source: "tried on v1.8.0, with its POSIX backend"},
	{Name: "SeaweedFS", Date: reviewDate,
		Known: "All conditions hold. A backslash in a name needs its option `-s3.allowBackslashInKey`. An empty directory stays for a while, and until then no other " +
			"can be renamed to its name. Directories lose their times by a rename.",
		Source: "tried on v0.0.0-20261109003541-7506e5f91cd6, which is 4.53"},
	{Name: "gofakes3", Date: reviewDate,
		Known: "It verifies MD5 only, and tells the CRC32C of a content that was replaced: use `--checksum md5`. It copies no parts: `APPE` to files over 5 MiB and " +
			"changes of a part of them (SFTP) fail. Conditions hold on PutObject only. A time that was set stays with a new content.",
		Source: "tried on v1.2.0, in memory"},
}

// IsDirectoryBucket reports whether bucket is the name of a directory bucket.
func IsDirectoryBucket(bucket string) bool { return strings.HasSuffix(bucket, "--x-s3") }

// isAWS reports whether an endpoint URL is one of AWS.
func isAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	return strings.HasSuffix(u.Hostname(), ".amazonaws.com") || strings.HasSuffix(u.Hostname(), ".amazonaws.com.cn")
}

// onAWS reports whether the endpoint is one of AWS.
func (c *Client) onAWS() bool {
	endpoint := c.api.Options().BaseEndpoint
	return endpoint == nil || isAWS(*endpoint)
}
