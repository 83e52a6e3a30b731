package iam

import (
	"cmp"
	"reflect"
	"strings"
	"time"

	"coffer/internal/meta"
	"coffer/internal/trail"
)

// setParams sets the members of an input or an output in the trail, by the names
// that CloudTrail gives them: those of the API with a small first letter. Empty
// members are left out, and secrets, which have a method Reveal, always.
func setParams(set func(name string, value any), v any) {
	for _, p := range params(reflect.ValueOf(v)) {
		set(p.Name, p.Value)
	}
}

func params(v reflect.Value) (list trail.Params) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if f.Anonymous {
			list = append(list, params(v.Field(i))...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("query"), ",")
		name = cmp.Or(name, f.Name)
		if value, ok := param(v.Field(i)); ok {
			list = append(list, trail.Param{Name: strings.ToLower(name[:1]) + name[1:], Value: value})
		}
	}
	return list
}

// param returns what the trail holds for a value. ok is false for nothing.
func param(v reflect.Value) (value any, ok bool) {
	if v.IsZero() {
		return nil, false
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if _, ok := v.Interface().(interface{ Reveal() string }); ok {
		return nil, false
	}
	if t, ok := v.Interface().(time.Time); ok {
		return t, true
	}
	switch v.Kind() {
	case reflect.Struct:
		return params(v), true
	case reflect.Slice:
		list := make([]any, 0, v.Len())
		for i := range v.Len() {
			if e, ok := param(v.Index(i)); ok {
				list = append(list, e)
			}
		}
		return list, true
	case reflect.String:
		return v.String(), true
	}
	return v.Interface(), true
}

// answered returns what runs last in a transaction that makes or changes one
// thing: it sets out to the answer, and the call's record, which holds that answer.
func answered[T, Output any](o *op, out **Output, answer func(T) *Output) func(meta.Txn, T) error {
	return func(tx meta.Txn, v T) error {
		*out = answer(v)
		setParams(o.Response, *out)
		return o.Record(tx)
	}
}
