package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/observe"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/quirks"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A quirkOutcome is the expected failure of a command on a service.
type quirkOutcome struct {
	codes []int  // expected codes of the first reply that refuses a command
	log   string // regular expression that the log must match
	why   string
}

// quirkExceptions are the rows that fail, by mode and by row; "*" stands for all rows that are not listed. A failed row must leave
// the bucket unchanged. For a mode that an option cures, an entry has the failures without the option, and the entry with "+"
// after the mode's name has those with the option. Without the latter, all rows must succeed with the option.
var quirkExceptions = map[string]map[string]quirkOutcome{
	"uploads-403":   of(lost, noResume("not be resumed")),
	"uploads-400":   of(lost, noResume("not be resumed")),
	"uploads-501":   of(lost, noResume("not be resumed")),
	"service-storj": of(lost, noResume("not be resumed")),
	"parts-403":     of(lost, noResume("s3:ListMultipartUploadParts")),
	"parts-501":     of(lost, noResume("not be resumed")),

	"list-parts-without-checksums": of(resumes, quirkOutcome{[]int{451}, "checksum for each part",
		"it requires checksums of parts at the end, but does not report them; the upload begins anew"}),

	"no-part-copy-501": of(copies, cannotCopy),
	"no-part-copy-411": of(copies, cannotCopy),
	"no-part-copy-405": of(copies, cannotCopy),

	// Rows about missing files expect a refusal, so they succeed here.
	"signed-payloads":    {"*": {[]int{works, 550}, "--payload signed", "the policy denies each unsigned payload"}},
	"requester-pays":     {"*": {[]int{works, 550}, "--request-payer", "each request is denied"}},
	"virtual-hosts-only": {"*": {[]int{works, 451, 550}, "--path-style off", "all is refused"}},
	"service-oss":        {"*": {[]int{works, 451, 550}, "--path-style off", "all is refused"}},
	"redirect-301":       {"*": {[]int{works, 451, 550}, "--region eu-west-1", "all is refused"}},
	"region-signed":      {"*": {[]int{works, 451, 550}, "--region eu-west-1", "all is refused"}},

	"at-most-1000-parts":      of(lost, noResume("--max-parts 1000")),
	"service-scaleway":        of(lost, noResume("--max-parts 1000")),
	"equal-parts":             of(copies, quirkOutcome{[]int{works, 451, 504}, "--uniform-parts on", "parts that are copied are of another size"}),
	"service-r2":              of(copies, quirkOutcome{[]int{works, 451, 504}, "--uniform-parts on", "parts that are copied are of another size"}),
	"equal-parts+":            of(copies, uniform),
	"service-r2+":             of(copies, uniform),
	"unlisted-parts-refused":  of(larges, quirkOutcome{[]int{works, 451}, "--resume 0", "the part by which an upload is recognized cannot be listed"}),
	"unlisted-parts-refused+": of(lost, noResume("")),

	"archived":                   of(archives, quirkOutcome{[]int{550}, "InvalidObjectState", "it has to be restored first"}),
	"archived-copies":            of(archives, quirkOutcome{[]int{550}, "InvalidObjectState|ObjectNotInActiveTierError", "it has to be restored first"}),
	"wrong-full-object-checksum": {"RETR of a large upload": {[]int{451}, "--checksum md5", "what cannot be proven is not acknowledged"}},
}

// works is the code for success.
const works = 0

// Groups of rows that fail together.
var (
	resumes  = []string{"STOR that broke, resumed by REST", "STOR that broke, resumed by APPE"}
	unseen   = slices.Concat(resumes, []string{"STOR that broke, resumed after a deletion"})
	lost     = slices.Concat(unseen, []string{"DELE of an upload that broke"})
	copies   = []string{"APPE to a long file", "APPE, large, to a long file", "STOR after REST, in a long file"}
	hidden   = []string{"STOR that broke, resumed after a deletion", "STOR that another program overtakes"}
	archives = []string{"RETR of an archived file", "RNTO of an archived file"}
	larges   = slices.Concat(resumes, copies, hidden, []string{"STOR, large", "RETR of a large upload", "RNTO of a large upload",
		"MFMT of a large upload", "HASH of a large upload"})
	long = slices.Concat(larges, lost, []string{"STOR that breaks"}) // rows with more than one part

	cannotCopy = quirkOutcome{[]int{504}, "UploadPartCopy", "what is there would have to go through the bridge"}
	uniform    = quirkOutcome{[]int{504}, "differ in size", "parts that are copied are of another size than those that follow"}
)

