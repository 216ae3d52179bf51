package config

import (
	"errors"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// s3Keys are the keys under s3.
var s3Keys = []key[UserS3]{
	{name: "access-key", set: plain(func(u *UserS3) *string { return &u.AccessKey }, parseAccessKey)},
	{name: "secret-key", set: func(s scope, u *UserS3, n ast.Node) error {
		return plain(func(u *UserS3) *Secret { return &u.SecretKey }, parseSecretKey)(s, u, n)
	}},
	{name: "secret-key-file", set: func(s scope, u *UserS3, n ast.Node) error {
		return plain(func(u *UserS3) *string { return &u.SecretKeyFile }, s.parseSecretFile)(s, u, n)
	}},
	{name: "endpoint", set: plain(func(u *UserS3) *string { return &u.Endpoint }, parseUserEndpoint)},
	{name: "region", set: plain(func(u *UserS3) *string { return &u.Region }, parseRegion)},
	{name: "role-arn", set: plain(func(u *UserS3) *string { return &u.RoleARN }, parseRole)},
	{name: "external-id", set: plain(func(u *UserS3) *string { return &u.ExternalID }, parseExternalID)},
}

// setS3 reads the S3 service and the credentials of a user. They replace those of the defaults as a whole, so that no
// access key is ever combined with the secret key of another.
func setS3(s scope, d *draft, n ast.Node) error {
	var u UserS3
	s = s.within("s3", "{access-key: KEY, secret-key-file: FILE}")
	seen := readMapping(s, &u, n, s3Keys)
	access, hasAccess := seen["access-key"]
	secret, hasSecret := seen["secret-key"]
	file, hasFile := seen["secret-key-file"]
	external, hasExternal := seen["external-id"]
	_, hasRole := seen["role-arn"]
	switch {
	case hasSecret && hasFile:
		s.mistakeAt(file, "secret-key-file", "must not be combined with secret-key")
	case hasAccess && !access.invalid && !hasSecret && !hasFile:
		s.mistakeAt(access, "access-key", "requires secret-key-file or secret-key")
	case !hasAccess && hasSecret:
		s.mistakeAt(secret, "secret-key", "requires access-key")
	case !hasAccess && hasFile:
		s.mistakeAt(file, "secret-key-file", "requires access-key")
	}
	if hasExternal && !external.invalid && !hasRole {
		s.mistakeAt(external, "external-id", "requires role-arn, the role to assume")
	}
	d.S3 = &u
	return nil
}

func parseUserEndpoint(text string) (string, error) {
	if strings.Contains(text, "@") {
		return "", hidden{errors.New("must not contain keys: access-key and secret-key-file are keys of their own")}
	}
	if text == "" {
		return "", errEndpoint
	}
	return parseEndpoint(text)
}

// parseAccessKey reads an access key. Messages do not contain it, because it may be a secret key in the wrong place.
func parseAccessKey(text string) (string, error) {
	if len(text) < 3 || len(text) > 128 || !isPrintable(text) || strings.Contains(text, " ") {
		return "", hidden{errors.New("must be an access key of 3 to 128 bytes without spaces")}
	}
	return text, nil
}

func parseSecretKey(text string) (Secret, error) {
	if len(text) < 8 || len(text) > 1024 || !isPrintable(text) || strings.Contains(text, " ") {
		return "", hidden{errors.New("must be a secret key of at least 8 bytes without spaces")}
	}
	return Secret(text), nil
}

var (
	roleARN    = regexp.MustCompile(`^arn:[^\s:]+:[^\s:]+:[^\s]*:role/\S+$`)
	externalID = regexp.MustCompile(`^[A-Za-z0-9_+=,.@:/-]{2,}$`)
)

func parseRole(text string) (string, error) {
	if !roleARN.MatchString(text) || len(text) > 2048 {
		return "", errors.New("must be the ARN of a role, e.g. arn:aws:iam::123456789012:role/uploads")
	}
	return text, nil
}

// parseExternalID reads an external ID, which some providers treat as a secret.
func parseExternalID(text string) (string, error) {
	if len(text) > 1224 || !externalID.MatchString(text) {
		return "", hidden{errors.New("must be 2 to 1224 letters, digits and + = , . @ : / - _")}
	}
	return text, nil
}
