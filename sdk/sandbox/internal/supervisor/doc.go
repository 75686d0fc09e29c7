// Package supervisor is the other half of package sandbox: the small process that starts a tool, owns
// it, and ends all of it.
//
// A program that links this package becomes a supervisor when it is started with the variable [Marker]
// in its environment and a socket of its parent's as descriptor 3. The init of the package sees that,
// and never returns: main, flags, and every package that is initialised later do not run. That is why
// the package imports nothing but syscall and unsafe: it is then among the first to be initialised, and
// a supervisor serves within a millisecond of its exec. In every other process init reads one variable.
//
// The two sides speak over one SOCK_SEQPACKET socket pair, of which the parent alone holds its end:
//
//	parent                          supervisor
//	Job + stdout, stderr[, report]
//	                                Started + pidfd     the tool is a process
//	Term, Kill                                          at any time, repeatedly
//	                                Done                the tool and all its descendants are reaped
//	Job ...                                             and so on, one at a time
//	(closed, or dead)                                   SIGKILL to all, wait until ECHILD, exit
//
// A supervisor that its parent made the init of a PID namespace knows that. Then one signal reaches all that
// it started, where it else looks for its descendants in /proc; and the kernel kills all when it dies.
//
// The child, between fork and exec, becomes what the program shall be. The order matters: what needs the
// rights of the supervisor comes before they are given up, and what a later step undoes comes after it.
//
//	session, tie to the supervisor, brand      from here on it can be found and ended
//	streams, signals
//	Landlock rules                             opens each path: before limits, with all rights
//	limits
//	bounding set, user, capabilities           gives up root
//	tie to the supervisor                      again: a change of user unties
//	no_new_privs, Landlock
//	exec
//
// After init the code allocates nothing: all it needs are package variables of fixed size. So a
// supervisor runs with the garbage collector off, and may fork without asking the runtime: the child
// runs raw system calls on prepared memory until exec.
package supervisor
