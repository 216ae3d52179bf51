package real

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// AddMinIOUser adds a user to MinIO whose access key is its name. Only its policy says what it may do.
func AddMinIOUser(t testing.TB, server *S3, name, secret, policy string) {
	t.Helper()
	user, err := json.Marshal(map[string]string{"secretKey": secret, "status": "enabled"})
	if err != nil {
		t.Fatal(err)
	}
	administer(t, server, "add-user", url.Values{"accessKey": {name}}, encrypt(t, server.SecretKey, user))
	server.AddPolicy(t, name, policy)
	server.AttachPolicy(t, name, name)
}

// BucketPolicy returns a policy of MinIO that allows all that S3 can do with one bucket.
func BucketPolicy(bucket string) string {
	return `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*"],
		"Resource": ["arn:aws:s3:::` + bucket + `", "arn:aws:s3:::` + bucket + `/*"]}]}`
}

// AddPolicy adds a policy to MinIO, see AttachPolicy.
func (s *S3) AddPolicy(t testing.TB, name, policy string) {
	t.Helper()
	administer(t, s, "add-canned-policy", url.Values{"name": {name}}, []byte(policy))
}

// AttachPolicy gives a policy of MinIO to a user; a user of LDAP is its DN.
func (s *S3) AttachPolicy(t testing.TB, policy, user string) {
	t.Helper()
	administer(t, s, "set-user-or-group-policy", url.Values{"policyName": {policy}, "userOrGroup": {user}, "isGroup": {"false"}}, nil)
}

// AddServiceAccount adds an access key to a user of MinIO or of LDAP.
func (s *S3) AddServiceAccount(t testing.TB, user, accessKey, secretKey string) {
	t.Helper()
	account, err := json.Marshal(map[string]string{"targetUser": user, "accessKey": accessKey, "secretKey": secretKey})
	if err != nil {
		t.Fatal(err)
	}
	administer(t, s, "add-service-account", nil, encrypt(t, s.SecretKey, account))
}

// administer sends a change by MinIO's administration API, with the keys of its administrator. MinIO forgets changes that it has accepted
// before it has loaded its users, and answers a request for their list when it has.
func administer(t testing.TB, server *S3, command string, query url.Values, body []byte) {
	t.Helper()
	request(t, server, http.MethodGet, "list-users", nil, nil)
	request(t, server, http.MethodPut, command, query, body)
}

// request sends a request of the administration API, again until MinIO is initialized.
func request(t testing.TB, server *S3, method, command string, query url.Values, body []byte) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	status, text := 0, ""
	for range 200 {
		if status, text = requestOnce(t, server, method, command, query, body); status != http.StatusServiceUnavailable {
			break
		}
		<-tick.C
	}
	if status != http.StatusOK {
		t.Fatalf("%s: %d: %s", command, status, text)
	}
}

func requestOnce(t testing.TB, server *S3, method, command string, query url.Values, body []byte) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, server.Endpoint+"/minio/admin/v3/"+command+"?"+query.Encode(), bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(body)
	r.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	keys := aws.Credentials{AccessKeyID: server.AccessKey, SecretAccessKey: server.SecretKey}
	if err := v4.NewSigner().SignHTTP(t.Context(), keys, r, hex.EncodeToString(sum[:]), "s3", server.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(answer)
}

// encrypt encrypts a short body as MinIO's administration API requires, with the administrator's secret key: a salt, the number of the
// algorithm, a nonce, and one fragment of AES-GCM. Fragments count from 1 in the last bytes of the nonce; 0 authenticates no data.
func encrypt(t testing.TB, secret string, body []byte) []byte {
	t.Helper()
	const pbkdf2AESGCM, iterations, lastFragment = 2, 8192, 0x80
	random := make([]byte, 32+8)
	rand.Read(random)
	salt, nonce := random[:32], append(random[32:40:40], 0, 0, 0, 0)
	key, err := pbkdf2.Key(sha256.New, secret, salt, iterations, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	data := gcm.Seal([]byte{lastFragment}, nonce, nil, nil)
	nonce[8] = 1
	return gcm.Seal(append(append(salt[:32:32], pbkdf2AESGCM), nonce[:8]...), nonce, body, data)
}
