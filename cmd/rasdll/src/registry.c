/*
 * registry.c: the registry as the configuration has it. Its file has one value a line: KEY, VALUE, sz or dword, and DATA, with tabs between
 * them. Nothing can be written, and names know no ASCII case.
 */
#include "rasdll.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_MAX (1 << 20)
#define KEY_MAX 512 /* bytes of a key's path */

struct value {
    struct value *next;
    char key[KEY_MAX]; /* with its root in full */
    char *name, *data;
    DWORD type, number;
};

/* An open key, which is what an HKEY points to. */
struct key {
    struct key *next;
    char path[KEY_MAX];
};

static const struct {
    const char *shorthand, *name;
    HKEY handle;
} roots[] = {
    {"HKCR", "HKEY_CLASSES_ROOT", HKEY_CLASSES_ROOT},
    {"HKCU", "HKEY_CURRENT_USER", HKEY_CURRENT_USER},
    {"HKLM", "HKEY_LOCAL_MACHINE", HKEY_LOCAL_MACHINE},
    {"HKU", "HKEY_USERS", HKEY_USERS},
};
#define ROOTS (sizeof(roots) / sizeof(roots[0]))

static struct value *values; /* read only once loaded */
static char *text; /* what their names and data point into */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct key *open_keys; /* guarded by lock */

/* --- Loading --- */

/* Writes a key with its root in full; false if it has none or is too long. */
static bool canonical(char to[KEY_MAX], const char *key)
{
    size_t root = strcspn(key, "\\");

    for (size_t i = 0; i < ROOTS; i++) {
        const char *names[] = {roots[i].shorthand, roots[i].name};

        for (size_t j = 0; j < 2; j++)
            if (strlen(names[j]) == root && _strnicmp(key, names[j], root) == 0)
                return snprintf(to, KEY_MAX, "%s%s", roots[i].name, key + root) < KEY_MAX;
    }
    return false;
}

static bool load_line(char *line)
{
    struct value *v = calloc(1, sizeof(*v));
    char *key = strsep(&line, "\t"), *type, *end;

    if (v == NULL)
        die("out of memory");
    v->next = values;
    values = v;
    v->name = strsep(&line, "\t");
    type = strsep(&line, "\t");
    v->data = line;
    if (v->data == NULL || !canonical(v->key, key))
        return false;
    if (strcmp(type, "sz") == 0) {
        v->type = REG_SZ;
        return true;
    }
    errno = 0;
    v->type = REG_DWORD;
    v->number = (DWORD)strtoul(v->data, &end, 10);
    return strcmp(type, "dword") == 0 && v->data[0] >= '0' && v->data[0] <= '9' && *end == '\0' && errno == 0 &&
           strtoul(v->data, NULL, 10) <= UINT32_MAX;
}

void registry_load(const char *path)
{
    FILE *file = fopen(path, "re");
    char *rest, *line;
    size_t size;
    int number = 0;

    text = malloc(FILE_MAX + 1);
    if (file == NULL || text == NULL)
        die("registry %s: %s", path, strerror(errno));
    size = fread(text, 1, FILE_MAX, file);
    if (ferror(file) || fgetc(file) != EOF || memchr(text, '\0', size) != NULL)
        die("registry %s is no text of at most %d bytes", path, FILE_MAX);
    fclose(file);
    text[size] = '\0';
    for (rest = text; (line = strsep(&rest, "\n")) != NULL && rest != NULL;)
        if (number++, !load_line(line)) /* the line itself may be a secret */
            die("registry %s, line %d: not KEY, VALUE, sz or dword, and DATA with tabs between them", path, number);
    if (line != NULL && *line != '\0')
        die("registry %s: its last line does not end", path);
}

/* --- What the library calls --- */

/* The path of a key, or NULL. lock is held. */
static const char *path_of(HKEY handle)
{
    for (size_t i = 0; i < ROOTS; i++)
        if (roots[i].handle == handle)
            return roots[i].name;
    for (struct key *k = open_keys; k != NULL; k = k->next)
        if (k == handle)
            return k->path;
    return NULL;
}

