/* text.c: strings of single bytes, formats and the debugger's output. Case is that of ASCII, whatever the locale. */
#include "rasdll.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FORMAT_MAX 1024 /* bytes that wsprintf writes at most, its NUL included */

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* --- lstr --- */

int WINAPI lstrlenA(LPCSTR s)
{
    return s != NULL ? (int)strlen(s) : 0;
}

LPSTR WINAPI lstrcpyA(LPSTR to, LPCSTR from)
{
    return strcpy(to, from);
}

LPSTR WINAPI lstrcpynA(LPSTR to, LPCSTR from, int size)
{
    size_t n;

    if (size <= 0)
        return to;
    n = strnlen(from, (size_t)size - 1);
    memmove(to, from, n);
    to[n] = '\0';
    return to;
}

LPSTR WINAPI lstrcatA(LPSTR to, LPCSTR from)
{
    return strcat(to, from);
}

int WINAPI lstrcmpA(LPCSTR a, LPCSTR b)
{
    return strcmp(a, b);
}

int WINAPI lstrcmpiA(LPCSTR a, LPCSTR b)
{
    return _stricmp(a, b);
}

/* A pointer is a string to change; one of 16 bits is a single character. */
static LPSTR change(LPSTR s, char (*to)(char))
{
    if ((uintptr_t)s <= 0xffff)
        return (LPSTR)(uintptr_t)(BYTE)to((char)(uintptr_t)s);
    for (char *p = s; *p != '\0'; p++)
        *p = to(*p);
    return s;
}

LPSTR WINAPI CharUpperA(LPSTR s)
{
    return change(s, upper);
}

LPSTR WINAPI CharLowerA(LPSTR s)
{
    return change(s, lower);
}

/* --- The C library's, in Windows spelling --- */

int __cdecl _strnicmp(const char *a, const char *b, size_t count)
{
    for (; count > 0; a++, b++, count--) {
        int difference = (BYTE)lower(*a) - (BYTE)lower(*b);

        if (difference != 0 || *a == '\0')
            return difference;
    }
    return 0;
}

int __cdecl _stricmp(const char *a, const char *b)
{
    return _strnicmp(a, b, SIZE_MAX);
}

char *__cdecl _strupr(char *s)
{
    return change(s, upper);
}

char *__cdecl _strlwr(char *s)
{
    return change(s, lower);
}

char *__cdecl _itoa(int value, char *buffer, int radix)
{
    char digits[33];
    unsigned n = radix == 10 && value < 0 ? 0u - (unsigned)value : (unsigned)value;
    int used = 0, at = 0;

    if (radix < 2 || radix > 36) {
        buffer[0] = '\0';
        return buffer;
    }
    do
        digits[used++] = "0123456789abcdefghijklmnopqrstuvwxyz"[n % (unsigned)radix];
    while ((n /= (unsigned)radix) != 0);
    if (radix == 10 && value < 0)
        buffer[at++] = '-';
    while (used > 0)
        buffer[at++] = digits[--used];
    buffer[at] = '\0';
    return buffer;
}

/* --- wsprintf: %[-][#][0][width][.precision][h|l|I64|ll](c|d|i|u|x|X|p|s|%), numbers of 32 bits unless I64 or ll says otherwise --- */

struct field {
    bool left, alternate, zero, wide;
    int width, precision; /* precision -1: none */
};

static void put(char *out, size_t *used, char c)
{
    if (*used < FORMAT_MAX - 1)
        out[(*used)++] = c;
}

/* Puts a text of known size into its field. */
static void put_field(char *out, size_t *used, const struct field *f, const char *text, size_t size)
{
    size_t fill = f->width > 0 && (size_t)f->width > size ? (size_t)f->width - size : 0;

    for (size_t i = 0; !f->left && i < fill; i++)
        put(out, used, ' ');
    for (size_t i = 0; i < size; i++)
        put(out, used, text[i]);
    for (size_t i = 0; f->left && i < fill; i++)
        put(out, used, ' ');
}

