package config

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the messages of this version to testdata/users-mistakes.txt")

const usersMistakes = "testdata/users-mistakes.txt"

// sha512Hash is a hash that the tests use where the password does not matter.
const sha512Hash = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"

// TestUsersMistakes compares the messages about invalid users files with those in testdata: after "=== NAME" comes the file,
// then each line of the error after "=> ". None of them contains the secret "hush".
func TestUsersMistakes(t *testing.T) {
	text, err := os.ReadFile(usersMistakes)
	if err != nil {
		t.Fatal(err)
	}
	var written strings.Builder
	files := []string{"BADKEYS", writeFile(t, "bad", "hush\nhush\n"), "EMPTY", writeFile(t, "empty", ""), "KEYS", writeFile(t, "keys", ed25519Key)}
	cases, messages := 0, 0
	for part := range strings.SplitSeq(strings.TrimPrefix(string(text), "=== "), "\n=== ") {
		name, rest, _ := strings.Cut(part, "\n")
		file, want, _ := strings.Cut(rest+"\n", "=> ")
		want = strings.TrimSuffix(strings.ReplaceAll(want, "\n=> ", "\n"), "\n")
		got := mistakesOf(t, name, file, files)
		cases, messages = cases+1, messages+strings.Count(got, "\n")+1
		if got != strings.TrimSpace(want) {
			t.Errorf("%s:\ngot:\n%s\nwant:\n%s", name, got, want)
		}
		if strings.Contains(got, "hush") {
			t.Errorf("%s: the message contains a secret: %s", name, got)
		}
		written.WriteString("=== " + name + "\n" + strings.TrimSuffix(file, "\n") + "\n=> " + strings.ReplaceAll(got, "\n", "\n=> ") + "\n")
	}
	if cases < 60 || messages < 120 {
		t.Errorf("only %d files and %d messages", cases, messages)
	}
	if *update {
		if err := os.WriteFile(usersMistakes, []byte(written.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// mistakesOf returns the mistakes in a users file. It replaces the words in files by the names of files that follow them.
func mistakesOf(t *testing.T, name, file string, files []string) string {
	t.Helper()
	c := &Config{Bucket: "invoices", TLSClientCA: "ca.pem", SFTP: ":22"}
	switch name {
	case "certificate without authorities":
		c.TLSClientCA = ""
	case "public keys without SFTP":
		c.SFTP = ""
	}
	var noBucket bool
	if file, noBucket = strings.CutPrefix(file, "options: no bucket\n"); noBucket {
		c.Bucket = ""
	}
	file = strings.NewReplacer(files...).Replace(file)
	file = strings.NewReplacer("PUBKEY", ed25519Key, "HASH", sha512Hash, "LONG128", strings.Repeat("x", 128), "LONG100", strings.Repeat("x", 100),
		"BRACKETS", strings.Repeat("[", 60<<10), "LONG64K", strings.Repeat("x", 64<<10), "BELL", "\a", "BYTE", "\xE9", "UTF16", "\xFF\xFE").Replace(file)
	users, err := ParseUsers("users.yaml", []byte(file), c)
	var mistakes Mistakes
	if !errors.As(err, &mistakes) || users != nil {
		t.Errorf("%s: got %v, %v", name, users, err)
		return ""
	}
	text := mistakes.Error()
	for i := 0; i < len(files); i += 2 {
		text = strings.ReplaceAll(text, files[i+1], files[i])
	}
	return text
}
