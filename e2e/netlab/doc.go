// Package netlab makes a small network for a test: machines with addresses of their own that are joined by
// one switch, and by nothing else to anything else. Each machine is a network namespace of Linux without a
// name, held by a descriptor, so that all of it is gone when the process is, however that ends.
//
// A [Lab] has [Node]s: the scanner, from which programs are started; hosts that have the kernel's network
// stack, where a test listens; and responders, whose every answer is a [Behaviour] that the test writes down.
//
//	netlab.Run(t, func(t *testing.T, lab *netlab.Lab) {
//		host := lab.AddHost("10.77.0.11", "02:00:00:00:00:11")
//		listener, err := host.Listen("tcp4", ":80")
//		slow := lab.AddResponder("10.77.0.13", "02:00:00:00:00:13", netlab.Behaviour{Echo: everySecond})
//		err = lab.Scanner.Start(exec.Command("ping", "-c", "3", slow.Address.String()))
//	})
//
// It needs to make namespaces. Root may; for anybody else Run starts the test once more in a user namespace.
package netlab
