package clients

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
	"github.com/s3ftpd/s3ftpd/test/e2e/scenario"
)

// text has lines that end with LF.
var text = strings.Repeat("a line of text\n\n", 5000)

// putText: lines end with LF locally and in the bucket, and with CR LF on the wire.
func putText(e *scenario.Task) error {
	local := filepath.Join(e.Dir, "text")
	if err := os.WriteFile(local, []byte(text), 0o666); err != nil {
		return err
	}
	from := e.Server.Log.Mark()
	if _, err := e.Do("put-text", local, e.Remote("text")); err != nil {
		return err
	}
	if err := wasText(e, from); err != nil {
		return err
	}
	return e.Stored("text", harness.SumOf(e.T, strings.NewReader(text)))
}

// wasText returns an error unless the transfer was in TYPE A.
func wasText(e *scenario.Task, from int) error {
	session := fmt.Sprint("session=", e.Server.Log.AwaitFrom(e.T, from, "transfer", "name="+e.Remote("text"))["session"])
	representation := "A"
	for _, c := range e.Server.Log.Entries(from, "command", session) {
		switch {
		case c["command"] == "TYPE":
			representation = fmt.Sprint(c["name"])
		case c["name"] == e.Remote("text") && !strings.HasPrefix(representation, "A"):
			return fmt.Errorf("it was of TYPE %s", representation)
		}
	}
	return nil
}

func getText(e *scenario.Task) error {
	e.Bucket.Put(e.Home+"/text", text)
	back := filepath.Join(e.Dir, "text")
	from := e.Server.Log.Mark()
	if _, err := e.Do("get-text", e.Remote("text"), back); err != nil {
		return err
	}
	if err := wasText(e, from); err != nil {
		return err
	}
	return e.Received(back, harness.SumOf(e.T, strings.NewReader(text)))
}
