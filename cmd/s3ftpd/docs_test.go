package main

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
)

// pages returns the documentation: README.md, SECURITY.md and docs/.
func pages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(root + "/docs/*.md")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d pages, or %v", len(files), err)
	}
	return append(files, root+"/README.md", root+"/SECURITY.md")
}

func readPage(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block returns the code block after the comment <!-- name --> in a page.
func block(t *testing.T, page, name string) string {
	t.Helper()
	_, rest, found := strings.Cut(readPage(t, root+"/"+page), "<!-- "+name+" -->\n```")
	_, rest, _ = strings.Cut(rest, "\n")
	text, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatalf("%s has no block %s", page, name)
	}
	return text
}

var (
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	link     = regexp.MustCompile(`\]\(([^)]*)\)`)
	noAnchor = regexp.MustCompile("[^a-z0-9 _-]")
	codes    = regexp.MustCompile("(?s)```.*?```")
)

// anchors returns the anchors that GitHub makes from the headings of a page.
func anchors(t *testing.T, file string) map[string]bool {
	t.Helper()
	all := map[string]bool{"": true}
	for _, m := range heading.FindAllStringSubmatch(codes.ReplaceAllString(readPage(t, file), ""), -1) {
		all[strings.ReplaceAll(noAnchor.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return all
}

// TestDocumentLinks follows each link from one page to another, and to a heading in it.
func TestDocumentLinks(t *testing.T) {
	followed := 0
	for _, file := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(codes.ReplaceAllString(readPage(t, file), ""), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			followed++
			name, anchor, _ := strings.Cut(m[1], "#")
			to := file
			if name != "" {
				to = filepath.Join(filepath.Dir(file), name)
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", file, err)
			} else if anchor != "" && !anchors(t, to)[anchor] {
				t.Errorf("%s: %s has no heading %s", file, to, anchor)
			}
		}
	}
	if followed < 100 {
		t.Errorf("only %d links", followed)
	}
}

// TestDocumentIndex: docs/README.md links to each page.
func TestDocumentIndex(t *testing.T) {
	index := readPage(t, root+"/docs/README.md")
	for _, file := range pages(t) {
		if name := filepath.Base(file); filepath.Base(filepath.Dir(file)) == "docs" && name != "README.md" && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not lead to %s", name)
		}
	}
}

// TestDocumentColumns: lines have at most 120 columns, except rows of tables and the generated part of docs/clients.md.
func TestDocumentColumns(t *testing.T) {
	generated := regexp.MustCompile(`(?s)<!-- clients -->.*?<!-- /clients -->`)
	for _, file := range append(pages(t), root+"/CHANGELOG.md") {
		for line := range strings.Lines(generated.ReplaceAllString(readPage(t, file), "")) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 120 && !strings.HasPrefix(strings.TrimSpace(line), "|") {
				t.Errorf("%s: %d columns: %s", file, n, line)
			}
		}
	}
	if n := strings.Count(readPage(t, root+"/README.md"), "\n"); n > 130 {
		t.Errorf("README.md has %d lines", n)
	}
}

// TestDocumentedFile: the configuration file in docs/get-started.md is valid, and relative paths in it are relative to the working
// directory.
func TestDocumentedFile(t *testing.T) {
	text := strings.ReplaceAll(block(t, "docs/get-started.md", "config"), "/etc/s3ftpd/", "")
	t.Chdir(t.TempDir())
	if err := os.WriteFile("password", []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "s3ftpd.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Serve, []string{"--config", file}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Bucket != "invoices" || c.User != "alice" || c.TLSCert != "server.crt" || c.PasswordFile != "password" || len(c.PassiveAddress) != 2 {
		t.Errorf("%+v", c)
	}
}

