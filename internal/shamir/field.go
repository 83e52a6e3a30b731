package shamir

// The field GF(2^8) with the polynomial x^8 + x^4 + x^3 + x + 1, that of AES. An
// element is a byte; addition is exclusive or. No branch and no memory access
// depends on an operand.

// mul returns the product of two elements.
func mul(a, b byte) byte {
	var p byte
	for range 8 {
		p ^= a & -(b & 1)
		a = a<<1 ^ 0x1b&-(a>>7)
		b >>= 1
	}
	return p
}

// inverse returns the inverse of an element that is not 0, and 0 for 0: a^254.
func inverse(a byte) byte {
	r := byte(1)
	// 254 is 11111110 in binary.
	for i := 7; i >= 0; i-- {
		r = mul(r, r)
		if i > 0 { // of the exponent, which is public
			r = mul(r, a)
		}
	}
	return r
}
