//go:build !cgo

// Coffer-pkcs11 loads a PKCS #11 module for coffer.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "coffer-pkcs11: built without cgo; build it with CGO_ENABLED=1 and a C compiler")
	os.Exit(3)
}
