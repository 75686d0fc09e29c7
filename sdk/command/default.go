package command

import (
	"fmt"

	"github.com/gatehouse-mcp/gatehouse/sdk"
)

// On is the Default of a flag without a value.
const On = "on"

// defaulted is a flag's Default as an option, as far as the declaration alone can tell.
func (f *Flag) defaulted(p sdk.Policy) (Option, error) {
	o := Option{Flag: f, from: source{kind: fromDefault}}
	if f.Value.Read == nil || f.Optional && f.Default == On {
		return o, nil
	}
	var err error
	if o.Value, err = f.Value.Read(f.Default, p); err != nil {
		return o, badValue("the default of "+f.Name, f.Default, err, f.Value)
	}
	return o, nil
}

// defaultNames are the defaults as a caller would write them.
func (t *table) defaultNames() (names []string) {
	for _, f := range t.defaults {
		name := f.Name
		if f.Default != On {
			name = f.with(f.Default)
		}
		names = append(names, name)
	}
	return names
}

// checkDefault says what is wrong with the declaration of a Default, or "".
func (f *Flag) checkDefault() string {
	switch {
	case f.Default == "":
		return ""
	case f.Refused != "":
		return "it has a default, and is refused"
	case f.Implied:
		return "it has a default, and is always on"
	case f.Gated != "":
		return "it has a default, and needs allow_intrusive: no call would be free of it"
	case f.Value.Read == nil && f.Default != On:
		return fmt.Sprintf("it takes no value, and its default is %q; write command.On", f.Default)
	}
	o, err := f.defaulted(sdk.DefaultPolicy())
	switch {
	case err != nil:
		return err.Error()
	case o.Value.Gated != "":
		return fmt.Sprintf("its default %s needs allow_intrusive: %s", f.Default, o.Value.Gated)
	}
	return ""
}

// defaults adds the defaults of the table, each unless the caller gave the flag, another of its group, or one
// that cannot stand with it. A flag that needs another which is not there is left out as well.
func (j *Job) defaults() error {
	for _, f := range j.tool.table.defaults {
		o, err := f.defaulted(j.Policy)
		if err != nil {
			return err
		}
		if j.find(f) < 0 && j.excluding(o) == nil && (len(f.Requires) == 0 || j.Has(f.Requires...)) {
			j.add(o)
		}
	}
	return nil
}

// add puts a default to the options, where these leave room.
func (j *Job) add(o Option) {
	if _, off := j.off[o.Flag]; off || clash(j.options, o) != nil {
		return
	}
	j.options = append(j.options, o)
	j.notes = append(j.notes, "added "+o.String()+": the default when nothing of its kind is given")
}
