package main

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// What was configured is what the store is given.
func TestPlace(t *testing.T) {
	awsEnvironment(t)
	common := s3fs.Options{Bucket: "invoices", PartSize: 8 << 20, MaxParts: 10_000, Resume: 24 * time.Hour, RenameMax: 10_000,
		Stall: 5 * time.Minute, Log: quiet, ListMtime: "auto"}
	for args, want := range map[string]func(*s3fs.Options){
		"": func(*s3fs.Options) {},
		"--prefix=a --part-size=6MiB --stall-timeout=4s --max-parts=500 --uniform-parts=on --resume=1h --rename-max=7": func(o *s3fs.Options) {
			o.Prefix, o.PartSize, o.Stall, o.MaxParts, o.UniformParts, o.Resume, o.RenameMax = "a/", 6<<20, 4*time.Second, 500, true, time.Hour, 7
		},
		"--list-mtime=metadata": func(o *s3fs.Options) { o.ListMtime = "metadata" },
		"--resume=0":            func(o *s3fs.Options) { o.Resume = -1 },
		"--storage-class=GLACIER_IR --sse=aws:kms --sse-kms-key=k --acl=private --tags=a=b": func(o *s3fs.Options) {
			o.Attributes = s3fs.Attributes{StorageClass: "GLACIER_IR", SSE: "aws:kms", KMSKey: "k", ACL: "private", Tags: map[string]string{"a": "b"}}
		},
		"--endpoint=https://s3.fr-par.scw.cloud":                                           func(o *s3fs.Options) { o.MaxParts = 1000 },
		"--endpoint=https://s3.fr-par.scw.cloud --max-parts=10000":                         func(*s3fs.Options) {},
		"--endpoint=https://0123abcd.r2.cloudflarestorage.com":                             func(o *s3fs.Options) { o.UniformParts = true },
		"--endpoint=https://0123abcd.r2.cloudflarestorage.com --uniform-parts=off":         func(*s3fs.Options) {},
		"--endpoint=https://0123abcd.r2.cloudflarestorage.com --uniform-parts=auto --acl=": func(o *s3fs.Options) { o.UniformParts = true },
	} {
		c, err := config.Load(config.Serve, append(strings.Fields(args), "--bucket=invoices", "--user=alice"), []string{"S3FTPD_PASSWORD=x"})
		if err != nil {
			t.Fatal(err)
		}
		client, err := s3fs.Dial(t.Context(), service(c, quiet))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		wanted := common
		want(&wanted)
		b := budget.New(c.Memory)
		got := place(c, client, b, quiet)
		if got.Budget != b {
			t.Errorf("%s: not the budget of the process", args)
		}
		if got.Budget = nil; !reflect.DeepEqual(got, wanted) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", args, got, wanted)
		}
	}
}
