package clientconfig

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Change is what would become of a file. Its zero does nothing.
type Change struct {
	Path   string // of the file itself, where the path that was asked for is a symbolic link to it
	Exists bool   // there is a file already
	Before []byte
	After  []byte

	file      file
	was, will view // what may be shown of either
}

// Nothing reports whether there is nothing to do: the file says already what it should, to nobody else.
func (c Change) Nothing() bool { return bytes.Equal(c.Before, c.After) && !c.Closed() }

// Closed reports whether others could read the file, and no longer can after the change, which puts something
// secret into it.
func (c Change) Closed() bool { return c.file.mode != c.file.was }

// Refused is why a file is left alone, and what its user can do.
type Refused struct {
	Path string
	Why  error
	Do   string // an imperative sentence without a full stop
}

func (r *Refused) Error() string {
	return fmt.Sprintf("%s is left as it is: %v; %s", r.Path, r.Why, r.Do)
}

// Unwrap returns the cause.
func (r *Refused) Unwrap() error { return r.Why }

// ErrForeign is in the chain of a Refused when an entry of that name stands there which Install did not
// write.
var ErrForeign = errors.New("is not Gatehouse's")

// ErrShared is in the chain of a Refused when a token would come into a project's file.
var ErrShared = errors.New("all who have the project would get the token")

// Options say how an entry is looked at, and how a new file is made. Their zero is for a user's file.
type Options struct {
	Force   bool   // an entry that is not ours is changed too, and a token may come into a project's file
	Self    string // path of this program, by which an entry is known as ours; empty: it is known by its name alone
	Project bool   // the file is a project's, which others read: it, and its folder, are made readable to them
}

// Install puts an entry into the file at path, which need not be there, as the server of that name. An entry
// of ours that stands there gets the members that e has, and loses those that e has not; what its user added
// to it stays.
func (c Client) Install(path, name string, e Entry, o Options) (Change, error) {
	if e.URL != "" && !c.addresses {
		return Change{}, fmt.Errorf("%s starts servers, and takes no address of one from its file", c.Title)
	}
	f, d, err := c.open(path)
	if err != nil {
		return Change{}, err
	}
	if e.Token != "" && o.Project && !o.Force {
		return Change{}, c.shared(f)
	}
	old, err := c.found(d, name)
	if err != nil {
		return Change{}, c.refuse(f, err)
	}
	if old != nil && !o.Force && !old.Ours(o.Self) {
		return Change{}, foreign(f, *old, "take another name with --name, or say --force to replace it")
	}
	after, err := c.merge(d, name, e, old != nil)
	if err != nil {
		return Change{}, c.refuse(f, err)
	}
	change := f.become(after, e.Secret(), o.Project)
	change.was = view{c.servers, name, old != nil && old.Ours(o.Self)}
	change.will = view{c.servers, name, true}
	return change, nil
}

// Uninstall takes the entry of that name out of the file at path. There is nothing to do when it is not
// there. The object of the servers stays, and so does the file.
func (c Client) Uninstall(path, name string, o Options) (Change, error) {
	f, d, err := c.open(path)
	if err != nil || !f.exists {
		return Change{Path: f.path}, err
	}
	old, err := c.found(d, name)
	if err != nil {
		return Change{}, c.refuse(f, err)
	}
	if old == nil {
		return f.become(f.raw, false, o.Project), nil
	}
	if !o.Force && !old.Ours(o.Self) {
		return Change{}, foreign(f, *old, "name yours with --name, or say --force to take this one out")
	}
	after, err := d.remove(c.servers, name)
	if err == nil {
		err = c.check(after, name, nil)
	}
	if err != nil {
		return Change{}, c.refuse(f, err)
	}
	change := f.become(after, false, o.Project)
	change.was = view{c.servers, name, old.Ours(o.Self)}
	change.will = change.was
	return change, nil
}

// Look tells which entry of that name stands in the file at path; nil: none, or there is no file.
func (c Client) Look(path, name string) (*Found, error) {
	f, d, err := c.open(path)
	if err != nil {
		return nil, err
	}
	found, err := c.found(d, name)
	if err != nil {
		return nil, c.refuse(f, err)
	}
	return found, nil
}

func (c Client) open(path string) (file, document, error) {
	f, err := open(path)
	if err != nil {
		return f, document{}, err
	}
	d, err := parse(f.raw, c.comments)
	if err != nil {
		return f, d, c.refuse(f, err)
	}
	return f, d, nil
}

func (c Client) refuse(f file, why error) error {
	return &Refused{Path: f.path, Why: why, Do: "mend it, or add the entry by hand"}
}

