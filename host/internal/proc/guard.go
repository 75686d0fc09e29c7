package proc

// GuardCommand is the first argument of a host's program that is started as a guard, see StartGuard.
const GuardCommand = "guard-plugins"
