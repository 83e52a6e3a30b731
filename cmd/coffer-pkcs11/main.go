//go:build cgo

// Coffer-pkcs11 loads a PKCS #11 module for coffer, which starts it and asks it over
// its standard input and output. It is not for people.
//
// It is a program of its own so that the module, which is C code of others, shares no
// memory with the server, and so that the server needs no C library.
//
// Source: docs/spec/pkcs11-helper.md, which is normative.
package main

import (
	"fmt"
	"os"

	"coffer/internal/rootseal/pkcs11"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "coffer-pkcs11: coffer starts this program, which takes no arguments")
		os.Exit(2)
	}
	if err := harden(); err != nil {
		fail(err)
	}
	out, err := takeOutput()
	if err != nil {
		fail(err)
	}
	if err := pkcs11.Serve(os.Stdin, out, open); err != nil {
		fail(err)
	}
	// The module may be in the middle of a call, or hang: it gets no goodbye.
	os.Exit(0)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "coffer-pkcs11:", err)
	os.Exit(3)
}
