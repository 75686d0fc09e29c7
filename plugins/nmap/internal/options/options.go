// Package options knows which options nmap(1) has: not from its manual, which leaves some out, but from
// the table that nmap's own command line is read by. [Nmap] is that table as it was when it was generated;
// [Read] takes it out of an installed nmap.
//
//	have, err := options.Read("/usr/bin/nmap")
//	for _, o := range have.Long { fmt.Println("--"+o.Name, o.Argument) }
//
// Nothing that runs decides by this package. Tests do: that every option has a verdict, that getopt(3)
// reads each command line as it was meant, that the table is that of the nmap on this machine.
package options

//go:generate go run ./gen

// Argument says whether an option takes a value; the numbers are those of getopt_long(3).
type Argument int

// The kinds of option.
const (
	None     Argument = iota
	Required          // the rest of the word, or the next word
	Optional          // the rest of the word alone
)

// Table is what getopt_long_only(3) is given by nmap.
type Table struct {
	Version string // of nmap
	Short   string // the letters, in the notation of getopt(3)
	Long    []Long // as they stand in nmap, which has some names in two spellings
}

// Long is an option with a name.
type Long struct {
	Name     string // without hyphens
	Argument Argument
}

// Letters are the options of one letter.
func (t Table) Letters() []Letter {
	var letters []Letter
	for _, c := range t.Short {
		if c != ':' {
			letters = append(letters, Letter{Name: string(c)})
		} else if n := len(letters); n > 0 {
			letters[n-1].Argument++ // one colon: Required, two: Optional
		}
	}
	return letters
}

// Letter is an option of one letter.
type Letter struct {
	Name     string // without hyphen
	Argument Argument
}
