package sdktest

// Checks are the names of all checks of the suite, without that of the tool.
func Checks() []string {
	names := []string{"manifest", "health"}
	for _, c := range checks {
		names = append(names, c.name)
	}
	for _, p := range programs {
		names = append(names, "copes with any program/"+p.name)
	}
	return append(names, "copes with any program/has no capabilities")
}

// Lighten makes the suite quick, as it is run on many tools.
func Lighten() { textSize, depth, maxData = 40_000, 20_000, 50_000 }
