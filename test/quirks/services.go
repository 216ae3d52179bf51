package quirks

import "slices"

// A service is a combination of modes.
type service struct {
	name   string
	modes  []string
	option string
	source string
}

var services = []service{
	{"aws", []string{"consecutive-parts", "complete-with-blanks", "complete-hidden", "date-from-initiation", "copy-range-over-5-mib",
		"delete-objects-gone", "conditional-delete-404", "prefix-1024"}, "", "Amazon S3's documents"},
	{"aws-directory-bucket", []string{"consecutive-parts", "prefix-slash", "unsorted-lists", "no-content-md5", "no-tags", "alphanumeric-etags"},
		"", "Amazon S3's documents of directory buckets"},
	{"gcs", []string{"accept-encoding-rewritten", "checksum-excess", "delete-objects-md5-only"}, "", "see the single modes"},
	{"r2", []string{"part-copy-condition-501", "equal-parts", "opaque-etags"}, "--uniform-parts on", "see the single modes"},
	{"b2", []string{"conditions-501", "checksum-invalid-argument", "no-tags"}, "", "see the single modes"},
	{"storj", []string{"uploads-400"}, "", "see the single modes"},
	{"minio", []string{"conditions-ignored-copy-delete", "refused-storage-class", "complete-with-blanks"}, "", "see the single modes"},
	{"scaleway", []string{"at-most-1000-parts", "429-first"}, "--max-parts 1000", "see the single modes"},
	{"oci", []string{"delete-objects-md5"}, "", "see the single modes"},
	{"oss", []string{"virtual-hosts-only", "conditions-400", "upper-case-etags", "delete-objects-md5-invalid-request"}, "--path-style off", "see the single modes"},
	{"ecs", []string{"complete-etag-00"}, "", "see the single modes"},
}

// Services returns the modes of whole services.
func Services() (all []Mode) {
	single := singleModes()
	for _, s := range services {
		m := Mode{Name: "service-" + s.name, Does: "Differs as this service is known to.", Services: s.name + " (" + s.source + ")", Option: s.option, Kind: "service"}
		for _, name := range s.modes {
			i := slices.IndexFunc(single, func(m Mode) bool { return m.Name == name })
			if i < 0 {
				panic("quirks: no mode " + name)
			}
			m.quirks = append(m.quirks, single[i].quirks...)
		}
		all = append(all, m)
	}
	return all
}
