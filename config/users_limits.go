package config

import (
	"errors"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// A UserRate is the bytes a second that all transfers of a user together may move; 0 = no limit.
type UserRate struct{ Up, Down int64 }

// rateKeys are the keys under max-rate.
var rateKeys = []key[UserRate]{
	{name: "up", set: plain(func(r *UserRate) *int64 { return &r.Up }, parseRate)},
	{name: "down", set: plain(func(r *UserRate) *int64 { return &r.Down }, parseRate)},
}

func setRate(s scope, d *draft, n ast.Node) error {
	d.MaxRate = UserRate{}
	readMapping(s.within("max-rate", "{up: 20MiB, down: 20MiB}"), &d.MaxRate, n, rateKeys)
	return nil
}

// A UserQuota limits what lies in the mounts that a user can write to; 0 = no limit.
type UserQuota struct{ Size, Files int64 } // Size in bytes

// quotaKeys are the keys under quota.
var quotaKeys = []key[UserQuota]{
	{name: "size", set: plain(func(q *UserQuota) *int64 { return &q.Size }, orUnlimited(parseSize, adviceNoLimit))},
	{name: "files", set: plain(func(q *UserQuota) *int64 { return &q.Files }, orUnlimited(parseFileCount, adviceNoLimit))},
}

func setQuota(s scope, d *draft, n ast.Node) error {
	d.Quota = UserQuota{}
	readMapping(s.within("quota", "{size: 1TiB, files: 1000000}"), &d.Quota, n, quotaKeys)
	return nil
}

func parseFileCount(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, errors.New("must be a number of files, at least 1")
	}
	return n, nil
}

// adviceNoLimit is advice for limits that have no word for "unlimited".
const adviceNoLimit = "for no limit, remove the key, or set a large one in place of that of defaults"

// minRate is the lowest rate. Below it, the buffers of TCP take so long to empty that clients take the connection for stalled.
const minRate = 1 << 10

var parseRate = orUnlimited(func(text string) (int64, error) {
	n, err := parseSize(text)
	if err != nil || n < minRate {
		return 0, errors.New("must be bytes a second, at least 1KiB, e.g. 20MiB")
	}
	return n, nil
}, adviceNoLimit)