static void put_number(char *out, size_t *used, const struct field *f, char type, uint64_t n)
{
    char text[FORMAT_MAX];
    int size, precision = f->precision;

    if (precision < 0)
        precision = f->zero && !f->left && f->width > 0 ? f->width : 1;
    if (type == 'd' && (int64_t)n < 0 && f->precision < 0 && precision > 1)
        precision--; /* the sign takes a place */
    if (precision > FORMAT_MAX / 2)
        precision = FORMAT_MAX / 2;
    if (type == 'd')
        size = snprintf(text, sizeof(text), "%.*lld", precision, (long long)n);
    else if (type == 'u')
        size = snprintf(text, sizeof(text), "%.*llu", precision, (unsigned long long)n);
    else if (type == 'x')
        size = snprintf(text, sizeof(text), f->alternate ? "0x%.*llx" : "%.*llx", precision, (unsigned long long)n);
    else
        size = snprintf(text, sizeof(text), f->alternate ? "0X%.*llX" : "%.*llX", precision, (unsigned long long)n);
    put_field(out, used, f, text, (size_t)size);
}

static int read_count(const char **format)
{
    int n = 0;

    for (; **format >= '0' && **format <= '9'; (*format)++)
        n = n < FORMAT_MAX ? n * 10 + (**format - '0') : n;
    return n;
}

static struct field read_field(const char **format)
{
    struct field f = {.precision = -1};

    for (;; (*format)++) {
        if (**format == '-')
            f.left = true;
        else if (**format == '#')
            f.alternate = true;
        else if (**format == '0')
            f.zero = true;
        else
            break;
    }
    f.width = read_count(format);
    if (**format == '.') {
        (*format)++;
        f.precision = read_count(format);
    }
    if (strncmp(*format, "I64", 3) == 0 || strncmp(*format, "ll", 2) == 0) {
        f.wide = true;
        *format += **format == 'I' ? 3 : 2;
    } else if (**format == 'h' || **format == 'l') {
        (*format)++;
    }
    return f;
}

int WINAPI wvsprintfA(LPSTR out, LPCSTR format, va_list list)
{
    size_t used = 0;

    while (*format != '\0') {
        struct field f;
        const char *text;
        char c;

        if (*format != '%') {
            put(out, &used, *format++);
            continue;
        }
        format++;
        f = read_field(&format);
        c = *format != '\0' ? *format++ : '\0';
        switch (c) {
        case 'd':
        case 'i':
            put_number(out, &used, &f, 'd', f.wide ? (uint64_t)va_arg(list, long long) : (uint64_t)(int64_t)va_arg(list, int));
            break;
        case 'u':
        case 'x':
        case 'X':
            put_number(out, &used, &f, c, f.wide ? va_arg(list, unsigned long long) : va_arg(list, unsigned));
            break;
        case 'p':
            f.precision = 16;
            put_number(out, &used, &f, 'X', (uintptr_t)va_arg(list, void *));
            break;
        case 'c':
            c = (char)va_arg(list, int);
            put_field(out, &used, &f, &c, 1);
            break;
        case 's':
            text = va_arg(list, const char *);
            text = text != NULL ? text : "(null)";
            put_field(out, &used, &f, text, f.precision >= 0 ? strnlen(text, (size_t)f.precision) : strlen(text));
            break;
        case '\0':
            break;
        default: /* %% too */
            put(out, &used, c);
            break;
        }
    }
    out[used] = '\0';
    return (int)used;
}

int WINAPIV wsprintfA(LPSTR out, LPCSTR format, ...)
{
    va_list list;
    int n;

    va_start(list, format);
    n = wvsprintfA(out, format, list);
    va_end(list);
    return n;
}

VOID WINAPI OutputDebugStringA(LPCSTR text)
{
    size_t size = text != NULL ? strlen(text) : 0;

    if (size > 0 && write(STDERR_FILENO, text, size) < 0) /* nobody listens: as without a debugger */
        return;
}
