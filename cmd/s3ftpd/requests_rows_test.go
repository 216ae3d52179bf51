package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
)

// A rowCheck tests one row of the table in docs/requests.md.
type rowCheck struct {
	there     []string       // files with one line, or directory markers, that exist before
	many      int            // number of files in /many
	per       map[string]int // factors for costs per unit, such as "part": 3
	first     []act          // steps before, which are not counted
	each      []act          // steps that must each cost the requests in the row
	times     string         // value of --list-mtime
	quota     bool           // of the user
	spent     bool           // with --resume 0: broken uploads cannot be resumed
	checksum  string         // kind of checksum of all uploads; "" = default
	options   []string       // options of the server
	elsewhere string         // file of the test that covers the row instead, because the row needs files too large for this test
}

const largeCopies = "s3fs/copy_requests_test.go"

const partSize = 5 << 20

// longer begins an upload, and returns when S3 has received its first part and its lease.
var longer = untilParts(2)

// untilParts begins an upload of more than one part, and waits for n UploadPart requests.
func untilParts(n int) act {
	return both(begin("STOR f", partSize+1, 150), func(t *testing.T, c *caller) { c.meter.await(t, "UploadPart", n) })
}

// rowChecks are the checks by the first column of the table.
var rowChecks = map[string]rowCheck{
	"`STOR`, up to one part":                               {each: []act{send("STOR f", 0), send("STOR f", 1), send("STOR d/f", partSize)}},
	"`STOR`, up to one part, of a user with a quota":       {quota: true, there: []string{"f"}, each: []act{send("STOR f", 1), send("STOR g", 1)}},
	"`APPE` to a file up to 5 MiB, of a user with a quota": {quota: true, there: []string{"f"}, each: []act{send("APPE f", 1)}},
	"`STOU`, up to one part":                               {each: []act{send("STOU", 0), send("STOU f.txt", partSize)}},
	"`STOR`, longer":                                       {per: map[string]int{"part": 3}, each: []act{send("STOR f", 2*partSize+1), send("STOR f", 2*partSize+1000)}},
	"`ABOR` of an upload before its first part is full":    {each: []act{both(begin("STOR f", 1000, 150), say("ABOR", 426, 226))}},
	"`ABOR` of a longer upload":                            {first: []act{longer}, each: []act{say("ABOR", 426, 226)}},
	"`ABOR` of a longer upload, with `--resume 0`":         {spent: true, first: []act{untilParts(1)}, each: []act{say("ABOR", 426, 226)}},
	"`STOR` after `REST`, of an upload that broke": {per: map[string]int{"part": 3}, first: []act{longer, say("ABOR", 426, 226)},
		each: []act{both(say(fmt.Sprint("REST ", partSize+1), 350), send("STOR f", 2*partSize+1))}},
	"`APPE`, of an upload that broke, after `SIZE`": {per: map[string]int{"part": 1},
		first: []act{longer, say("ABOR", 426, 226), say("SIZE f", 213)}, each: []act{send("APPE f", 1)}},
	"`APPE` of no bytes to a file":       {there: []string{"f"}, each: []act{send("APPE f", 0)}},
	"`APPE` to a file that is not there": {each: []act{send("APPE f", 1)}},
	"`APPE` to a file up to 5 MiB":       {there: []string{"f"}, each: []act{send("APPE f", 1), send("APPE f", 1000)}},
	"`APPE` to a longer file": {per: map[string]int{"512 MiB": 1, "part": 1}, first: []act{send("STOR f", partSize+1)},
		each: []act{send("APPE f", 1), send("APPE f", partSize)}},
	"`STOR` after `REST`, within the first 5 MiB of a file": {there: []string{"f"},
		each: []act{both(say("REST 1", 350), send("STOR f", 3)), both(say("REST 4", 350), send("STOR f", 3))}},
	"`STOR` after `REST`, farther into a file": {per: map[string]int{"512 MiB": 1, "part": 1}, first: []act{send("STOR f", 2*partSize)},
		each: []act{both(say(fmt.Sprint("REST ", partSize+1), 350), send("STOR f", 3))}},
	"`STOR` after `REST`, with an offset that does not fit": {there: []string{"f"},
		each: []act{both(say("REST 6", 350), refused("STOR f", 554)), both(say("REST 1", 350), refused("STOR g", 554))}},
	"`RETR`, also after `REST`": {there: []string{"f"},
		each: []act{fetch("RETR f", 1), both(say("REST 1", 350), fetch("RETR f", 1)), refused("RETR nothing", 550)}},
	"`RETR` after `REST` with the file's size": {there: []string{"f"}, each: []act{both(say("REST 5", 350), fetch("RETR f", 0))}},
	"`SIZE`, `MDTM`, `MLST`, `RNFR`": {there: []string{"f", "d/f"}, each: []act{say("SIZE f", 213), say("MDTM f", 213), say("MLST f", 250),
		say("MLST d", 250), say("RNFR f", 350), say("RNFR d", 350), say("SIZE d", 550)}},
	"`RNFR` of the file that the session has just stored": {first: []act{send("STOR f.part", 1)},
		each: []act{both(say("PWD", 257), say("RNFR f.part", 350))}},
	"`SIZE`, `MDTM`, `MLST`, `RNFR` of a name that is not there": {
		each: []act{say("SIZE f", 550), say("MDTM f", 550), say("MLST f", 550), say("RNFR f", 550)}},
	"`SIZE`, `MLST` of an upload that broke": {first: []act{longer, say("ABOR", 426, 226)},
		each: []act{say("SIZE f", 213), say("MLST f", 250)}},
	"`MLST` of the root":   {each: []act{say("MLST", 250), say("MLST /", 250)}},
	"`MFMT`, `SITE UTIME`": {there: []string{"f"}, each: []act{say("MFMT 20260102030405 f", 213), say("SITE UTIME 20260102030405 f", 200)}},
	"`MDTM` with a time in front of the name, which sets it": {there: []string{"f"}, each: []act{say("MDTM 20260102030405 f", 213)}},
	"`HASH` of a file whose checksum S3 keeps":               {checksum: "sha256", there: []string{"f"}, each: []act{say("HASH f", 213)}},
	"`HASH` of another file": {there: []string{"f"}, each: []act{say("HASH f", 213),
		both(say("OPTS HASH MD5", 200), say("HASH f", 213)), both(say("TYPE A", 200), say("HASH f", 213))}},
	"`HASH` after `RANG` from the first octet on":                    {there: []string{"f"}, each: []act{both(say("RANG 0 3", 350), say("HASH f", 213))}},
	"`HASH` after another `RANG`":                                    {there: []string{"f"}, each: []act{both(say("RANG 1 3", 350), say("HASH f", 213))}},
	"`XCRC` of a file whose CRC32 S3 keeps, and the others likewise": {checksum: "crc32", there: []string{"f"}, each: []act{say("XCRC f", 250)}},
	"`XCRC`, `XMD5`, `XSHA1`, `XSHA256`, `XSHA512` of another file": {there: []string{"f"}, each: []act{say("XCRC f", 250), say("XMD5 f", 250),
		say("XSHA1 f", 250), say("XSHA256 f", 250), say("XSHA512 f", 250)}},
	"`XCRC` of a range from the first octet on":        {there: []string{"f"}, each: []act{say("XCRC f 0 4", 250), say("XCRC \"f\" 0 1", 250)}},
	"`XCRC` of another range":                          {there: []string{"f"}, each: []act{say("XCRC f 1 5", 250), say("XCRC \"f\" 1 2", 250)}},
	"`XCRC` of a name in quotes, whose CRC32 S3 keeps": {checksum: "crc32", there: []string{"f"}, each: []act{say("XCRC \"f\"", 250)}},
	"`MFMT`, `SITE UTIME` of a file over 5 GiB":        {elsewhere: largeCopies},
	"`LIST`, `NLST`, `MLSD`, `STAT` of a directory": {many: 1001, per: map[string]int{"1,000 entries": 2},
		each: []act{fetch("LIST many", 1001), fetch("NLST many", 1001), fetch("MLSD many", 1001), say("STAT many", 213)}},
	"`LIST`, `NLST`, `MLSD`, `STAT` of a directory, with `--list-mtime metadata`": {many: 1001, times: "metadata",
		per:  map[string]int{"1,000 entries": 2, "file": 1001},
		each: []act{fetch("LIST many", 1001), fetch("NLST many", 1001), fetch("MLSD many", 1001), say("STAT many", 213)}},
	"`LIST`, `NLST`, `STAT` of a pattern that begins with `*`": {there: []string{"many/g"}, many: 1001, per: map[string]int{"1,000 entries": 2},
		each: []act{fetch("LIST many/*", 1002), fetch("NLST many/*7", 100), say("STAT many/*", 213)}},
	"`LIST`, `NLST`, `STAT` of another pattern": {there: []string{"many/g"}, many: 1001, per: map[string]int{"1,000 entries that begin like it": 2},
		each: []act{fetch("LIST many/f*", 1001), fetch("NLST many/f*7", 100), say("STAT many/f*", 213)}},
	"`LIST`, `NLST`, `STAT` of a file": {there: []string{"f"}, each: []act{fetch("LIST f", 1), fetch("NLST f", 1), say("STAT f", 213)}},
	"`LIST`, `NLST`, `MLSD`, `STAT` of a name that is not there": {
		each: []act{refused("LIST d", 550), refused("NLST d", 550), refused("MLSD d", 550), say("STAT d", 550)}},
	"`CWD`, `XCWD` into a directory that the session knows": {first: []act{send("STOR a/b/f", 1), say("MKD d", 257)},
		each: []act{say("CWD /a/b", 250), say("XCWD ..", 250), say("CWD /d", 250), say("CWD /", 250)}},
	"`CWD`, `XCWD` into another": {there: []string{"a/b/f", "c/"}, each: []act{say("CWD a/b", 250), say("XCWD /c", 250), say("CWD d", 550)}},
	"`MKD`, `XMKD`":              {there: []string{"a/f"}, each: []act{say("MKD a/b", 257), say("XMKD d", 257)}},
	"`CWD`, `XCWD` into one that is not there, with `--lenient-dirs`": {options: []string{"--lenient-dirs"},
		each: []act{say("CWD a/b", 250), say("XCWD /c", 250)}},
	"`MKD`, `XMKD` of a directory that is there, with `--lenient-dirs`": {options: []string{"--lenient-dirs"}, there: []string{"a/f", "b/"},
		each: []act{say("MKD a", 257), say("XMKD b", 257)}},
	"`MKD`, `XMKD` of another, with `--lenient-dirs`": {options: []string{"--lenient-dirs"}, each: []act{say("MKD a", 257), say("XMKD b/c", 257)}},
	"`RMD`, `XRMD`":                          {there: []string{"a/", "b/"}, each: []act{say("RMD a", 250), say("XRMD b", 250)}},
	"`RMD` of a directory that is not empty": {there: []string{"d/", "d/f", "e/f"}, each: []act{say("RMD d", 550), say("RMD e", 550)}},
	"`RMD` of a directory that vanished with its last file": {there: []string{"d/f"}, first: []act{say("DELE d/f", 250)},
		each: []act{say("RMD d", 250)}},
	"`DELE`":                             {there: []string{"f", "d/f"}, each: []act{say("DELE f", 250), say("DELE d/f", 250)}},
	"`DELE` of a directory":              {there: []string{"d/f"}, each: []act{say("DELE d", 550)}},
	"`DELE` of a name that is not there": {each: []act{say("DELE nothing", 550)}},
	"`DELE` of an upload that broke":     {first: []act{longer, say("ABOR", 426, 226)}, each: []act{say("DELE f", 250)}},
	"`RNTO`, of a user with a quota":     {quota: true, there: []string{"f", "g"}, first: []act{say("RNFR f", 350)}, each: []act{say("RNTO g", 250)}},
	"`DELE`, of a user with a quota":     {quota: true, there: []string{"f"}, each: []act{say("DELE f", 250)}},
	"the first login of a user with a quota, and each hour of sessions": {many: 1001, per: map[string]int{"1,000 files": 2},
		each: []act{func(t *testing.T, c *caller) { setQuota(t, c.store) }}},
	"`RNTO` of a file": {there: []string{"f", "g"}, first: []act{say("RNFR f", 350)}, each: []act{say("RNTO g", 250)}},
	"`STOR` under a temporary name, `RNFR`, `RNTO`": {there: []string{"f"},
		each: []act{both(send("STOR f.tmp", 1), both(say("RNFR f.tmp", 350), say("RNTO f", 250)))}},
	"`RNTO` of a file over 5 GiB": {elsewhere: largeCopies},
	"`RNTO` of a directory": {many: 1001, per: map[string]int{"1,000 objects": 2, "object": 1001},
		first: []act{say("RNFR many", 350)}, each: []act{say("RNTO more", 250)}},
	"`PASV`, `EPSV`, `PORT`, `EPRT`, `TYPE`, `STRU`, `MODE`, `ALLO`, `REST`, `RANG`": {each: []act{say("PASV", 227), say("EPSV", 229),
		say("PORT 127,0,0,1,200,10", 200), say("EPRT |1|127.0.0.1|51210|", 200), say("TYPE A", 200), say("STRU F", 200),
		say("MODE S", 200), say("ALLO 1000", 200), say("TYPE I", 200), say("REST 1", 350), say("RANG 1 2", 350)}},
	"`PWD`, `XPWD`, `CDUP`, `XCUP`, `NOOP`, `SYST`, `FEAT`, `HELP`, `OPTS`, `SITE`, `SMNT`, `AUTH`, `PBSZ`, `PROT`, `CCC`, `HOST`, `CLNT`, `AVBL`": {there: []string{"a/b/f"},
		first: []act{say("CWD a/b", 250)},
		each: []act{say("PWD", 257), say("XPWD", 257), say("CDUP", 250), say("XCUP", 250), say("NOOP", 200), say("SYST", 215), say("FEAT", 211),
			say("HELP", 214), say("OPTS UTF8 ON", 200), say("SITE CHMOD 644 f", 200), say("SMNT a", 502),
			say("AUTH TLS", 502), say("PBSZ 0", 503), say("PROT P", 503), say("CCC", 533), say("HOST x", 503), say("CLNT x", 200), say("AVBL", 213)}},
	"`STAT` without a path, `ABOR` without a transfer": {each: []act{say("STAT", 211), say("ABOR", 226)}},
	"`USER`, `PASS`, `ACCT`, `REIN`, `QUIT`":           {each: []act{say("ACCT x", 202), say("REIN", 220), logIn, say("QUIT", 221)}},
	"`s3ftpd check`": {each: []act{func(t *testing.T, c *caller) {
		for range c.store.Probe(t.Context(), time.Minute) {
		}
	}}},
	"`s3ftpd check --fix-lifecycle`, in addition":                           {each: []act{fixingLifecycle(true)}},
	"`s3ftpd check --fix-lifecycle`, in addition, if a rule aborts uploads": {first: []act{fixingLifecycle(true)}, each: []act{fixingLifecycle(false)}},
	"the start of the program": {there: []string{"f"},
		each: []act{func(t *testing.T, c *caller) { probeBucket(t.Context(), c.store, &config.Config{}, quiet) }}},
}

// fixingLifecycle adds the lifecycle rule, as `s3ftpd check --fix-lifecycle` does. It expects that the rule is missing, or that it exists.
func fixingLifecycle(missing bool) act {
	return func(t *testing.T, c *caller) {
		if _, added, err := c.store.FixLifecycle(t.Context()); err != nil || added != missing {
			t.Errorf("added: %v, %v", added, err)
		}
	}
}
