// Coffer is an object store with the S3 API and a key service with the KMS API.
package main

import (
	"os"

	"coffer/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv)) }
