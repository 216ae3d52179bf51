package s3demo

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/rclone/gofakes3"
)

// incomplete is a new error each time, as the library writes the number of the request into it.
func incomplete() error {
	return gofakes3.ErrorMessage(gofakes3.ErrIncompleteBody, "The body is shorter than it was said to be.")
}

// refusal is an error with a code that the library does not know, and would take for its own failure.
type refusal struct{ gofakes3.ErrorResponse }

func (*refusal) ErrorCode() gofakes3.ErrorCode { return gofakes3.ErrInvalidRequest } // for its status, 400

func refuse(code gofakes3.ErrorCode, message string) error {
	return &refusal{gofakes3.ErrorResponse{Code: code, Message: message}}
}

// refuseWith answers with an error that is known to the library, or else with an internal one.
func refuseWith(w http.ResponseWriter, err error) {
	known, ok := errors.AsType[gofakes3.Error](err)
	if !ok {
		known = gofakes3.ErrInternal
	}
	code := string(known.ErrorCode())
	if own, ok := errors.AsType[*refusal](err); ok {
		code = string(own.Code)
	}
	fail(w, known.ErrorCode().Status(), code, strings.TrimPrefix(known.Error(), code+": "))
}

// fail answers with an error.
func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprint(w, xml.Header)
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: message})
}
