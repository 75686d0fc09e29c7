// Reads command lines as nmap would. A command line comes as a number of words, and the words, each ended by
// a zero byte; what getopt_long_only(3) makes of it goes out in the same form, a letter before each text:
//
//	o NAME  an option, v VALUE  the value of the one before, ? it is unknown, ambiguous or lacks its value,
//	p WORD  a word that is no option, which nmap takes for a target, .  the end
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table.h" // LETTERS, and the options as NAMES

static const struct option names[] = { NAMES { 0, 0, 0, 0 } };

static void say(char kind, const char *text)
{
	putchar(kind);
	fputs(text, stdout);
	putchar(0);
}

static void readline(int argc, char **argv)
{
	int c, index = -1;
	optind = 0; // glibc: begin anew
	opterr = 0;
	while ((c = getopt_long_only(argc, argv, LETTERS, names, &index)) != -1) {
		char letter[2] = { (char)c, 0 };
		if (c == '?' || c == ':') {
			say('?', "");
			continue;
		}
		say('o', c == 1 ? names[index].name : letter);
		if (optarg)
			say('v', optarg);
	}
	while (optind < argc)
		say('p', argv[optind++]);
	say('.', "");
	fflush(stdout);
}

static char *word(void)
{
	char *text = NULL;
	size_t size = 0;
	if (getdelim(&text, &size, 0, stdin) < 0)
		exit(0);
	return text;
}

int main(void)
{
	for (;;) {
		char *count = word();
		int argc = atoi(count);
		char **argv = calloc(argc + 1, sizeof *argv), **all = calloc(argc + 1, sizeof *all);
		for (int i = 0; i < argc; i++)
			argv[i] = all[i] = word();
		readline(argc, argv);
		for (int i = 0; i < argc; i++)
			free(all[i]); // getopt has put argv into another order
		free(argv);
		free(all);
		free(count);
	}
}
