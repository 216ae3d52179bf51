package main

import (
	"context"
	"fmt"
)

// problems gathers the places of users that do not work, so that a cause that many have is printed once.
type problems []*problem

// A problem is what is wrong with a place, and the users who have it or others with the same cause.
type problem struct {
	placeResult
	users map[string]bool
}

// add prints the result of a place that works, and keeps any other one for print.
func (list *problems) add(ctx context.Context, r *report, x placeResult) {
	switch {
	case ctx.Err() != nil:
		return
	case x.Status == statusOK:
		if x.Text != "" {
			r.add(x.line(len(x.place.users)))
		}
		return
	}
	p := list.with(x)
	if p == nil {
		p = &problem{x, map[string]bool{}}
		*list = append(*list, p)
	}
	for _, name := range x.place.users {
		p.users[name] = true
	}
}

// with returns the problem that a result is one more case of, or nil.
func (list problems) with(x placeResult) *problem {
	for _, p := range list {
		if p.cause == x.cause && p.place.bucket() == x.place.bucket() {
			return p
		}
	}
	return nil
}

// print prints the problems.
func (list problems) print(ctx context.Context, r *report) {
	for _, p := range list {
		if ctx.Err() == nil {
			r.add(p.line(len(p.users)))
		}
	}
}

// line returns the result with the names of its user and its place, and the number of users who have it.
func (x placeResult) line(users int) result {
	name := fmt.Sprintf("user %q", x.place.user.Name)
	if users > 1 {
		name += fmt.Sprintf(" and %d more", users-1)
	}
	x.Check, x.Text = "user", fmt.Sprintf("%s: %s/%s: %s", name, x.place.mount.Bucket, x.place.mount.Prefix, x.Text)
	return x.result
}

// bucket identifies the bucket of a place, as its users use it.
func (p *userPlace) bucket() bucketOf { return bucketOf{accessOf(p.user), p.mount.Bucket} }
