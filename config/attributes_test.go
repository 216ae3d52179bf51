package config

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

func TestParseTags(t *testing.T) {
	var ten []string
	for i := range 10 {
		ten = append(ten, fmt.Sprintf("k%d=v", i))
	}
	longest := strings.Repeat("ü", 128) + "=" + strings.Repeat("ü", 256)
	for text, want := range map[string]int{"a=": 1, "a=b, c=d": 2, "a=+-=._:/@ 9": 1, "Größe=grün": 1, strings.Join(ten, ","): 10, longest: 1} {
		if got, err := parseTags(text); err != nil || len(got) != want {
			t.Errorf("%.40q: got %v, %v", text, got, err)
		}
	}
	if got, err := parseTags("a=b=c, d=e f"); err != nil || !maps.Equal(got, map[string]string{"a": "b=c", "d": "e f"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for text, wantErr := range map[string]string{
		"": "not a tag", "a": "not a tag", "a=b,": "not a tag", "=b": "without a key", "a=b,a=c": "only once", "aws:x=y": "AWS reserves", "AWS:x=y": "AWS reserves",
		"a=b;c": "only letters", "a\n=b": "only letters", "a=\xff": "only letters", "a&b=c": "only letters",
		strings.Join(ten, ",") + ",x=y":           "at most 10 tags, not 11",
		strings.Repeat("k", 129) + "=v":           "128",
		"k=" + strings.Repeat("v", 257):           "256",
		"\u00fc=" + strings.Repeat("\u00fc", 257): "256",
	} {
		if got, err := parseTags(text); err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%.40q: got %v, %v, want an error with %q", text, got, err, wantErr)
		}
	}
}

func TestParseAttributes(t *testing.T) {
	for _, c := range []struct {
		parse func(string) (string, error)
		text  string
		good  bool
	}{
		{orEmpty(parseStorageClass), "", true},
		{parseStorageClass, "GLACIER_IR", true},
		{parseStorageClass, "X-CLASS_9", true},
		{parseStorageClass, "Standard", false},
		{parseStorageClass, "A B", false},
		{parseStorageClass, strings.Repeat("A", 65), false},
		{parseKMSKey, "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", true},
		{parseKMSKey, "a b", false},
		{parseKMSKey, "a\r\nx-amz-acl: public-read", false},
	} {
		if got, err := c.parse(c.text); (err == nil) != c.good || err == nil && got != c.text {
			t.Errorf("%q: got %q, %v", c.text, got, err)
		}
	}
}

func TestParseUploads(t *testing.T) {
	for text, good := range map[string]bool{"250": true, "10000": true, "249": false, "10001": false, "x": false, "": false} {
		if _, err := parseParts(text); (err == nil) != good {
			t.Errorf("parts %q: %v", text, err)
		}
	}
	for text, good := range map[string]bool{"0": true, "off": true, "24h": true, "-1h": false, "-1ns": false, "1d": false, "0s": true, "": false} {
		if _, err := parseResume(text); (err == nil) != good {
			t.Errorf("resume %q: %v", text, err)
		}
	}
}

// Messages about options of the storage, and about combinations of them.
func TestStorageMistakes(t *testing.T) {
	file := writeFile(t, "s3ftpd.yaml", "sse: AES256\n")
	for args, want := range map[string]string{
		"--storage-class=standard": `--storage-class "standard": must be the name of a storage class in capitals, e.g. STANDARD_IA`,
		"--sse=aes256":             `--sse "aes256": must be AES256, aws:kms or aws:kms:dsse`,
		"--acl=mine": `--acl "mine": must be private, public-read, public-read-write, authenticated-read, aws-exec-read, bucket-owner-read ` +
			`or bucket-owner-full-control`,
		"--tags=a":                               `--tags "a": "a" is not a tag: must be key=value,key2=value2`,
		"--max-parts=249":                        `--max-parts "249": must be a number from 250 to 10000`,
		"--uniform-parts=maybe":                  `--uniform-parts "maybe": must be on, off or auto`,
		"--resume=1":                             `--resume "1": must be a duration, e.g. 24h or 90m, or 0 for off`,
		"--rename-max=0":                         `--rename-max "0": must be a number of at least 1`,
		"--list-mtime=mtime":                     `--list-mtime "mtime": must be auto, s3 or metadata`,
		"--sse-kms-key=alias/x":                  `--sse-kms-key "alias/x": requires --sse aws:kms or aws:kms:dsse, but --sse is not set`,
		"--sse-kms-key=alias/x --config=" + file: `--sse-kms-key "alias/x": requires --sse aws:kms or aws:kms:dsse, but ` + file + `:1: sse is AES256`,
		"--sse-kms-key=alias/x --sse=kms":        `--sse "kms": must be AES256, aws:kms or aws:kms:dsse`,
		"--sse-kms-key=alias/x --sse=aws:kms":    "",
		"--sse= --acl= --tags= --storage-class=": "",
	} {
		got := ""
		if _, err := load(Serve, append(strings.Fields(args), completeArgs...), completeEnv, noLimit); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", args, got, want)
		}
	}
}
