package awsjson

import (
	"encoding/base64"
	"math"
	"reflect"
	"strings"

	"coffer/internal/awserr"
)

var timeType = reflect.TypeFor[Time]()

// Unmarshal decodes a request body into the struct that dst points to. An empty
// body is an empty object. The error is a *awserr.Error with the code
// SerializationException, and never quotes the body.
//
// It panics if dst is no pointer to a struct, or holds a type that the protocol
// does not know.
func Unmarshal(body []byte, dst any) error {
	rv := reflect.ValueOf(dst)
	if rv.Kind() != reflect.Pointer || rv.Elem().Kind() != reflect.Struct {
		panic("awsjson: internal error: destination is no pointer to a struct")
	}
	if len(body) == 0 {
		return nil
	}
	v, err := parse(body)
	if err != nil {
		return err
	}
	if v.kind != kindObject {
		return malformed("Unexpected field type")
	}
	if err := bind(v, rv.Elem()); err != nil {
		return err
	}
	return nil
}

// bind sets dst to v, which is not null.
func bind(v value, dst reflect.Value) *awserr.Error {
	if dst.Type() == timeType {
		t, ok := parseTime(v.text)
		if v.kind != kindNumber || !ok {
			return mismatch(v, "a Timestamp")
		}
		dst.Set(reflect.ValueOf(t))
		return nil
	}
	switch dst.Kind() {
	case reflect.Pointer:
		p := reflect.New(dst.Type().Elem())
		if err := bind(v, p.Elem()); err != nil {
			return err
		}
		dst.Set(p)
	case reflect.String:
		if v.kind != kindString {
			return mismatch(v, "a String")
		}
		dst.SetString(v.text)
	case reflect.Bool:
		if v.kind != kindTrue && v.kind != kindFalse {
			return mismatch(v, "a Boolean")
		}
		dst.SetBool(v.kind == kindTrue)
	case reflect.Int32:
		n, ok := v.integer()
		if v.kind != kindNumber || !ok || n < math.MinInt32 || n > math.MaxInt32 {
			return mismatch(v, "an Integer")
		}
		dst.SetInt(n)
	case reflect.Slice:
		return bindSlice(v, dst)
	case reflect.Map:
		return bindMap(v, dst)
	case reflect.Struct:
		return bindStruct(v, dst)
	default:
		panic("awsjson: internal error: no wire form for " + dst.Type().String())
	}
	return nil
}

func bindSlice(v value, dst reflect.Value) *awserr.Error {
	if dst.Type().Elem().Kind() == reflect.Uint8 {
		if v.kind != kindString {
			return mismatch(v, "a Blob")
		}
		if strings.ContainsAny(v.text, "\r\n") { // which the decoder would skip
			return malformed("a blob in the request body is not base64")
		}
		b, err := base64.StdEncoding.Strict().DecodeString(v.text)
		if err != nil {
			return malformed("a blob in the request body is not base64")
		}
		dst.SetBytes(b)
		return nil
	}
	if v.kind != kindList {
		return mismatch(v, "a List")
	}
	s := reflect.MakeSlice(dst.Type(), len(v.list), len(v.list))
	for i, e := range v.list {
		if e.kind == kindNull {
			return malformed("a list in the request body holds a null")
		}
		if err := bind(e, s.Index(i)); err != nil {
			return err
		}
	}
	dst.Set(s)
	return nil
}

func bindMap(v value, dst reflect.Value) *awserr.Error {
	if v.kind != kindObject {
		return mismatch(v, "a Map")
	}
	m := make(map[string]string, len(v.members))
	for _, e := range v.members {
		if e.value.kind != kindString {
			return mismatch(e.value, "a String")
		}
		m[e.name] = e.value.text
	}
	dst.Set(reflect.ValueOf(m))
	return nil
}

func bindStruct(v value, dst reflect.Value) *awserr.Error {
	if v.kind != kindObject {
		return mismatch(v, "a Structure")
	}
	for i := range dst.NumField() {
		name, _ := memberName(dst.Type().Field(i))
		for _, e := range v.members {
			if e.name != name || e.value.kind == kindNull {
				continue
			}
			if err := bind(e.value, dst.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// memberName returns the wire name of a field, and whether it is left out when
// it is empty.
func memberName(f reflect.StructField) (name string, omitEmpty bool) {
	name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		panic("awsjson: internal error: no json tag on " + f.Name)
	}
	return name, rest == "omitempty"
}

// mismatch words a value of the wrong type as AWS does.
func mismatch(v value, want string) *awserr.Error {
	switch v.kind {
	case kindObject:
		return malformed("Start of structure or map found where not expected.")
	case kindList:
		return malformed("Start of list found where not expected")
	}
	return malformed("%s can not be converted to %s", v.kind, want)
}
