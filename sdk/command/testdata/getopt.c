/* getopt: reads command lines as programs do that use getopt(3) and its sisters.
 *
 * Each line of stdin has fields, each behind US (31). The first says what the others are:
 *
 *	l	the program's options: getopt, getopt_long or getopt_long_only as 0, 1, 2; the letters; for each long option
 *		its name, and as a number whether it takes a value and what it is
 *	a	an argv
 *
 * Each line of stdout says what an argv means, in fields of the same form: "s" and a letter, or "l" and the index of a
 * long option, then "=" and a value or "-" for none; "?" for what is wrong; "o" and an operand. */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LINE = 1 << 16, MAX_WORDS = 1 << 12, MAX_LONG = 64, US = 31 };

static char table[MAX_LINE], letters[MAX_LINE];
static struct option longs[MAX_LONG + 1];
static int how;

static int split(char *line, char **words)
{
	int n = 0;
	line[strcspn(line, "\n")] = 0;
	for (char *p = line; (p = strchr(p, US)) && n < MAX_WORDS - 1;) {
		*p++ = 0;
		words[n++] = p;
	}
	words[n] = NULL;
	return n;
}

static void learn(const char *line)
{
	static char *words[MAX_WORDS];
	int n, k = 0;
	strcpy(table, line);
	n = split(table, words);
	how = atoi(words[1]);
	strcpy(letters, words[2]);
	for (int i = 3; i + 2 <= n - 1 && k < MAX_LONG; i += 3) {
		longs[k].name = words[i];
		longs[k].has_arg = atoi(words[i + 1]);
		longs[k].flag = NULL;
		longs[k++].val = atoi(words[i + 2]);
	}
	memset(&longs[k], 0, sizeof longs[k]);
}

static void understand(char *line)
{
	static char *words[MAX_WORDS];
	int n = split(line, words) - 1, c, index;
	char **argv = words + 1;
	optind = 0; /* begin anew, glibc */
	for (;;) {
		index = -1;
		c = how == 0 ? getopt(n, argv, letters)
		  : how == 1 ? getopt_long(n, argv, letters, longs, &index)
			     : getopt_long_only(n, argv, letters, longs, &index);
		if (c == -1)
			break;
		if (c == '?' || c == ':') {
			printf("%c?", US);
			continue;
		}
		if (index >= 0)
			printf("%cl%d", US, index);
		else
			printf("%cs%c", US, c);
		if (optarg)
			printf("=%s", optarg);
		else
			printf("-");
	}
	for (; optind < n; optind++)
		printf("%co%s", US, argv[optind]);
	printf("\n");
	fflush(stdout);
}

int main(void)
{
	static char line[MAX_LINE];
	opterr = 0;
	while (fgets(line, sizeof line, stdin)) {
		if (line[0] == US && line[1] == 'l')
			learn(line);
		else
			understand(line);
	}
	return 0;
}
