#include "json.h"

#include <string.h>

#define DEPTH_MAX 16

/* What is left to read. */
struct reader {
    const unsigned char *at, *end;
};

static bool value(struct reader *r, int depth);

static void space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

static bool take(struct reader *r, unsigned char c)
{
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool word(struct reader *r, const char *text)
{
    size_t size = strlen(text);

    if ((size_t)(r->end - r->at) < size || memcmp(r->at, text, size) != 0)
        return false;
    r->at += size;
    return true;
}

static bool digits(struct reader *r)
{
    const unsigned char *start = r->at;

    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > start;
}

static bool number(struct reader *r)
{
    take(r, '-');
    if (!take(r, '0') && !digits(r))
        return false;
    if (take(r, '.') && !digits(r))
        return false;
    if (take(r, 'e') || take(r, 'E')) {
        if (!take(r, '+'))
            take(r, '-');
        return digits(r);
    }
    return true;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex4(struct reader *r)
{
    int32_t code = 0;

    for (int i = 0; i < 4; i++) {
        unsigned char c = r->at < r->end ? *r->at++ : 0;

        if (c >= '0' && c <= '9')
            code = code * 16 + (c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            code = code * 16 + ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return code;
}

/* Reads what follows a backslash: the character, or -1. A surrogate must have its other half. */
static int32_t escape(struct reader *r)
{
    static const char names[] = "\"\\/bfnrt", codes[] = "\"\\/\b\f\n\r\t";
    unsigned char c = r->at < r->end ? *r->at++ : 0;
    int32_t code, low;

    if (c != 'u') {
        const char *found = c != 0 ? strchr(names, c) : NULL;
        return found != NULL ? codes[found - names] : -1;
    }
    code = hex4(r);
    if (code < 0xd800 || code > 0xdfff)
        return code;
    if (code > 0xdbff || !take(r, '\\') || !take(r, 'u'))
        return -1;
    low = hex4(r);
    return low >= 0xdc00 && low <= 0xdfff ? 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00) : -1;
}

/* Reads one character of UTF-8: shortest form, no surrogates, at most U+10FFFF. */
static bool utf8(struct reader *r)
{
    unsigned char c = *r->at++;
    int more = c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;
    unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;

    for (; more > 0; more--) {
        if (r->at == r->end || *r->at < low || *r->at > high)
            return false;
        r->at++;
        low = 0x80;
        high = 0xbf;
    }
    return more == 0;
}

static bool string(struct reader *r)
{
    if (!take(r, '"'))
        return false;
    while (r->at < r->end) {
        if (take(r, '"'))
            return true;
        if (*r->at < 0x20)
            return false;
        if (take(r, '\\') ? escape(r) < 0 : !utf8(r))
            return false;
    }
    return false;
}

/* The members or elements after the opening bracket. */
static bool list(struct reader *r, unsigned char close, bool keys, int depth)
{
    space(r);
    if (take(r, close))
        return true;
    for (;;) {
        if (keys) {
            space(r);
            if (!string(r))
                return false;
            space(r);
            if (!take(r, ':'))
                return false;
        }
        if (!value(r, depth + 1))
            return false;
        if (take(r, close))
            return true;
        if (!take(r, ','))
            return false;
    }
}

/* One value with the space around it. */
static bool value(struct reader *r, int depth)
{
    bool ok;

    space(r);
    if (r->at == r->end || depth > DEPTH_MAX)
        return false;
    switch (*r->at) {
    case '{':
        r->at++;
        ok = list(r, '}', true, depth);
        break;
    case '[':
        r->at++;
        ok = list(r, ']', false, depth);
        break;
    case '"':
        ok = string(r);
        break;
    default:
        ok = word(r, "true") || word(r, "false") || word(r, "null") || number(r);
        break;
    }
    space(r);
    return ok;
}

bool json_parse(const char *text, size_t size, struct json *object)
{
    struct reader r = {(const unsigned char *)text, (const unsigned char *)text + size};

    space(&r);
    if (r.at == r.end || *r.at != '{' || !value(&r, 1) || r.at != r.end)
        return false;
    *object = (struct json){text, size};
    return true;
}

static struct reader reader_of(struct json v)
{
    struct reader r = {(const unsigned char *)v.at, (const unsigned char *)v.at};

    if (v.at != NULL) {
        r.end += v.size;
        space(&r);
    }
    return r;
}

struct json json_member(struct json object, const char *key)
{
    struct reader r = reader_of(object);
    size_t size = strlen(key);

    if (!take(&r, '{'))
        return (struct json){NULL, 0};
    for (;;) {
        const unsigned char *name, *start;
        size_t name_size;

        space(&r);
        name = r.at + 1;
        if (!string(&r)) /* an empty object too */
            return (struct json){NULL, 0};
        name_size = (size_t)(r.at - name) - 1;
        space(&r);
        take(&r, ':');
        space(&r);
        start = r.at;
        value(&r, 1);
        if (name_size == size && memcmp(name, key, size) == 0)
            return (struct json){(const char *)start, (size_t)(r.at - start)};
        if (!take(&r, ','))
            return (struct json){NULL, 0};
    }
}

bool json_number(struct json v, uint32_t *result)
{
    struct reader r = reader_of(v);
    const unsigned char *start = r.at;
    uint64_t n = 0;

    if (!digits(&r) || r.at - start > 10)
        return false;
    for (const unsigned char *p = start; p < r.at; p++)
        n = n * 10 + (*p - '0');
    space(&r);
    if (r.at != r.end || n > UINT32_MAX)
        return false;
    *result = (uint32_t)n;
    return true;
}

static size_t utf8_encode(int32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;

    for (size_t i = more; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((0xf0 << (3 - more)) | code);
    return more + 1;
}

bool json_text(struct json v, char *text, size_t size)
{
    struct reader r = reader_of(v);
    size_t used = 0;

    if (size == 0 || !take(&r, '"'))
        return false;
    while (r.at < r.end && *r.at != '"') {
        char character[4] = {(char)*r.at};
        size_t n = 1;

        if (*r.at++ == '\\')
            n = utf8_encode(escape(&r), character);
        if (character[0] == '\0' || n >= size - used)
            return false;
        memcpy(text + used, character, n);
        used += n;
    }
    text[used] = '\0';
    return true;
}

bool json_is(struct json v, const char *text)
{
    struct reader r = reader_of(v);

    return take(&r, '"') && word(&r, text) && take(&r, '"');
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

bool json_bytes(struct json v, uint8_t *bytes, size_t capacity, size_t *size)
{
    struct reader r = reader_of(v);
    size_t used = 0;

    if (!take(&r, '"'))
        return false;
    while (!take(&r, '"')) {
        uint32_t bits = 0;
        size_t n = 0;

        for (int i = 0; i < 4; i++) {
            unsigned char c = r.at < r.end ? *r.at++ : 0;
            const char *digit = c != 0 ? strchr(base64_digits, c) : NULL;

            if (digit != NULL && n == (size_t)i)
                bits |= (uint32_t)(digit - base64_digits) << (18 - 6 * n++);
            else if (c != '=' || n < 2)
                return false;
        }
        if (used + (n - 1) > capacity || (n < 4 && (bits & (0xffffffu >> (8 * (n - 1)))) != 0))
            return false;
        for (size_t i = 0; i < n - 1; i++)
            bytes[used++] = (uint8_t)(bits >> (16 - 8 * i));
        if (n < 4) { /* padding is the end */
            if (!take(&r, '"'))
                return false;
            break;
        }
    }
    *size = used;
    return true;
}

void base64_write(char *to, const uint8_t *from, size_t size)
{
    for (; size > 0; from += size < 3 ? size : 3, size -= size < 3 ? size : 3) {
        uint32_t bits = (uint32_t)from[0] << 16 | (uint32_t)(size > 1 ? from[1] : 0) << 8 | (size > 2 ? from[2] : 0);

        *to++ = base64_digits[bits >> 18];
        *to++ = base64_digits[bits >> 12 & 63];
        *to++ = size > 1 ? base64_digits[bits >> 6 & 63] : '=';
        *to++ = size > 2 ? base64_digits[bits & 63] : '=';
    }
    *to = '\0';
}

void json_escape(char *to, size_t capacity, const char *text)
{
    size_t used = 0;

    for (; *text != '\0' && used + 3 <= capacity; text++) {
        if (*text == '"' || *text == '\\')
            to[used++] = '\\';
        to[used++] = *text < ' ' || *text > '~' ? '?' : *text;
    }
    to[used] = '\0';
}