// noResume is the outcome on services where broken uploads cannot be found.
func noResume(log string) quirkOutcome {
	return quirkOutcome{[]int{550}, log, "nothing shows that an upload broke, and clients begin again"}
}

// of maps all rows to one outcome.
func of(rows []string, o quirkOutcome) map[string]quirkOutcome {
	all := make(map[string]quirkOutcome)
	for _, name := range rows {
		all[name] = o
	}
	return all
}

// A quirkService is an S3 service in one mode, with an S3 client of s3ftpd.
type quirkService struct {
	store  http.Handler
	config *config.Config
	client *s3fs.Client
	other  *s3fs.Client // client of another program
	log    *logbook
	meter  *meter
	rows   map[string]quirkOutcome
}

// newQuirkService starts a service in front of an empty store, with options for s3ftpd.
func newQuirkService(t *testing.T, mode quirks.Mode, options ...string) *quirkService {
	t.Helper()
	return newQuirkServiceOn(t, emptyStore(t), mode, options...)
}

// newQuirkServiceOn starts a service in front of a store.
func newQuirkServiceOn(t *testing.T, store http.Handler, mode quirks.Mode, options ...string) *quirkService {
	t.Helper()
	q := &quirkService{store: store, log: &logbook{}}
	q.meter = &meter{Handler: quirks.Wrap(q.store, mode), counts: make(map[string]int), more: make(chan struct{})}
	front := httptest.NewServer(q.meter)
	t.Cleanup(front.Close)
	endpoint := front.URL
	if slices.Contains(options, "--path-style=off") {
		endpoint = "http://" + quirks.Domain
	}
	var err error
	options = append(options, "--bucket=files", "--user=alice", "--part-size=5MiB", "--memory=128MiB", "--s3-timeout=10s", "--endpoint="+endpoint)
	if q.config, err = config.Load(config.Serve, real.Arguments(options...), []string{"S3FTPD_PASSWORD=wonderland"}); err != nil {
		t.Fatal(err)
	}
	s := service(q.config, q.log.logger(q.config))
	s.MaxBackoff = time.Millisecond
	s.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: quirks.AccessKey, SecretAccessKey: quirks.SecretKey}, nil
	})
	if endpoint != front.URL {
		s.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, front.Listener.Addr().String())
		}}}
	}
	for _, c := range []**s3fs.Client{&q.client, &q.other} {
		if *c, err = s3fs.NewClient(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		t.Cleanup((*c).Close)
	}
	return q
}