// shared is the refusal of a token in a project's file.
func (c Client) shared(f file) error {
	return &Refused{Path: f.path, Why: fmt.Errorf("it is a project's file, and %w", ErrShared),
		Do: "leave --token-file out, and write \"headers\": {\"Authorization\": \"Bearer " + c.variable + "\"} " +
			"into the entry by hand, or say --force"}
}

func foreign(f file, old Found, do string) error {
	return &Refused{Path: f.path, Why: fmt.Errorf("the entry %q, %s, %w", old.Name, old, ErrForeign), Do: do}
}

// found reads the entry of a name.
func (c Client) found(d document, name string) (*Found, error) {
	raw, err := d.value(c.servers, name)
	if raw == nil || err != nil {
		return nil, err
	}
	var entry struct {
		Command string `json:"command"`
		URL     string `json:"url"`
	}
	if err := json.Unmarshal(raw, &entry); err != nil {
		return nil, fmt.Errorf("the entry %q: its command or url is not a text, or it is no object", name)
	}
	return &Found{Name: name, Command: entry.Command, URL: entry.URL}, nil
}

// merge makes the document with the entry in it. What it makes is read again before anybody gets it.
func (c Client) merge(d document, name string, e Entry, there bool) ([]byte, error) {
	wanted := c.fields(e)
	if !there {
		raw, err := d.set(encodeObject(wanted), c.servers, name)
		if err != nil {
			return nil, err
		}
		return raw, c.check(raw, name, wanted)
	}
	values := make(map[string]jsontext.Value)
	for _, f := range wanted {
		values[f.name] = f.value
	}
	var err error
	for _, member := range managed {
		if d, err = c.change(d, values[member], c.servers, name, member); err != nil {
			return nil, err
		}
	}
	return d.raw, c.check(d.raw, name, wanted)
}

// change makes the document with another value at a path; nil: with none.
func (c Client) change(d document, v jsontext.Value, path ...string) (document, error) {
	old, err := d.value(path...)
	var raw []byte
	switch {
	case err != nil:
		return d, err
	case v == nil && old == nil, v != nil && old != nil && same(old, v):
		return d, nil
	case v == nil:
		raw, err = d.remove(path...)
	default:
		raw, err = d.set(v, path...)
	}
	if err != nil {
		return d, err
	}
	return parse(raw, c.comments)
}

// check reports why an edited document is not what it should be: a mistake of ours must not reach a file.
func (c Client) check(raw []byte, name string, wanted []field) error {
	d, err := parse(raw, c.comments)
	if err != nil {
		return fmt.Errorf("the edit would break it: %w", err)
	}
	if got, err := d.value(c.servers, name); wanted == nil && (got != nil || err != nil) {
		return errors.New("the edit would leave the entry in it")
	}
	for _, f := range wanted {
		got, err := d.value(c.servers, name, f.name)
		if err != nil || got == nil || !same(got, f.value) {
			return fmt.Errorf("the edit would not say %s", f.name)
		}
	}
	return nil
}

// Write makes the change: a backup of what was there beside it, then the file at once, as a whole. It returns
// the path of the backup; empty when there was nothing to keep. When the file is no longer what it was read
// as, nothing is written: the client may just have saved it. Of our backups the newest five stay, and are
// their owner's alone.
func (c Change) Write(now time.Time) (backup string, err error) {
	if c.Nothing() {
		return "", nil
	}
	backup, err = c.file.replace(c.After, now)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", c.Path, err)
	}
	return backup, nil
}

// Remains are the paths of our backups of the file at path that still hold what is secret of an entry of
// that name, oldest first: a value of its env or headers. An entry that is not ours counts by force alone. A
// backup that cannot be read counts too.
func (c Client) Remains(path, name string, o Options) ([]string, error) {
	f, err := open(path)
	if err != nil {
		return nil, err
	}
	var holding []string
	for _, backup := range f.backups() {
		b := file{path: filepath.Join(filepath.Dir(f.path), backup)}
		raw, err := b.read()
		if err != nil || c.holds(raw, name, o) {
			holding = append(holding, b.path)
		}
	}
	return holding, nil
}

// holds reports whether something secret is in the entry of a name.
func (c Client) holds(raw []byte, name string, o Options) bool {
	d, err := parse(raw, true)
	if err != nil {
		return true
	}
	found, err := c.found(d, name)
	if err != nil || found == nil || !o.Force && !found.Ours(o.Self) {
		return err != nil
	}
	for _, member := range []string{"env", "headers"} {
		v, _ := d.value(c.servers, name, member) // the entry was found: it is an object
		if v != nil && !same(v, jsontext.Value("{}")) {
			return true
		}
	}
	return false
}
