/*
 * json_lines.c: for each line of standard input, what the reader of JSON makes of it: "no", or "yes" and what the member "a" is as a number, as
 * a text (in hexadecimal) and as bytes (in hexadecimal), "-" where it is none.
 */
#include "../src/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_hex(bool there, const void *bytes, size_t size)
{
    fputs(there ? " =" : " -", stdout);
    for (size_t i = 0; there && i < size; i++)
        printf("%02x", ((const unsigned char *)bytes)[i]);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;

    while ((size = getline(&line, &room, stdin)) > 0) {
        size_t n = (size_t)size - 1, used = 0;
        char *exact = malloc(n != 0 ? n : 1); /* so that one byte too far is found */
        char text[64];
        uint8_t bytes[48];
        uint32_t number = 0;
        struct json object, a;

        memcpy(exact, line, n);
        if (!json_parse(exact, n, &object)) {
            puts("no");
        } else {
            a = json_member(object, "a");
            fputs("yes", stdout);
            if (json_number(a, &number))
                printf(" %u", (unsigned)number);
            else
                fputs(" -", stdout);
            bool there = json_text(a, text, sizeof(text));
            print_hex(there, text, there ? strlen(text) : 0);
            there = json_bytes(a, bytes, sizeof(bytes), &used);
            print_hex(there, bytes, used);
            printf(" %d\n", json_is(a, "ok"));
        }
        free(exact);
    }
    free(line);
    return 0;
}
