/*
 * json.h: a strict reader of JSON (RFC 8259) that copies nothing and allocates nothing. Depth is bounded, text must be UTF-8.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value: a slice of a text that json_parse has accepted. at is NULL for a value that is not there. */
struct json {
    const char *at;
    size_t size;
};

/* Whether the text is one object and nothing else; it is then *object. */
bool json_parse(const char *text, size_t size, struct json *object);

/* The member of an object, or a value that is not there. Keys with escapes in them are never found. */
struct json json_member(struct json object, const char *key);

/* Each returns false, and leaves the result alone, if the value is not there, of another kind, out of range or too long. */
bool json_number(struct json value, uint32_t *number); /* whole, not negative, without fraction or exponent */
bool json_text(struct json value, char *text, size_t size); /* with its NUL; a NUL within is refused */
bool json_bytes(struct json value, uint8_t *bytes, size_t capacity, size_t *size); /* base64 with padding, canonical */
bool json_is(struct json value, const char *text); /* a text without escapes */

#define BASE64_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)

/* Writes base64 and a NUL, BASE64_SIZE(size) bytes. */
void base64_write(char *to, const uint8_t *from, size_t size);

/* Writes text as the inside of a JSON string, with a NUL; what does not fit and what is not ASCII becomes nothing and '?'. */
void json_escape(char *to, size_t capacity, const char *text);

#endif
