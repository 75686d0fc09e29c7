/* getopt: reads command lines as a program with these short options does.
 *
 *	getopt LETTERS
 *
 * Each line of stdin is an argv, its words behind US (31) each. Each line of stdout says what getopt(3) makes of
 * it, in the same form: "-c=4" for an option with a value, "-q" for one without, "?x" for what it does not
 * know or lacks a value of, and "=word" for a positional argument. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LINE = 1 << 16, MAX_WORDS = 1 << 12, US = 31 };

int main(int argc, char **argv)
{
	static char line[MAX_LINE];
	static char *words[MAX_WORDS];
	if (argc != 2)
		return 2;
	opterr = 0;
	while (fgets(line, sizeof line, stdin)) {
		int n = 0, c;
		line[strcspn(line, "\n")] = 0;
		for (char *p = line; (p = strchr(p, US)) && n < MAX_WORDS - 1;) {
			*p++ = 0;
			words[n++] = p;
		}
		words[n] = NULL;
		optind = 0; /* begin anew, glibc */
		while ((c = getopt(n, words, argv[1])) != -1) {
			if (c == '?')
				printf("%c?%c", US, optopt ? optopt : '?');
			else if (optarg)
				printf("%c-%c=%s", US, c, optarg);
			else
				printf("%c-%c", US, c);
		}
		for (; optind < n; optind++)
			printf("%c=%s", US, words[optind]);
		printf("\n");
		fflush(stdout);
	}
	return 0;
}
