package checksum

import (
	"crypto/fips140"
	"crypto/md5"
	"crypto/sha1"
	"hash"
)

// An unapproved hash is one that FIPS 140-3 does not approve, computed all the
// same when a process runs with GODEBUG=fips140=only. That mode refuses MD5 and
// SHA-1 lest they carry security; here they carry none. S3's API prescribes MD5
// for the ETag and for Content-MD5 and offers both as checksums against damage,
// and what keeps an object secret and whole is its seal.
//
// The check is made in every Write and Sum, not once in New, so each call goes
// through [fips140.WithoutEnforcement]. Outside that mode it costs a few
// nanoseconds.
type unapproved struct{ h hash.Hash }

func newMD5() hash.Hash { return unapproved{md5.New()} }

func newSHA1() hash.Hash { return unapproved{sha1.New()} }

func (u unapproved) Write(p []byte) (n int, err error) {
	fips140.WithoutEnforcement(func() { n, err = u.h.Write(p) })
	return n, err
}

func (u unapproved) Sum(b []byte) (sum []byte) {
	fips140.WithoutEnforcement(func() { sum = u.h.Sum(b) })
	return sum
}

func (u unapproved) Reset()         { u.h.Reset() }
func (u unapproved) Size() int      { return u.h.Size() }
func (u unapproved) BlockSize() int { return u.h.BlockSize() }
