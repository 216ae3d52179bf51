package config

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cannedACLs are the ACLs that S3 has a name for.
var cannedACLs = []string{"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read",
	"bucket-owner-full-control"}

// orNone lets an empty text stand for the zero value.
func orNone[T any](parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (v T, err error) {
		if text == "" {
			return v, nil
		}
		return parse(text)
	}
}

// parseStorageClass reads the name of a storage class. Which there are is up to the service.
func parseStorageClass(text string) (string, error) {
	if len(text) > 64 || strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return "", errors.New("the name of a storage class is wanted, in capitals, such as STANDARD_IA or INTELLIGENT_TIERING")
	}
	return text, nil
}

// parseKMSKey reads what names a key of KMS.
func parseKMSKey(text string) (string, error) {
	if len(text) > 2048 || !isPrintable(text) || strings.Contains(text, " ") {
		return "", errors.New("the ID, the ARN or the alias of a KMS key is wanted, such as alias/uploads")
	}
	return text, nil
}

// What S3 takes as an object's tags.
const (
	mostTags     = 10
	longestKey   = 128 // characters, as the next
	longestValue = 256
)

// parseTags reads KEY=VALUE,KEY2=VALUE2.
func parseTags(text string) (map[string]string, error) {
	tags := make(map[string]string)
	for item := range strings.SplitSeq(text, ",") {
		key, value, isTag := strings.Cut(strings.TrimSpace(item), "=")
		if !isTag {
			return nil, fmt.Errorf("%s is no tag; tags are written key=value,key2=value2", quoted(item))
		}
		if err := checkTag(key, value); err != nil {
			return nil, err
		}
		if _, twice := tags[key]; twice {
			return nil, fmt.Errorf("the tag %s is there twice", quoted(key))
		}
		tags[key] = value
	}
	if len(tags) > mostTags {
		return nil, fmt.Errorf("S3 takes %d tags at most; these are %d", mostTags, len(tags))
	}
	return tags, nil
}

// checkTag refuses a tag that S3 would refuse.
func checkTag(key, value string) error {
	switch {
	case key == "":
		return errors.New("a tag has no key; tags are written key=value,key2=value2")
	case utf8.RuneCountInString(key) > longestKey:
		return fmt.Errorf("the key %s is too long; S3 takes %d characters", quoted(key), longestKey)
	case utf8.RuneCountInString(value) > longestValue:
		return fmt.Errorf("the value of %s is too long; S3 takes %d characters", quoted(key), longestValue)
	case strings.HasPrefix(strings.ToLower(key), "aws:"):
		return fmt.Errorf("the key %s is one of AWS's own, which begin with aws: and are not for others", quoted(key))
	case !isTagText(key) || !isTagText(value):
		return fmt.Errorf("the tag %s has other characters than letters, digits, spaces and + - = . _ : / @", quoted(key+"="+value))
	}
	return nil
}

func isTagText(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) && !strings.ContainsRune(" +-=._:/@", r)
	})
}

// keyHasUse holds a KMS key against the encryption that would use it.
func (l *loading) keyHasUse() {
	c := &l.config
	if c.SSEKMSKey == "" || strings.HasPrefix(c.SSE, "aws:kms") || !l.sound("sse", "sse-kms-key") {
		return
	}
	l.mistakes.add(l.where("sse-kms-key")+" "+quoted(c.SSEKMSKey), "is used with --sse aws:kms or aws:kms:dsse alone, and %s", l.encryption())
}

// encryption says what is chosen of --sse.
func (l *loading) encryption() string {
	if l.config.SSE == "" {
		return "neither is set"
	}
	return l.where("sse") + " is " + l.config.SSE
}
