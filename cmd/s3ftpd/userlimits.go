package main

import (
	"context"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
)

// userLimits is what the sessions of a user share of the user's limits.
type userLimits struct {
	rate     grant.Rate
	daily    grant.Daily
	quota    grant.Quota
	sessions int
}

// set takes over the limits of a user as they are now, and the places that count towards the quota.
func (l *userLimits) set(u *config.User, places []grant.Place) {
	l.rate.Set(u.MaxRate.Up, u.MaxRate.Down)
	l.daily.Set(u.DailyUpload)
	l.quota.Set(u.Quota.Size, u.Quota.Files, places...)
}

// below returns the store with those limits that must be below the permissions: they look at files that the user may not see. The
// store is dir of a bucket, see grant.Quota.
func (l *userLimits) below(u *config.User, store grant.Sized, bucket any, dir string) proxy.Store {
	return grant.MaxFileSize(l.daily.Limit(l.quota.Limit(store, bucket, dir)), u.MaxFileSize)
}

// space returns the Space of the account.
func (l *userLimits) space(u *config.User) func(context.Context) (proxy.Space, error) {
	if u.MaxFileSize == 0 && u.DailyUpload == 0 && u.Quota == (config.UserQuota{}) {
		return nil
	}
	return func(ctx context.Context) (proxy.Space, error) {
		today, _ := l.daily.Used()
		space := proxy.Space{FileSize: u.MaxFileSize, DailyUpload: u.DailyUpload, UploadedToday: today}
		err := l.quota.Space(ctx, &space)
		return space, err
	}
}

// limitsOfUsers are the limits of users who have sessions, or have uploaded today.
type limitsOfUsers struct {
	usages *grant.Usages // for quotas; nil = there are none
	mu     sync.Mutex
	list   map[string]*userLimits // by user
	day    int                    // of the year, in UTC, on which the list was cleared last
}

// take returns the limits of a user, for a session that calls giveBack when it ends.
func (l *limitsOfUsers) take(user string) *userLimits {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil {
		l.list = make(map[string]*userLimits)
	}
	if today := time.Now().UTC().YearDay(); today != l.day {
		l.day = today
		for other := range l.list {
			l.dropUnused(other)
		}
	}
	if l.list[user] == nil {
		l.list[user] = &userLimits{quota: grant.Quota{Usages: l.usages}}
	}
	l.list[user].sessions++
	return l.list[user]
}

func (l *limitsOfUsers) giveBack(user string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limits := l.list[user]
	if limits.sessions--; limits.sessions == 0 {
		limits.quota.Set(0, 0)
	}
	l.dropUnused(user)
}

// dropUnused drops the limits of a user without sessions who has uploaded nothing today. The caller must hold the lock.
func (l *limitsOfUsers) dropUnused(user string) {
	if used, _ := l.list[user].daily.Used(); used == 0 && l.list[user].sessions == 0 {
		delete(l.list, user)
	}
}
