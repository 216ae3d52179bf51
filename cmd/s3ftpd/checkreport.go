package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// The statuses of a result. A warning does not change the exit code.
const (
	statusOK      = "ok"
	statusWarning = "warning"
	statusFailed  = "failed"
)

// A result is the outcome of one check.
type result struct {
	Check  string `json:"check"`            // stable name, for machines
	Status string `json:"status"`           // ok, warning or failed
	Text   string `json:"text"`             // one line
	Advice string `json:"advice,omitempty"` // one line
	Action string `json:"action,omitempty"` // the S3 permission that the check is about
}

// A report prints results, as text or as JSON, one object per line.
type report struct {
	w           io.Writer
	json        bool
	all, failed int
	err         error // first write error
}

func (r *report) ok(check, format string, args ...any) {
	r.add(result{Check: check, Status: statusOK, Text: fmt.Sprintf(format, args...)})
}

func (r *report) warn(check, advice, format string, args ...any) {
	r.add(result{Check: check, Status: statusWarning, Advice: advice, Text: fmt.Sprintf(format, args...)})
}

func (r *report) fail(check, advice, format string, args ...any) {
	r.add(result{Check: check, Status: statusFailed, Advice: advice, Text: fmt.Sprintf(format, args...)})
}

// labels are the first words of the text lines, by status.
var labels = map[string]string{statusOK: "ok   ", statusWarning: "warn ", statusFailed: "FAIL "}

// add prints a result. Control characters become spaces, so that each text stays on one line.
func (r *report) add(x result) {
	r.all++
	if x.Status == statusFailed {
		r.failed++
	}
	x.Text, x.Advice = oneLine(x.Text), oneLine(x.Advice)
	var err error
	switch {
	case r.json:
		e := json.NewEncoder(r.w)
		e.SetEscapeHTML(false)
		err = e.Encode(x)
	case x.Advice != "":
		_, err = fmt.Fprintf(r.w, "%s %s\n      advice: %s\n", labels[x.Status], x.Text, x.Advice)
	default:
		_, err = fmt.Fprintf(r.w, "%s %s\n", labels[x.Status], x.Text)
	}
	if r.err == nil {
		r.err = err
	}
}

// oneLine replaces control characters by spaces.
func oneLine(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.TrimSpace(text))
}

// verdict returns the error of the command: checks failed, or the output could not be written.
func (r *report) verdict() error {
	if r.err == nil && r.failed > 0 {
		return fmt.Errorf("%d of %d checks failed", r.failed, r.all)
	}
	return r.err
}
