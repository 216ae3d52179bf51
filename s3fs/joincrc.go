package s3fs

// joinCRC returns the CRC-32 of a content of which the first part's is a and the rest's, n bytes long, is b.
//
// Appending n bytes multiplies a's remainder by x^8n modulo the polynomial, which is in reversed notation.
func joinCRC(polynomial, a, b uint32, n int64) uint32 {
	square := uint32(1) << 30 // x
	for range 3 {
		square = multiply(polynomial, square, square)
	}
	for ; n > 0; n >>= 1 { // square is x^8, x^16, x^32 ...
		if n&1 == 1 {
			a = multiply(polynomial, square, a)
		}
		square = multiply(polynomial, square, square)
	}
	return a ^ b
}

// multiply returns a times b modulo the polynomial; the highest bit stands for x^0.
func multiply(polynomial, a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a>>31 == 1 {
			product ^= b
		}
		low := b & 1
		b >>= 1
		if low == 1 {
			b ^= polynomial
		}
	}
	return product
}
