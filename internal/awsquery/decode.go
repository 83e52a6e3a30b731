package awsquery

import (
	"cmp"
	"encoding/base64"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"coffer/internal/awserr"
)

var timeType = reflect.TypeFor[time.Time]()

// Decode sets the struct that dst points to from the form. The error is a
// *awserr.Error with the code MalformedInput, and quotes no value.
//
// It panics if dst is no pointer to a struct, or holds a type that the protocol
// does not know.
func (f *Form) Decode(dst any) error {
	rv := reflect.ValueOf(dst)
	if rv.Kind() != reflect.Pointer || rv.Elem().Kind() != reflect.Struct {
		panic("awsquery: internal error: destination is no pointer to a struct")
	}
	for m, field := range members(rv.Elem()) {
		for name, n := range f.root.below {
			switch {
			case name == m.name:
				if err := bind(n, name, field); err != nil {
					return err
				}
			case strings.EqualFold(name, m.name):
				return malformed("The parameter %s is spelled %s.", name, m.name)
			}
		}
	}
	return nil
}

// A member is how a field is named and written.
type member struct {
	name             string
	omitEmpty, isURI bool
}

// members goes over the members of a structure. Those of an embedded struct are
// among them.
func members(v reflect.Value) iter.Seq2[member, reflect.Value] {
	return func(yield func(member, reflect.Value) bool) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			tag, options, _ := strings.Cut(f.Tag.Get("query"), ",")
			switch {
			case tag == "-" || !f.IsExported():
			case f.Anonymous:
				for m, field := range members(v.Field(i)) {
					if !yield(m, field) {
						return
					}
				}
			default:
				m := member{cmp.Or(tag, f.Name), strings.Contains(options, "omitempty"), strings.Contains(options, "uri")}
				if !yield(m, v.Field(i)) {
					return
				}
			}
		}
	}
}

// bind sets dst to the parameters at n and below, whose full name is name.
func bind(n *node, name string, dst reflect.Value) *awserr.Error {
	if dst.Kind() == reflect.Pointer {
		p := reflect.New(dst.Type().Elem())
		if err := bind(n, name, p.Elem()); err != nil {
			return err
		}
		dst.Set(p)
		return nil
	}
	isBlob := dst.Kind() == reflect.Slice && dst.Type().Elem().Kind() == reflect.Uint8
	switch {
	case dst.Type() == timeType || isBlob:
	case dst.Kind() == reflect.Struct:
		return bindStruct(n, name, dst)
	case dst.Kind() == reflect.Slice:
		return bindList(n, name, dst)
	case dst.Kind() == reflect.Map:
		return bindMap(n, name, dst)
	}
	if n.below != nil {
		return malformed("The parameter %s has one value, and no members.", name)
	}
	switch {
	case dst.Type() == timeType:
		t, err := time.Parse(time.RFC3339Nano, n.value)
		if err != nil {
			return malformed("The parameter %s is no timestamp.", name)
		}
		dst.Set(reflect.ValueOf(t.UTC()))
	case isBlob:
		b, err := base64.StdEncoding.Strict().DecodeString(n.value)
		if err != nil || strings.ContainsAny(n.value, "\r\n") { // which the decoder would skip
			return malformed("The parameter %s is not base64.", name)
		}
		dst.SetBytes(b)
	case dst.Kind() == reflect.String:
		dst.SetString(n.value)
	case dst.Kind() == reflect.Bool:
		if n.value != "true" && n.value != "false" {
			return malformed("The parameter %s is neither true nor false.", name)
		}
		dst.SetBool(n.value == "true")
	case dst.Kind() == reflect.Int32:
		i, err := strconv.ParseInt(n.value, 10, 32)
		if err != nil || n.value[0] == '+' {
			return malformed("The parameter %s is no integer of 32 bits.", name)
		}
		dst.SetInt(i)
	default:
		panic("awsquery: internal error: no wire form for " + dst.Type().String())
	}
	return nil
}

func bindStruct(n *node, name string, dst reflect.Value) *awserr.Error {
	if n.isSet {
		return malformed("The parameter %s has members, and no value.", name)
	}
	left := len(n.below)
	for m, field := range members(dst) {
		if p := n.below[m.name]; p != nil {
			left--
			if err := bind(p, name+"."+m.name, field); err != nil {
				return err
			}
		}
	}
	if left > 0 {
		return malformed("The parameter %s has a member that is not known.", name)
	}
	return nil
}

func bindList(n *node, name string, dst reflect.Value) *awserr.Error {
	members, err := numbered(n, name, "member")
	if err != nil {
		return err
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(members), len(members)))
	for i, m := range members {
		if err := bind(m.node, name+".member."+strconv.Itoa(m.index), dst.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func bindMap(n *node, name string, dst reflect.Value) *awserr.Error {
	if dst.Type() != reflect.TypeFor[map[string]string]() {
		panic("awsquery: internal error: no wire form for " + dst.Type().String())
	}
	entries, err := numbered(n, name, "entry")
	if err != nil {
		return err
	}
	pairs := make(map[string]string, len(entries))
	for _, e := range entries {
		var pair struct {
			Key   *string `query:"key"`
			Value string  `query:"value"`
		}
		if err := bindStruct(e.node, name+".entry."+strconv.Itoa(e.index), reflect.ValueOf(&pair).Elem()); err != nil {
			return err
		}
		if pair.Key == nil {
			return malformed("The parameter %s has an entry without a key.", name)
		}
		if _, ok := pairs[*pair.Key]; ok {
			return malformed("The parameter %s has two entries with the same key.", name)
		}
		pairs[*pair.Key] = pair.Value
	}
	dst.Set(reflect.ValueOf(pairs))
	return nil
}

type numberedNode struct {
	index int
	node  *node
}

// numbered returns the members of a list or the entries of a map, in the order of
// their numbers.
func numbered(n *node, name, word string) ([]numberedNode, *awserr.Error) {
	if n.isSet && n.below == nil && n.value == "" {
		return nil, nil
	}
	numbers := n.below[word]
	if n.isSet || len(n.below) != 1 || numbers == nil || numbers.isSet {
		return nil, malformed("The members of the parameter %s are named %s.%s.1 and so on.", name, name, word)
	}
	list := make([]numberedNode, 0, len(numbers.below))
	for text, below := range numbers.below {
		i, err := strconv.Atoi(text)
		if err != nil || i < 1 || i > maxIndex || strconv.Itoa(i) != text {
			return nil, malformed("The members of the parameter %s are numbered from 1 to %d.", name, maxIndex)
		}
		list = append(list, numberedNode{i, below})
	}
	slices.SortFunc(list, func(a, b numberedNode) int { return a.index - b.index })
	return list, nil
}