/* Whether the key has a value in it or below it. */
static bool exists(const char *path)
{
    size_t size = strlen(path);

    for (struct value *v = values; v != NULL; v = v->next)
        if (_strnicmp(v->key, path, size) == 0 && (v->key[size] == '\0' || v->key[size] == '\\'))
            return true;
    return false;
}

LONG WINAPI RegOpenKeyExA(HKEY handle, LPCSTR name, DWORD options, REGSAM wanted, PHKEY result)
{
    const char *parent;
    struct key *k;
    LONG error = ERROR_SUCCESS;
    int size;

    UNREFERENCED_PARAMETER(options);
    UNREFERENCED_PARAMETER(wanted);
    if (result == NULL)
        return ERROR_INVALID_PARAMETER;
    *result = NULL;
    if ((k = calloc(1, sizeof(*k))) == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    pthread_mutex_lock(&lock);
    parent = path_of(handle);
    if (parent == NULL) {
        error = ERROR_INVALID_HANDLE;
    } else {
        bool own = name == NULL || *name == '\0';

        size = snprintf(k->path, sizeof(k->path), "%s%s%s", parent, own ? "" : "\\", own ? "" : name);
        if (size > 0 && size < KEY_MAX && k->path[size - 1] == '\\')
            k->path[size - 1] = '\0';
        if (size < 0 || size >= KEY_MAX || !exists(k->path))
            error = ERROR_FILE_NOT_FOUND;
    }
    if (error == ERROR_SUCCESS) {
        k->next = open_keys;
        open_keys = k;
        *result = k;
    } else {
        free(k);
    }
    pthread_mutex_unlock(&lock);
    return error;
}

LONG WINAPI RegOpenKeyA(HKEY handle, LPCSTR name, PHKEY result)
{
    return RegOpenKeyExA(handle, name, 0, KEY_READ, result);
}

LONG WINAPI RegQueryValueExA(HKEY handle, LPCSTR name, LPDWORD reserved, LPDWORD type, LPBYTE data, LPDWORD size)
{
    const struct value *v = NULL;
    const char *path;
    DWORD room;

    UNREFERENCED_PARAMETER(reserved);
    if (data != NULL && size == NULL)
        return ERROR_INVALID_PARAMETER;
    pthread_mutex_lock(&lock);
    path = path_of(handle);
    for (v = path != NULL ? values : NULL; v != NULL; v = v->next)
        if (_stricmp(v->key, path) == 0 && _stricmp(v->name, name != NULL ? name : "") == 0)
            break;
    pthread_mutex_unlock(&lock);
    if (v == NULL)
        return path == NULL ? ERROR_INVALID_HANDLE : ERROR_FILE_NOT_FOUND;
    if (type != NULL)
        *type = v->type;
    if (size == NULL)
        return ERROR_SUCCESS;
    room = *size;
    *size = v->type == REG_DWORD ? (DWORD)sizeof(v->number) : (DWORD)strlen(v->data) + 1;
    if (data == NULL)
        return ERROR_SUCCESS;
    if (room < *size)
        return ERROR_MORE_DATA;
    memcpy(data, v->type == REG_DWORD ? (const void *)&v->number : v->data, *size);
    return ERROR_SUCCESS;
}

LONG WINAPI RegCloseKey(HKEY handle)
{
    struct key **place;
    struct key *k;
    LONG error = ERROR_INVALID_HANDLE;

    for (size_t i = 0; i < ROOTS; i++)
        if (roots[i].handle == handle)
            return ERROR_SUCCESS;
    pthread_mutex_lock(&lock);
    for (place = &open_keys; (k = *place) != NULL && k != handle; place = &k->next)
        ;
    if (k != NULL) {
        *place = k->next;
        free(k);
        error = ERROR_SUCCESS;
    }
    pthread_mutex_unlock(&lock);
    return error;
}
