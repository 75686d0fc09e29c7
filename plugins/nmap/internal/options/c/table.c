// Stands in for the C library's getopt_long_only: prints the table that a program would read its command
// line by, and ends. Preloaded into nmap it says which options that nmap has.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

int getopt_long_only(int argc, char *const argv[], const char *letters, const struct option *o, int *index)
{
	printf("letters %s\n", letters);
	for (; o->name != NULL; o++)
		printf("long %d %s\n", o->has_arg, o->name);
	fflush(stdout);
	_Exit(0);
}