// TestDocumentedCompose: the Compose file in docs/get-started.md has a valid command and, with $ for $$, the hash of "secret".
func TestDocumentedCompose(t *testing.T) {
	var file struct {
		Services map[string]struct {
			Command     string            `yaml:"command"`
			Environment map[string]string `yaml:"environment"`
		} `yaml:"services"`
	}
	if err := yaml.Unmarshal([]byte(block(t, "docs/get-started.md", "compose")), &file); err != nil {
		t.Fatal(err)
	}
	service := file.Services["s3ftpd"]
	written := service.Environment["S3FTPD_PASSWORD"]
	hash := strings.ReplaceAll(written, "$$", "$")
	if strings.Contains(strings.ReplaceAll(written, "$$", ""), "$") || !strings.HasPrefix(hash, "$argon2id$") {
		t.Errorf("a $ is not doubled in %s", written)
	}
	c, err := config.Load(config.Serve, strings.Fields(service.Command), []string{"S3FTPD_PASSWORD=" + hash})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := directory(c, newResources(c, nil).hashing, quiet).Login(t.Context(), proxy.Attempt{User: "alice", Password: "secret"}); err != nil {
		t.Error(err)
	}
}

// TestDocumentedPolicy: the IAM policies in the documentation and of s3ftpd check allow the actions in docs/permissions.md.
func TestDocumentedPolicy(t *testing.T) {
	want := map[string]map[string]bool{"arn:aws:s3:::invoices": {}, "arn:aws:s3:::invoices/incoming/*": {"s3:GetObjectTagging": true, "s3:PutObjectTagging": true}}
	for _, row := range rows(t, "permissions.md", "permissions") {
		if strings.Contains(row[1], "only") {
			continue // granted for a single run of check
		}
		resource := "arn:aws:s3:::invoices/incoming/*"
		if strings.HasPrefix(row[1], "the bucket") {
			resource = "arn:aws:s3:::invoices"
		}
		want[resource][strings.Trim(row[0], "`")] = true
	}
	var actions []string
	for _, allowed := range want {
		actions = slices.AppendSeq(actions, maps.Keys(allowed))
	}
	for page, text := range map[string]string{
		"docs/permissions.md": block(t, "docs/permissions.md", "policy"), "README.md": block(t, "README.md", "policy"),
		"s3ftpd check": policy(&config.Config{Bucket: "invoices", Prefix: "incoming/"}, actions),
	} {
		if got := allowedBy(t, text); !maps.EqualFunc(got, want, maps.Equal) {
			t.Errorf("%s: got %v, want %v", page, got, want)
		}
	}
}

// allowedBy returns the actions that an IAM policy allows, by resource.
func allowedBy(t *testing.T, text string) map[string]map[string]bool {
	t.Helper()
	var policy struct {
		Version   string
		Statement []statement
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil || policy.Version != "2012-10-17" {
		t.Fatalf("version %q, or %v: %s", policy.Version, err, text)
	}
	allowed := make(map[string]map[string]bool)
	for _, s := range policy.Statement {
		allowed[s.Resource] = make(map[string]bool)
		for _, action := range s.Action {
			allowed[s.Resource][action] = s.Effect == "Allow"
		}
	}
	return allowed
}

// othersOptions are options of other programs that the documentation names.
var othersOptions = []string{"--", "--network", "--parallel", "--max-time", "--inplace", "--ftp-encoding", "--ftp-disable-mlsd", "--download",
	"--delete", "--dont-continue", "--sftp-encoding"}

// TestDocumentsNameOptions: all options that the documentation names exist.
func TestDocumentsNameOptions(t *testing.T) {
	help := config.Help(config.Check, columns) + config.Help(config.Demo, columns) + passwdHelp
	named := 0
	for _, file := range pages(t) {
		for _, m := range regexp.MustCompile("`(--[a-z0-9-]*)").FindAllStringSubmatch(readPage(t, file), -1) {
			named++
			if !strings.Contains(help, "  "+m[1]+" ") && !strings.Contains(help, "  "+m[1]+"\n") && !slices.Contains(othersOptions, m[1]) {
				t.Errorf("%s names %s", file, m[1])
			}
		}
	}
	if named < 200 {
		t.Errorf("only %d options are named", named)
	}
}

// TestOptionsPage: docs/options.md lists the options of the program.
func TestOptionsPage(t *testing.T) {
	_, rest, found := strings.Cut(readPage(t, root+"/docs/options.md"), "<!-- options -->\n")
	table, _, closed := strings.Cut(rest, "<!-- /options -->")
	if want := config.Markdown(); !found || !closed || strings.TrimSpace(table) != strings.TrimSpace(want) {
		t.Errorf("between <!-- options --> and <!-- /options --> docs/options.md must have\n%s", want)
	}
}
