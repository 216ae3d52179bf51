package quirks

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

var listing = on("ListObjectsV2")

// setQuery sets a query parameter of a request; an empty value removes it.
func setQuery(x *exchange, name, value string) {
	q := x.URL.Query()
	if q.Del(name); value != "" {
		q.Set(name, value)
	}
	x.URL.RawQuery = q.Encode()
	x.RequestURI = x.URL.RequestURI()
}

func query(name string) when { return func(x *exchange) bool { return x.URL.Query().Has(name) } }

// request changes matching requests.
func request(about when, edit func(x *exchange)) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if about(x) {
				edit(x)
			}
			next(w, x)
		}
	}
}

// pagesOf3 limits pages of listings to three entries.
func pagesOf3(x *exchange) {
	if n := x.URL.Query().Get("max-keys"); n == "" || number(n) > 3 {
		setQuery(x, "max-keys", "3")
	}
}

// oddTokens puts special characters into the continuation tokens of listings.
func oddTokens(next handler) handler {
	var (
		mu    sync.Mutex
		token = make(map[string]string)
	)
	return func(w http.ResponseWriter, x *exchange) {
		if !listing(x) {
			next(w, x)
			return
		}
		mu.Lock()
		if odd := x.URL.Query().Get("continuation-token"); odd != "" {
			setQuery(x, "continuation-token", token[odd])
		}
		mu.Unlock()
		a := record(next, x)
		a.body = replace(remove(a.body, "ContinuationToken"), "NextContinuationToken", func(s string) string {
			mu.Lock()
			defer mu.Unlock()
			odd := `1/+ =%25&"<>` + "\u00fc" + strconv.Itoa(len(token))
			token[odd] = value("<T>"+s+"</T>", "T")
			return escape(odd)
		})
		a.send(w, x)
	}
}

// repeatPrefix repeats the last common prefix of a page at the start of the next one.
func repeatPrefix(next handler) handler {
	var (
		mu   sync.Mutex
		last = make(map[string]string) // the last prefix, by the token of the next page
	)
	return func(w http.ResponseWriter, x *exchange) {
		if !listing(x) {
			next(w, x)
			return
		}
		a := record(next, x)
		prefixes, keys := elements(a.body, "CommonPrefixes"), elements(a.body, "Contents")
		mu.Lock()
		again := last[x.URL.Query().Get("continuation-token")]
		if t := value(a.body, "NextContinuationToken"); t != "" && len(prefixes) > 0 {
			p := prefixes[len(prefixes)-1]
			if len(keys) == 0 || value(keys[len(keys)-1], "Key") < value(p, "Prefix") {
				last[t] = p
			}
		}
		mu.Unlock()
		if again != "" {
			a.body = strings.Replace(a.body, "</ListBucketResult>", "", 1)
			if at := strings.Index(a.body, "<CommonPrefixes>"); at >= 0 {
				a.body = a.body[:at] + "<CommonPrefixes>" + again + "</CommonPrefixes>" + a.body[at:]
			} else {
				a.body += "<CommonPrefixes>" + again + "</CommonPrefixes>"
			}
			a.body += "</ListBucketResult>"
		}
		a.send(w, x)
	}
}

// unsorted reverses each page of a listing.
func unsorted(_ *exchange, a *answer) {
	for _, name := range []string{"Contents", "CommonPrefixes"} {
		all := elements(a.body, name)
		slices.Reverse(all)
		i := -1
		a.body = replace(a.body, name, func(string) string { i++; return all[i] })
	}
}

// halfPrefix matches listings with a prefix that does not end with a slash.
func halfPrefix(x *exchange) bool {
	p := x.URL.Query().Get("prefix")
	return p != "" && !strings.HasSuffix(p, "/")
}

func longPrefix(x *exchange) bool { return len(x.URL.Query().Get("prefix")) > 1024 }

var listModes = []Mode{
	{Name: "encoding-type-400", Does: "Refuses encoding-type in listings with 400.",
		Services: "several", quirks: []quirk{refuse(on("ListObjectsV2", "ListMultipartUploads").and(query("encoding-type")), 400, "InvalidArgument", "Invalid Encoding Method specified in Request")}},
	{Name: "encoding-type-501", Does: "Refuses encoding-type in listings with 501.",
		Services: "several", quirks: []quirk{refuse(on("ListObjectsV2", "ListMultipartUploads").and(query("encoding-type")), 501, "NotImplemented", "encoding-type is not implemented")}},
	{Name: "encoding-type-ignored", Does: "Ignores encoding-type in listings.",
		Services: "several", quirks: []quirk{request(listing, func(x *exchange) { setQuery(x, "encoding-type", "") })}},
	{Name: "pages-of-3", Does: "Lists three entries at a time, whatever is asked for.",
		Services: "all may", quirks: []quirk{request(listing, pagesOf3)}},
	{Name: "pages-repeat-prefix", Does: "Begins a page with the common prefix that ended the page before.",
		Services: "gofakes3, older Ceph", quirks: []quirk{repeatPrefix, request(listing, pagesOf3)}},
	{Name: "odd-tokens", Does: "Has tokens for the next page in which every kind of character occurs.",
		Services: "all may", quirks: []quirk{oddTokens, request(listing, pagesOf3)}},
	{Name: "unsorted-lists", Does: "Does not sort listings.",
		Services: "directory buckets of Amazon S3 (ListObjectsV2's documentation, eclipse-store#224)", quirks: []quirk{change(listing, unsorted)}},
	{Name: "prefix-slash", Does: "Lists only by prefixes that end in a slash.",
		Services: "directory buckets of Amazon S3 (ListObjectsV2's and ListMultipartUploads' documentation)",
		quirks:   []quirk{refuse(on("ListObjectsV2", "ListMultipartUploads").and(halfPrefix), 400, "InvalidArgument", "This bucket does not support a prefix that does not end in a delimiter")}},
	{Name: "prefix-1024", Does: "Takes prefixes of at most 1,024 bytes.",
		Services: "Amazon S3 (its documentation of KeyTooLongError)", quirks: []quirk{refuse(listing.and(longPrefix), 400, "KeyTooLongError", "Your key is too long")}},
}
