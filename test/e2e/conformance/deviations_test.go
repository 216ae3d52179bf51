package conformance

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A deviation is a check of test/conformance that does not pass, and the reason why that is right.
type deviation struct{ check, clause, here, why string }

// failing are all the checks that may fail; the table of them in docs/conformance.md is the same.
var failing = []deviation{
	{"name.control-tab", "RFC 3659, 2.2; RFC 2640, 3 (SHOULD)", "`553` to a name with a tab",
		"Names have no control characters: they would forge lines in listings and in logs. 553 is the reply for that (RFC 959, 5.4)."},
	{"name.del", "RFC 3659, 2.2; RFC 2640, 3 (SHOULD)", "`553` to a name with DEL", "The same."},
	{"xfer.stor-under-file", "RFC 959, 5.4 (MUST)", "`226` to STOR `a/b` where `a` is a file",
		"A bucket can hold `a` and `a/b`, and other programs make such. Both are kept: the file wins in SIZE and RETR, the directory in CWD."},
	{"tls.inject", "CVE-2011-0411 and its like (MUST)", "`503` and the end of the session, where the check looks for 234 or a closed connection",
		"What follows AUTH in clear is nobody's word. Nothing of it is obeyed, and the client is told."},
}

// skipped are all the checks that are skipped in every run, for lack of the feature; docs/conformance.md has the same table.
var skipped = []deviation{
	{"info.lang", "RFC 2640, 4.1", "no LANG", "Replies are in English."},
	{"mff.ok", "draft-somers-ftp-mfxx, 5", "no MFF", "MFMT sets the time, and there is no other fact to set."},
	{"tls.ccc", "RFC 4217, 5", "`534` to CCC", "Allowed: in clear anybody between could go on in the client's name."},
}

// table returns deviations as docs/conformance.md shows them.
func table(ds []deviation) string {
	text := "| check | from | here | why |\n|---|---|---|---|\n"
	for _, d := range ds {
		text += fmt.Sprintf("| `%s` | %s | %s | %s |\n", d.check, d.clause, d.here, d.why)
	}
	return text
}

// TestConformanceDocumented: docs/conformance.md names exactly the checks that do not pass.
func TestConformanceDocumented(t *testing.T) {
	text, err := os.ReadFile(harness.Root + "/docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, ds := range map[string][]deviation{"failing": failing, "skipped": skipped, "rclone": rcloneFailing, "rclone-sftp": sftpFailing} {
		want := fmt.Sprintf("<!-- %s -->\n%s<!-- /%[1]s -->\n", name, table(ds))
		if !strings.Contains(string(text), want) {
			t.Errorf("docs/conformance.md does not have\n%s", want)
		}
	}
}

func lists(ds []deviation, check string) bool {
	return slices.ContainsFunc(ds, func(d deviation) bool { return d.check == check })
}