// emptyStore returns an embedded store with an empty bucket "files".
func emptyStore(t *testing.T) http.Handler {
	t.Helper()
	store, err := s3demo.Open(t.TempDir(), s3demo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.CreateBucket("files"); err != nil {
		t.Fatal(err)
	}
	return store.Handler()
}

// check runs the commands of a row below a prefix of its own, and compares the result.
func (q *quirkService) check(t *testing.T, i int, row quirkRow) {
	b := behind{q.store, fmt.Sprint("row ", i)}
	for name, content := range row.there {
		b.put(t, name, content)
	}
	c := *q.config
	c.Prefix = b.prefix
	log, begun := q.log, len(q.log.String())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	store := s3fs.NewFS(q.client, storeOptions(&c, q.client, budget.New(c.Memory), log.logger(&c)))
	all := newResources(&c, nil)
	all.observer = observe.Log(log.logger(&c))
	go func() {
		done <- ftpServer(&c, q.client, userOfOptions(&c, store, all, quiet), nil, all, log.logger(&c)).Serve(ctx, l)
	}()
	other := s3fs.NewFS(q.other, s3fs.Options{Bucket: c.Bucket, Prefix: c.Prefix, Resume: -1})
	ftp := dialFTP(t, l.Addr().String(), q.meter, other)
	row.do(ftp)
	ftp.Conn.Close()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	q.judge(t, row, ftp.refused, b.contents(t), begun)
}

// judge compares the result of a row with the expected one. The log of the row begins at offset begun.
func (q *quirkService) judge(t *testing.T, row quirkRow, refused *refusal, got map[string]string, begun int) {
	outcome, ok := q.rows[row.name]
	if !ok {
		outcome, ok = q.rows["*"]
	}
	want := row.then
	if want == nil || refused != nil {
		want = row.there
	}
	for name := range got {
		if _, there := want[name]; want["*"] != "" && !there && refused == nil { // a name that the server has chosen
			got["*"] = got[name]
			delete(got, name)
		}
	}
	also := row.or
	if refused != nil {
		also = row.until
	}
	if text := differs(got, want); text != "" && (also == nil || differs(got, also) != "") {
		t.Errorf("WRONG: %s", text)
	}
	log := q.log.String()
	switch {
	case refused != nil && refused.code == row.may:
	case !ok && refused != nil:
		t.Errorf("%s: %d %s\n%s", refused.command, refused.code, refused.text, log[begun:])
	case !ok:
	case refused == nil && !slices.Contains(outcome.codes, works):
		t.Errorf("worked, want %d because %s", outcome.codes, outcome.why)
	case refused != nil && !slices.Contains(outcome.codes, refused.code):
		t.Errorf("%s: %d %s, want %d because %s\n%s", refused.command, refused.code, refused.text, outcome.codes, outcome.why, log[begun:])
	case refused != nil && !regexp.MustCompile(outcome.log).MatchString(log):
		t.Errorf("nothing with %s in the log\n%s", outcome.log, log[begun:])
	}
}

// TestCommandsWithQuirks runs every row in every mode. Rows with long uploads are skipped in a mode that
// is Combined, because the mode of a whole service has its quirk too.
func TestCommandsWithQuirks(t *testing.T) {
	awsEnvironment(t)
	for _, mode := range quirks.Modes() {
		if testing.Short() && mode.Kind != "service" {
			continue
		}
		t.Run(mode.Name, func(t *testing.T) {
			t.Parallel()
			newQuirkService(t, mode).checkAll(t, mode, quirkExceptions[mode.Name])
		})
		if mode.Option == "" {
			continue
		}
		t.Run(mode.Name+"+", func(t *testing.T) {
			t.Parallel()
			newQuirkService(t, mode, optionWords(mode.Option)...).checkAll(t, mode, quirkExceptions[mode.Name+"+"])
		})
	}
}

// checkAll checks the rows with exceptions, and all other rows of the mode.
func (q *quirkService) checkAll(t *testing.T, mode quirks.Mode, exceptions map[string]quirkOutcome) {
	q.rows = exceptions
	for i, row := range quirkRows {
		_, exceptional := exceptions[row.name]
		if !exceptional && slices.Contains(long, row.name) && (mode.Combined || testing.Short()) {
			continue
		}
		t.Run(row.name, func(t *testing.T) { q.check(t, i, row) })
	}
}

// TestStartNamesTheOption: if the bucket does not answer, the log at the start names the option that cures it.
func TestStartNamesTheOption(t *testing.T) {
	awsEnvironment(t)
	for _, name := range []string{"signed-payloads", "requester-pays", "virtual-hosts-only", "redirect-301", "region-signed"} {
		mode := quirks.Named(name)
		q := newQuirkService(t, mode)
		logged := newConsole()
		log := slog.New(observe.Handler(slog.NewTextHandler(logged, nil), explainer(q.config)))
		ctx, cancel := context.WithCancel(t.Context())
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			probeBucket(ctx, s3fs.NewFS(q.client, storeOptions(q.config, q.client, nil, log)), q.config, log)
		}()
		logged.await(t, "advice=")
		cancel()
		<-asked
		if log := logged.String(); !regexp.MustCompile(`advice="[^"]*` + mode.Option).MatchString(log) {
			t.Errorf("%s: no advice with %s in %s", name, mode.Option, log)
		}
	}
}

func optionWords(option string) []string {
	return []string{strings.Replace(option, " ", "=", 1)}
}

// TestQuirkExceptions: each exception is about an existing row.
func TestQuirkExceptions(t *testing.T) {
	for mode, rows := range quirkExceptions {
		m := quirks.Named(strings.TrimSuffix(mode, "+"))
		if m.Option == "" && strings.HasSuffix(mode, "+") {
			t.Errorf("%s has no option", m.Name)
		}
		for name, o := range rows {
			known := name == "*" || slices.ContainsFunc(quirkRows, func(r quirkRow) bool { return r.name == name })
			if !known || len(o.codes) == 0 || o.why == "" {
				t.Errorf("%s: %s: %+v", mode, name, o)
			}
		}
	}
}
