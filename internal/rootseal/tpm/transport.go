package tpm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/google/go-tpm/tpm2"
)

// maxMessage is the length of the longest command and response, in bytes. A TPM says
// its own limits, which are at most that: the Linux driver has a buffer of a page.
const maxMessage = 4096

// headerSize is the size of a header: tag, length of the message, and code.
const headerSize = 10

// A wire carries commands to the TPM. It implements transport.TPM.
type wire struct {
	rw interface {
		io.ReadWriteCloser
		SetDeadline(time.Time) error
	}
	isStream bool
	timeout  time.Duration
	ctx      context.Context // of the call that is under way: the interface has none
}

func connect(cfg *Config) (*wire, error) {
	w := &wire{timeout: cfg.Timeout}
	if w.timeout == 0 {
		w.timeout = defaultTimeout
	}
	if cfg.Socket != "" {
		conn, err := net.Dial("unix", cfg.Socket)
		if err != nil {
			return nil, err
		}
		w.rw, w.isStream = conn.(*net.UnixConn), true
		return w, nil
	}
	f, err := os.OpenFile(cfg.Device, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s is not a device", cfg.Device))
	}
	w.rw = f
	return w, nil
}

// Send sends a command and returns the response. A command that the TPM has not begun,
// because it was busy, is sent again.
func (w *wire) Send(command []byte) ([]byte, error) {
	for try := 1; ; try++ {
		response, err := w.exchange(command)
		if err != nil {
			return nil, err
		}
		switch code := tpm2.TPMRC(binary.BigEndian.Uint32(response[6:])); code {
		case tpm2.TPMRCRetry, tpm2.TPMRCYielded, tpm2.TPMRCTesting:
			if try == 50 {
				return nil, code
			}
			select {
			case <-time.After(100 * time.Millisecond):
			case <-w.ctx.Done():
				return nil, w.ctx.Err()
			}
		default:
			return response, nil
		}
	}
}

func (w *wire) exchange(command []byte) ([]byte, error) {
	if err := w.ctx.Err(); err != nil {
		return nil, err
	}
	if err := w.rw.SetDeadline(time.Now().Add(w.timeout)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return nil, err
	}
	if _, err := w.rw.Write(command); err != nil {
		return nil, err
	}
	response := make([]byte, maxMessage)
	n, err := w.read(response)
	if err != nil {
		return nil, err
	}
	if n < headerSize || int64(binary.BigEndian.Uint32(response[2:])) != int64(n) {
		return nil, errors.New("the response of the TPM is not whole")
	}
	return response[:n], nil
}

// read reads one response: of a device in one call, of a socket by its length.
func (w *wire) read(b []byte) (int, error) {
	if !w.isStream {
		return w.rw.Read(b)
	}
	if _, err := io.ReadFull(w.rw, b[:headerSize]); err != nil {
		return 0, err
	}
	n := int64(binary.BigEndian.Uint32(b[2:]))
	if n < headerSize || n > int64(len(b)) {
		return 0, fmt.Errorf("a response of %d bytes", n)
	}
	_, err := io.ReadFull(w.rw, b[headerSize:n])
	return int(n), err
}

func (w *wire) Close() error { return w.rw.Close() }
