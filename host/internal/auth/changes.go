package auth

import (
	"cmp"
	"maps"
	"slices"
)

// Action is what was done to a token of a store.
type Action string

// The actions.
const (
	Created Action = "created"
	Revoked Action = "revoked"
	Rotated Action = "rotated"
	Changed Action = "changed" // its role, tools, rate or expiry, which only an editor does
)

// Change is what another process did to one token.
type Change struct {
	Name   string
	Action Action
}

// changes tells two states of a store apart, sorted by name.
func changes(from, to *snapshot) []Change {
	was, is := from.byName(), to.byName()
	var all []Change
	for name, before := range was {
		after, kept := is[name]
		switch {
		case !kept:
			all = append(all, Change{name, Revoked})
		case before.SHA256 != after.SHA256 && !before.Created.Equal(after.Created):
			all = append(all, Change{name, Revoked}, Change{name, Created})
		case before.SHA256 != after.SHA256 || !before.Rotated.Equal(after.Rotated):
			all = append(all, Change{name, Rotated})
		case !before.same(after):
			all = append(all, Change{name, Changed})
		}
	}
	for name := range maps.Keys(is) {
		if was[name] == nil {
			all = append(all, Change{name, Created})
		}
	}
	slices.SortStableFunc(all, func(a, b Change) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// same reports whether two records let the same in, with the same rights.
func (r *record) same(o *record) bool {
	return r.Role == o.Role && slices.Equal(r.Tools, o.Tools) && r.Requests == o.Requests && r.Per == o.Per &&
		r.Expires.Equal(o.Expires) && slices.EqualFunc(r.Former, o.Former, former.same)
}

func (f former) same(o former) bool { return f.SHA256 == o.SHA256 && f.Until.Equal(o.Until) }
