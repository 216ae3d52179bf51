package reassembly

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

func TestNewFiles(t *testing.T) {
	runAll(t, map[string]scenario{
		"one write":                    {file: "-", operations: "0:abc close", want: "abc"},
		"in order":                     {file: "-", operations: "0:abc 3:def 6:g close", want: "abcdefg"},
		"longer than what is kept":     {file: "-", operations: "0:0123456789 10:0123456789 20:abc close", want: "01234567890123456789abc"},
		"no write":                     {file: "-", operations: "close", want: ""},
		"no write, truncated":          {file: "old", set: truncated, operations: "close", want: ""},
		"truncated":                    {file: "old one", set: truncated, operations: "0:abc close", want: "abc"},
		"an empty write":               {file: "-", operations: "7: close", want: ""},
		"rewritten":                    {file: "-", operations: "0:abcdef 2:XY 0:Z close", want: "ZbXYef"},
		"rewritten as a whole":         {file: "-", operations: "0:0123456789 0:abcdefghij 5:k close", want: "abcdekghij"},
		"announced, then its size":     {file: "-", operations: "size=2 announce=9 0:ab close", want: "ab"},
		"filled later":                 {file: "-", operations: "0:ab 6:gh 4:ef 2:cd close", want: "abcdefgh"},
		"never filled":                 {file: "-", operations: "0:ab 4:ef close", want: "ab\x00\x00ef"},
		"first write behind the end":   {file: "-", operations: "1:ab", fails: syscall.ESPIPE, want: "-"},
		"too large an offset":          {file: "-", operations: "0:a 9223372036854775807:ab", fails: syscall.EFBIG, want: "-"},
		"broken":                       {file: "-", operations: "0:0123456789 10:0123456789 20:abc break", want: "-", left: "01234567890123456789ab"},
		"broken early":                 {file: "-", operations: "0:0123 4:5 break", want: "-", left: "0123"},
		"announced":                    {file: "-", operations: "announce=3 0:abc close", want: "abc"},
		"shorter than announced":       {file: "-", operations: "announce=4 0:abc close", fails: io.ErrUnexpectedEOF, want: "-", left: "ab"},
		"shorter than its size":        {file: "-", operations: "size=4 0:abc close", fails: io.ErrUnexpectedEOF, want: "-", left: "ab"},
		"shorter than its later size":  {file: "-", operations: "0:abc size=4 close", fails: io.ErrUnexpectedEOF, want: "-", left: "ab"},
		"size before and after":        {file: "-", operations: "size=4 0:abcd size=4 close", want: "abcd"},
		"cut":                          {file: "-", operations: "0:abcd size=2 close", want: "ab"},
		"cut, and written behind it":   {file: "-", operations: "0:abcd size=2 3:d close", want: "ab\x00d"},
		"cut when it streams":          {file: "-", operations: "0:0123456789abcdefg size=2", fails: errors.ErrUnsupported, want: "-", left: "0123456789abcdef"},
		"its own size when it streams": {file: "-", operations: "0:0123456789abcdefg size=17 close", want: "0123456789abcdefg"},
	})
}

func TestExistingFiles(t *testing.T) {
	runAll(t, map[string]scenario{
		"no write":                         {file: "old", operations: "close", want: "old"},
		"its size":                         {file: "old", operations: "size=3 close", want: "old"},
		"replaced by scp with a shorter":   {file: "old one", operations: "0:abc size=3 close", want: "abc"},
		"replaced by scp with a longer":    {file: "old", operations: "0:abcde size=5 close", want: "abcde"},
		"replaced by scp with a long one":  {file: "old", operations: "0:0123456789 10:0123456789 size=20 close", want: "01234567890123456789"},
		"a longer one replaced by scp":     {file: "0123456789012345678901234", operations: "0:abcdefghij 10:abcdefghij size=20 close", want: "abcdefghijabcdefghij"},
		"its tail stays":                   {file: "0123456789", operations: "0:abc close", want: "abc3456789"},
		"its tail is cut":                  {file: "0123456789", operations: "0:abc size=5 close", want: "abc34"},
		"in place":                         {file: "0123456789", operations: "4:ab close", want: "0123ab6789"},
		"in place, descending":             {file: "0123456789", operations: "8:X 4:ab 0:Y close", want: "Y123ab67X9"},
		"in place and beyond":              {file: "0123456789", operations: "4:ab 9:cde close", want: "0123ab678cde"},
		"in place and far beyond":          {file: "0123456789", operations: "4:ab 12:c close", want: "0123ab6789\x00\x00c"},
		"appended":                         {file: "0123456789", operations: "10:ab 12:c close", want: "0123456789abc"},
		"appended whatever the offset":     {file: "0123456789", set: appending, operations: "0:ab 0:c 5:d close", want: "0123456789abcd"},
		"appended to the end of its start": {file: "0123456789", operations: "size=4 4:ab close", want: "0123ab"},
		"first write beyond the end":       {file: "0123456789", operations: "11:a", fails: syscall.ESPIPE, want: "0123456789"},
		"cut":                              {file: "0123456789", operations: "size=4 close", want: "0123"},
		"emptied":                          {file: "0123456789", operations: "size=0 close", want: ""},
		"emptied and written":              {file: "0123456789", operations: "size=0 0:ab close", want: "ab"},
		"emptied and written later":        {file: "0123456789", operations: "size=0 2:ab close", want: "\x00\x00ab"},
		"longer without a write":           {file: "0123456789", operations: "size=11 close", fails: io.ErrUnexpectedEOF, want: "0123456789"},
		"only the time":                    {file: "0123456789", operations: "time close", want: "0123456789"},
		"an append is made shorter":        {file: "0123456789", operations: "10:ab size=11", fails: errors.ErrUnsupported, want: "0123456789"},
		"an append is made empty":          {file: "0123456789", set: appending, operations: "size=0", fails: errors.ErrUnsupported, want: "0123456789"},
		"an append is longer":              {file: "0123456789", set: appending, operations: "0:ab size=12 close", want: "0123456789ab"},
		"in place, with a broken upload":   {file: "0123456789", resumable: "0123", operations: "4:ab close", want: "0123ab6789"},
		"appended, with a broken upload":   {file: "0123456789", resumable: "0123", operations: "10:ab close", fails: syscall.ESPIPE, want: "0123456789", left: "0123"},
		"broken in place":                  {file: "0123456789", operations: "4:ab break", want: "0123456789"},
	})
}

