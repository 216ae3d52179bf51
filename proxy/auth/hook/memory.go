package hook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

const (
	maxRemember = 5 * time.Minute
	maxLogins   = 10_000 // that are remembered
)

// A digest identifies texts. It is keyed, so that it is useless outside the process.
type digest [sha256.Size]byte

// An attemptOf is an attempt to log in, as the memory knows it.
type attemptOf struct {
	user   string
	method proxy.LoginMethod
	secret digest // of the user, the method, the password and the public key
	whole  digest // of all that the hook is told, but for the session
}

// A login is a good login.
type login[U any] struct {
	attemptOf
	result U
	until  time.Time
	timer  *time.Timer // forgets it
}

// A memory has the good logins, and the questions that the hook has not yet answered. The zero value has none.
type memory[U any] struct {
	mu        sync.Mutex
	key       []byte
	logins    map[string][]*login[U] // by user
	size      int                    // number of logins
	questions map[*question]bool
}

// A question is an attempt that the hook is being asked about.
type question struct {
	attemptOf
	stale bool // a later answer says something else
}

// find returns the result of an equal login.
func (m *memory[U]) find(a proxy.Attempt) (result U, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of := m.attempt(a)
	for _, l := range m.logins[of.user] {
		if l.whole == of.whole && time.Now().Before(l.until) {
			return l.result, true
		}
	}
	return result, false
}

// begin notes that the hook is asked about an attempt. The caller must call end.
func (m *memory[U]) begin(a proxy.Attempt) *question {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := &question{attemptOf: m.attempt(a)}
	if m.questions == nil {
		m.questions = make(map[*question]bool)
	}
	m.questions[q] = true
	return q
}

// end notes that the hook has answered.
func (m *memory[U]) end(q *question) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.questions, q)
}

// remember remembers a good login for that long, 0 = not at all. A user has one password: logins with another one are forgotten. A
// user may have several public keys.
func (m *memory[U]) remember(q *question, result U, age time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if q.stale {
		return
	}
	several := q.method == proxy.ByPublicKey
	m.forget(q.user, func(l attemptOf) bool {
		return l.method == q.method && (l.secret != q.secret && !several || l.whole == q.whole)
	})
	if age <= 0 {
		return
	}
	for user := range m.logins {
		if m.size < maxLogins {
			break
		}
		m.forget(user, func(attemptOf) bool { return true })
	}
	l := &login[U]{attemptOf: q.attemptOf, result: result, until: time.Now().Add(age)}
	l.timer = time.AfterFunc(age, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.keep(l.user, func(other *login[U]) bool { return other != l })
	})
	if m.logins == nil {
		m.logins = make(map[string][]*login[U])
	}
	m.logins[l.user] = append(m.logins[l.user], l)
	m.size++
}

// forgetLogin forgets the logins of a user with a password.
func (m *memory[U]) forgetLogin(q *question) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(q.user, func(l attemptOf) bool { return l.secret == q.secret })
}

// forgetUser forgets the logins of a user.
func (m *memory[U]) forgetUser(q *question) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(q.user, func(attemptOf) bool { return true })
}

// forgetAll forgets all logins.
func (m *memory[U]) forgetAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for user := range m.logins {
		m.forget(user, func(attemptOf) bool { return true })
	}
	for q := range m.questions {
		q.stale = true
	}
}

// forget forgets some logins of a user, and does not remember those that the hook is being asked about.
func (m *memory[U]) forget(user string, which func(attemptOf) bool) {
	m.keep(user, func(l *login[U]) bool { return !which(l.attemptOf) })
	for q := range m.questions {
		q.stale = q.stale || q.user == user && which(q.attemptOf)
	}
}

// keep keeps some of the remembered logins of a user.
func (m *memory[U]) keep(user string, which func(*login[U]) bool) {
	before := len(m.logins[user])
	kept := slices.DeleteFunc(m.logins[user], func(l *login[U]) bool {
		if which(l) {
			return false
		}
		l.timer.Stop()
		return true
	})
	m.size -= before - len(kept)
	if len(kept) == 0 {
		delete(m.logins, user)
		return
	}
	m.logins[user] = kept
}

// attempt returns an attempt as the memory knows it.
func (m *memory[U]) attempt(a proxy.Attempt) attemptOf {
	if m.key == nil {
		m.key = make([]byte, sha256.Size)
		rand.Read(m.key)
	}
	method := string(a.Method)
	var certificate string
	if a.Certificate != nil {
		certificate = string(a.Certificate.Raw)
	}
	key := string(a.PublicKey)
	return attemptOf{user: a.User, method: a.Method, secret: m.digest(a.User, method, a.Password, key),
		whole: m.digest(a.User, method, a.Password, key, a.Service(), a.TLS, a.Peer.Addr().Unmap().String(), certificate)}
}

// digest returns the digest of texts.
func (m *memory[U]) digest(texts ...string) (d digest) {
	h := hmac.New(sha256.New, m.key)
	for _, text := range texts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		h.Write([]byte(text))
	}
	h.Sum(d[:0])
	return d
}

// maxAge returns how long an answer may be remembered, by its Cache-Control (RFC 9111, section 5.2.2): the smallest max-age less
// its Age, at most 5 minutes, and 0 if there is none, or if it is invalid or forbidden.
func maxAge(h http.Header) time.Duration {
	age, found := maxRemember, false
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(directive, "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			age, found = min(age, seconds(value)), true
		}
	}
	if !found {
		return 0
	}
	return max(0, age-seconds(h.Get("Age")))
}

// seconds reads a number of seconds, at most 5 minutes. Without a valid one it returns 0.
func seconds(text string) time.Duration {
	n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(text), `"`), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return time.Duration(min(n, uint64(maxRemember/time.Second))) * time.Second
}
