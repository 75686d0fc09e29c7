package main

import "syscall"

// endsWithThread has the kernel kill a program when the thread that forked it ends.
func endsWithThread(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
