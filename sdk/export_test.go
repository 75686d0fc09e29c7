package sdk

// SandboxProbe is shown to the tests, as no machine has every set of layers.
var SandboxProbe = sandboxProbe

// ProgramUser, UntilFound and Require are shown to the tests, as no machine has every user and every set of layers.
var (
	ProgramUser = programUser
	UntilFound  = untilFound
	Require     = require
)
