package sftp

import (
	"io"
	"reflect"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/crypto/ssh"
)

// A packetQueue is the queue of a connection between the goroutine of package ssh that reads packets and the one that handles them.
//
// If package ssh ends a connection because of a packet, e.g. an invalid one, it receives nothing more from the queue. If the reading
// goroutine waits for room in it at that time, it waits forever, and so does [ssh.ServerConn.Wait]. Clients could leak memory so, even
// without a login. Therefore discard receives what is left. The queue is not known before the login begins. Until then, the client may
// send no more packets than the queue has room for.
type packetQueue struct {
	packets chan []byte   // of package ssh; nil = unknown
	known   chan struct{} // closed when packets is set
	signed  atomic.Bool   // the first packet for the queue may come next
	early   int           // bytes that package ssh has read since signed; guarded by socket.reading
}

const (
	queueSize = 16 // packets: chanSize of package ssh
	minPacket = 16 // bytes that the smallest encrypted packet has at least, with its MAC

	// earlyPause is how long package ssh may need for the packets before the login. They are only a few.
	earlyPause = 100 * time.Millisecond
)

// set makes the queue that of a connection. If a future package ssh has none, TestUnreadPacketsAtEnd fails.
func (q *packetQueue) set(conn ssh.ConnMetadata) {
	defer close(q.known)
	v := reflect.ValueOf(conn)
	for _, field := range []string{"transport", "incoming"} {
		for v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		if v.Kind() != reflect.Struct {
			return
		}
		v = v.FieldByName(field)
	}
	if v.IsValid() && v.Type() == reflect.TypeFor[chan []byte]() && v.CanAddr() {
		q.packets = *(*chan []byte)(unsafe.Pointer(v.UnsafeAddr()))
	}
}

// isEmpty reports whether there are no packets. If the queue is unknown, that is assumed.
func (q *packetQueue) isEmpty() bool {
	select {
	case <-q.known:
		return len(q.packets) == 0
	default:
		return true
	}
}

// discard receives all packets until the connection is closed. Package ssh must have ended it.
func (q *packetQueue) discard() {
	select {
	case <-q.known:
	default:
		return // the queue has room for all
	}
	if q.packets != nil {
		for range q.packets {
		}
	}
}

// limit waits until package ssh may read more, and returns how many of n bytes.
func (q *packetQueue) limit(n int, ended <-chan struct{}) int {
	const most = queueSize * minPacket
	if !q.signed.Load() {
		return n
	}
	select {
	case <-q.known:
		return n
	default:
	}
	if q.early >= most {
		select {
		case <-q.known:
			return n
		case <-ended:
		case <-time.After(earlyPause):
		}
		q.early = 0
	}
	return min(n, most-q.early)
}

// passed counts bytes that package ssh has read.
func (q *packetQueue) passed(n int) {
	if q.signed.Load() {
		q.early += n
	}
}

// A signalingKey is a host key that tells the queue when the handshake is almost over: a client cannot encrypt packets before it has
// the signature.
type signalingKey struct {
	ssh.MultiAlgorithmSigner
	queue *packetQueue
}

// Sign implements ssh.Signer.
func (k signalingKey) Sign(rand io.Reader, data []byte) (*ssh.Signature, error) {
	k.queue.signed.Store(true)
	return k.MultiAlgorithmSigner.Sign(rand, data)
}

// SignWithAlgorithm implements ssh.AlgorithmSigner.
func (k signalingKey) SignWithAlgorithm(rand io.Reader, data []byte, algorithm string) (*ssh.Signature, error) {
	k.queue.signed.Store(true)
	return k.MultiAlgorithmSigner.SignWithAlgorithm(rand, data, algorithm)
}