func TestResumableUploads(t *testing.T) {
	runAll(t, map[string]scenario{
		"resumed":                      {file: "-", resumable: "0123", operations: "4:ab 6:c close", want: "0123abc"},
		"resumed by an append":         {file: "-", resumable: "0123", set: appending, operations: "0:ab 0:c close", want: "0123abc"},
		"resumed, long":                {file: "-", resumable: "0123", operations: "4:0123456789 14:0123456789 24:a close", want: "012301234567890123456789a"},
		"resumed and broken":           {file: "-", resumable: "0123", operations: "4:abc break", want: "-", left: "0123ab"},
		"written anew":                 {file: "-", resumable: "0123", operations: "0:ab close", want: "ab"},
		"written anew, announced":      {file: "-", resumable: "0123", operations: "size=2 0:ab close", want: "ab"},
		"truncated":                    {file: "-", resumable: "0123", set: truncated, operations: "0:ab close", want: "ab"},
		"no write":                     {file: "-", resumable: "0123", operations: "time close", want: "-", left: "0123"},
		"emptied":                      {file: "-", resumable: "0123", operations: "size=0 close", want: ""},
		"cut":                          {file: "-", resumable: "0123", operations: "size=2 close", fails: errors.ErrUnsupported, want: "-", left: "0123"},
		"cut and resumed":              {file: "-", resumable: "0123", operations: "size=2 4:ab", fails: errors.ErrUnsupported, want: "-", left: "0123"},
		"resumed and cut":              {file: "-", resumable: "0123", operations: "4:abc size=0", fails: errors.ErrUnsupported, want: "-", left: "0123ab"},
		"resumed and cut in the new":   {file: "-", resumable: "0123", operations: "4:abc size=5", fails: errors.ErrUnsupported, want: "-", left: "0123ab"},
		"an append is made empty":      {file: "-", resumable: "0123", set: appending, operations: "size=0", fails: errors.ErrUnsupported, want: "-", left: "0123"},
		"within it":                    {file: "-", resumable: "0123", operations: "2:ab", fails: syscall.ESPIPE, want: "-", left: "0123"},
		"before its end":               {file: "-", resumable: "0123", operations: "4:ab 3:c", fails: errors.ErrUnsupported, want: "-", left: "0123a"},
		"resumed, shorter than wanted": {file: "-", resumable: "0123", operations: "announce=7 4:ab close", fails: io.ErrUnexpectedEOF, want: "-", left: "0123a"},
	})
}

// An append to a free name follows what another client has appended there since. It used to replace that file.
func TestAppendAfterAnother(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*Config)
		want string
	}{
		"append":           {appending, "othermine"},
		"append, truncate": {func(c *Config) { c.Append, c.Truncate = true, true }, "mine"},
		"no append":        {func(*Config) {}, "mine"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, storeWith("-"), c.set)
				h.store.Files["/f"] = storetest.MemoryFile{Name: "/f", Data: []byte("other"), Time: time.Unix(1, 0)}
				if err := h.run("0:mine close"); err != nil {
					t.Error(err)
				}
				h.check(c.want, "")
			})
		})
	}
}
