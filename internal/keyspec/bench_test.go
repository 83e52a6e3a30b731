package keyspec

import "testing"

// BenchmarkKeys measures each algorithm on a key that is open, and opening it.
func BenchmarkKeys(b *testing.B) {
	for _, name := range Names() {
		spec := lookup(b, name)
		m := material(b, spec)
		k := open(b, spec, m)
		b.Run(name+"/Open", func(b *testing.B) {
			for b.Loop() {
				open(b, spec, m).Wipe()
			}
		})
		for _, algorithm := range spec.Algorithms(SignVerify) {
			for messageType, message := range forms(algorithm) {
				b.Run(name+"/"+algorithm+"/Sign"+messageType, func(b *testing.B) {
					for b.Loop() {
						k.Sign(algorithm, message, messageType)
					}
				})
				signature, err := k.Sign(algorithm, message, messageType)
				if err != nil {
					b.Fatal(err)
				}
				b.Run(name+"/"+algorithm+"/Verify"+messageType, func(b *testing.B) {
					for b.Loop() {
						k.Verify(algorithm, message, messageType, signature)
					}
				})
			}
		}
		for _, algorithm := range spec.Algorithms(EncryptDecrypt) {
			ciphertext, err := k.Encrypt(algorithm, nil)
			if err != nil {
				continue
			}
			b.Run(name+"/"+algorithm+"/Decrypt", func(b *testing.B) {
				for b.Loop() {
					k.Decrypt(algorithm, ciphertext)
				}
			})
		}
		if spec.Allows(KeyAgreement) {
			b.Run(name+"/Derive", func(b *testing.B) {
				for b.Loop() {
					k.Derive(ECDH, k.Public())
				}
			})
		}
		if spec.Allows(EncapsulateDecapsulate) {
			_, ciphertext, err := k.Encapsulate(MLKEM)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(name+"/Decapsulate", func(b *testing.B) {
				for b.Loop() {
					k.Decapsulate(MLKEM, ciphertext)
				}
			})
		}
	}
}
