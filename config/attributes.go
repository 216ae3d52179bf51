package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cannedACLs lists the canned ACLs of S3.
var cannedACLs = []string{"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read",
	"bucket-owner-full-control"}

// orEmpty returns a parser that accepts an empty text as the zero value.
func orEmpty[T any](parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (v T, err error) {
		if text == "" {
			return v, nil
		}
		return parse(text)
	}
}

// parseStorageClass reads the name of a storage class. The names depend on the service.
func parseStorageClass(text string) (string, error) {
	if len(text) > 64 || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return "", errors.New("must be the name of a storage class in capitals, e.g. STANDARD_IA")
	}
	return text, nil
}

// parseKMSKey reads the identifier of a KMS key.
func parseKMSKey(text string) (string, error) {
	if len(text) > 2048 || !isPrintable(text) || strings.Contains(text, " ") {
		return "", errors.New("must be the ID, ARN or alias of a KMS key, e.g. alias/uploads")
	}
	return text, nil
}

// S3's limits for the tags of an object.
const (
	maxTags     = 10
	maxTagKey   = 128 // characters
	maxTagValue = 256 // characters
)

// parseTags reads KEY=VALUE,KEY2=VALUE2.
func parseTags(text string) (map[string]string, error) {
	tags := make(map[string]string)
	for item := range strings.SplitSeq(text, ",") {
		key, value, isTag := strings.Cut(strings.TrimSpace(item), "=")
		if !isTag {
			return nil, fmt.Errorf("%s is not a tag: must be key=value,key2=value2", quoted(item))
		}
		if err := checkTag(key, value); err != nil {
			return nil, err
		}
		if _, exists := tags[key]; exists {
			return nil, fmt.Errorf("must have the tag %s only once", quoted(key))
		}
		tags[key] = value
	}
	if len(tags) > maxTags {
		return nil, fmt.Errorf("must be at most %d tags, not %d", maxTags, len(tags))
	}
	return tags, nil
}

// checkTag returns an error for a tag that S3 would reject.
func checkTag(key, value string) error {
	switch {
	case key == "":
		return errors.New("tag without a key: must be key=value,key2=value2")
	case utf8.RuneCountInString(key) > maxTagKey:
		return fmt.Errorf("the tag key %s must be at most %d characters", quoted(key), maxTagKey)
	case utf8.RuneCountInString(value) > maxTagValue:
		return fmt.Errorf("the value of the tag %s must be at most %d characters", quoted(key), maxTagValue)
	case strings.HasPrefix(strings.ToLower(key), "aws:"):
		return fmt.Errorf("the tag key %s must not begin with aws:, which AWS reserves", quoted(key))
	case !isTagText(key) || !isTagText(value):
		return fmt.Errorf("the tag %s must contain only letters, digits, spaces and + - = . _ : / @", quoted(key+"="+value))
	}
	return nil
}

func isTagText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) && !strings.ContainsRune(" +-=._:/@", r)
	})
}

// checkKMSKey reports a KMS key without an encryption that uses it.
func (l *loader) checkKMSKey() {
	c := &l.config
	if c.SSEKMSKey == "" || strings.HasPrefix(c.SSE, "aws:kms") || !l.valid("sse", "sse-kms-key") {
		return
	}
	l.mistakes.add(l.source("sse-kms-key")+" "+quoted(c.SSEKMSKey), "requires --sse aws:kms or aws:kms:dsse, but %s", l.sseText())
}

// sseText describes the value of --sse.
func (l *loader) sseText() string {
	if l.config.SSE == "" {
		return "--sse is not set"
	}
	return l.source("sse") + " is " + l.config.SSE
}
