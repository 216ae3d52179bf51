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
	for text, says := range map[string]string{
		"": "no tag", "a": "no tag", "a=b,": "no tag", "=b": "no key", "a=b,a=c": "twice", "aws:x=y": "AWS's own", "AWS:x=y": "AWS's own",
		"a=b;c": "other characters", "a\n=b": "other characters", "a=\xff": "other characters", "a&b=c": "other characters",
		strings.Join(ten, ",") + ",x=y":           "10 tags at most; these are 11",
		strings.Repeat("k", 129) + "=v":           "128",
		"k=" + strings.Repeat("v", 257):           "256",
		"\u00fc=" + strings.Repeat("\u00fc", 257): "256",
	} {
		if got, err := parseTags(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: got %v, %v, want a word of %q", text, got, err, says)
		}
	}
}

func TestParseAttributes(t *testing.T) {
	for _, c := range []struct {
		parse func(string) (string, error)
		text  string
		good  bool
	}{
		{orNone(parseStorageClass), "", true},
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
		if _, err := orOff(text); (err == nil) != good {
			t.Errorf("resume %q: %v", text, err)
		}
	}
}

// What is wrong with the options for storage is said as for all others.
func TestMistakesOfStorage(t *testing.T) {
	file := written(t, "s3ftpd.yaml", "sse: AES256\n")
	for args, want := range map[string]string{
		"--storage-class=standard": `--storage-class "standard": the name of a storage class is wanted, in capitals, such as STANDARD_IA or INTELLIGENT_TIERING`,
		"--sse=aes256":             `--sse "aes256": AES256, aws:kms or aws:kms:dsse is wanted`,
		"--acl=mine": `--acl "mine": private, public-read, public-read-write, authenticated-read, aws-exec-read, bucket-owner-read ` +
			`or bucket-owner-full-control is wanted`,
		"--tags=a":                               `--tags "a": "a" is no tag; tags are written key=value,key2=value2`,
		"--max-parts=249":                        `--max-parts "249": a number from 250 to 10000 is wanted`,
		"--uniform-parts=maybe":                  `--uniform-parts "maybe": on, off or auto is wanted`,
		"--resume=1":                             `--resume "1": a duration such as 24h or 90m is wanted, or 0 for off`,
		"--rename-max=0":                         `--rename-max "0": a number from 1 on is wanted`,
		"--list-mtime=mtime":                     `--list-mtime "mtime": auto, s3 or metadata is wanted`,
		"--sse-kms-key=alias/x":                  `--sse-kms-key "alias/x": is used with --sse aws:kms or aws:kms:dsse alone, and neither is set`,
		"--sse-kms-key=alias/x --config=" + file: `--sse-kms-key "alias/x": is used with --sse aws:kms or aws:kms:dsse alone, and ` + file + `:1: sse is AES256`,
		"--sse-kms-key=alias/x --sse=kms":        `--sse "kms": AES256, aws:kms or aws:kms:dsse is wanted`,
		"--sse-kms-key=alias/x --sse=aws:kms":    "",
		"--sse= --acl= --tags= --storage-class=": "",
	} {
		got := ""
		if _, err := load(Serve, append(strings.Fields(args), completeArgs...), completeEnv, machine); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", args, got, want)
		}
	}
}
