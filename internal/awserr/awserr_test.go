package awserr

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"
)

func TestNew(t *testing.T) {
	plain := New // which vet does not take for a printf
	tests := []struct {
		name string
		got  *Error
		want string
	}{
		{"text", New(404, "NoSuchKey", "The specified key does not exist."), "The specified key does not exist."},
		{"format", New(400, "InvalidPart", "Part %d of %q", 3, "a"), `Part 3 of "a"`},
		{"a percent sign alone is text", plain(400, "InvalidURI", "Bad escape %zz"), "Bad escape %zz"},
		{"empty message becomes the code", New(403, "AccessDenied", ""), "AccessDenied"},
		{"empty formatted message becomes the code", New(403, "AccessDenied", "%s", ""), "AccessDenied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got.Message != tt.want || tt.got.Error() != tt.got.Code+": "+tt.want {
				t.Errorf("message %q, text %q; want %q", tt.got.Message, tt.got, tt.want)
			}
		})
	}
}

// The errors of a table are shared: what a request adds must not stay on them.
func TestAddingCopies(t *testing.T) {
	base := New(403, "AccessDenied", "no").With("BucketName", "tour").WithHeader("Retry-After", "1")
	one := base.With("Key", "one").WithHeader("X-One", "1").Because(io.EOF)
	two := base.With("Key", "two").WithHeader("X-Two", "2")
	if want := []Field{{"BucketName", "tour"}}; !reflect.DeepEqual(base.Fields, want) {
		t.Errorf("shared fields = %v; want %v", base.Fields, want)
	}
	if want := []Field{{"Retry-After", "1"}}; !reflect.DeepEqual(base.Headers, want) || base.Unwrap() != nil {
		t.Errorf("shared headers = %v, cause %v; want %v and none", base.Headers, base.Unwrap(), want)
	}
	if want := []Field{{"BucketName", "tour"}, {"Key", "one"}}; !reflect.DeepEqual(one.Fields, want) {
		t.Errorf("fields = %v; want %v", one.Fields, want)
	}
	if want := []Field{{"Retry-After", "1"}, {"X-One", "1"}}; !reflect.DeepEqual(one.Headers, want) {
		t.Errorf("headers = %v; want %v", one.Headers, want)
	}
	if want := []Field{{"BucketName", "tour"}, {"Key", "two"}}; !reflect.DeepEqual(two.Fields, want) {
		t.Errorf("fields = %v; want %v", two.Fields, want)
	}
}

func TestChain(t *testing.T) {
	e := New(500, "InternalError", "sorry").Because(io.ErrUnexpectedEOF)
	wrapped := fmt.Errorf("put object: %w", e)
	if As(wrapped) != e || !Is(wrapped, "InternalError") || Is(wrapped, "NoSuchKey") {
		t.Errorf("As(%v) = %v; want %v", wrapped, As(wrapped), e)
	}
	if !errors.Is(wrapped, io.ErrUnexpectedEOF) {
		t.Error("the cause is not in the chain")
	}
	if got := e.Error(); got != "InternalError: sorry" {
		t.Errorf("Error() = %q; the cause is not for clients", got)
	}
	if As(io.EOF) != nil || As(nil) != nil || Is(nil, "") {
		t.Error("As finds an error where none is")
	}
}
