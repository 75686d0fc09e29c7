package sdk

// SandboxProbe is shown to the tests, as no machine has every set of layers.
var SandboxProbe = sandboxProbe
