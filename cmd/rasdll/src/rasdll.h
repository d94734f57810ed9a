/*
 * rasdll.h: what the parts of rasdll tell each other. Only what the headers of plugin/native/include declare is visible to the library.
 *
 * Reading order: main.c (the program), link.c (the protocol), json.c (its text), ports.c (the transactions), library.c (the library and its
 * module handles), missing.c (what it lacks), waits.c, threads.c, memory.c, text.c, times.c, registry.c (its Windows).
 */
#ifndef RASDLL_H
#define RASDLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <windows.h>

#include "json.h"

#define BUFFER_SIZE 1500 /* bytes of a send buffer and of a receive buffer */
#define LINE_MAX_BYTES 16384 /* of the protocol, LF included */

/* --- main.c --- */

/* Reports a fault on standard error and ends the process at once, without a word to the library. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* --- link.c: the protocol on its own two file descriptors --- */

/* Takes standard input and output away from the library, which gets an empty input, and standard error for its output. */
void link_open(void);

/* Answers requests until the end of the input; name and isolation are for Hello. */
void link_serve(const char *name, const char *isolation);

/* Sends a request and waits for the code in its answer. params is JSON without its braces. */
DWORD link_ask(const char *method, const char *params, size_t size);

/* Whether this process is a fork of the one that the host knows: it must not speak. */
bool link_is_fork(void);

/* --- ports.c: transactions and the functions of RASMAN.DLL --- */

/* What SecurityDialogBegin says. */
struct opening {
    uint32_t hport;
    uint32_t send_size, recv_size; /* bytes */
    char device_name[129];
};

/* Opens a transaction and calls the library's Begin; returns its code. */
DWORD port_begin(const struct opening *opening);

/* Calls the library's End and closes the transaction if it is not deferred. */
DWORD port_end(uint32_t hport);

/* Ends the receive in progress. false: more bytes than were asked for. */
bool port_received(uint32_t hport, DWORD code, const uint8_t *data, size_t size);

/* A function of RASMAN.DLL, NULL if there is none of that name. */
FARPROC port_function(const char *name);

/* --- library.c --- */

enum hport_size { HPORT_UNKNOWN = 0, HPORT_DWORD = 4, HPORT_HANDLE = 8 };

/* The library: its exports, once library_load has returned true. */
struct library {
    void *handle; /* of dlopen */
    void *begin, *end;
    BOOL (*dll_main)(HINSTANCE, DWORD, LPVOID); /* NULL if there is none */
    enum hport_size hport;
    const char *hport_source; /* who says so */
};
extern struct library library;

/* Loads the library at path; hport overrides what it says itself. What is wrong is reported on standard error. */
bool library_load(const char *path, enum hport_size hport);

/* Tells the library of the end of the process or of its unload, once. */
void library_detach(bool at_exit);

/* Tells the library of the begin and end of a thread. */
void library_thread(DWORD reason);

/* --- missing.c --- */

/* Whether the file at path is no library or lacks a part of itself; false if there is no such file. */
bool missing_part(const char *path);

/* Reports on standard error every symbol that the library at path needs and nobody has, and returns how many; 0 also if that can't be told. */
int missing_report(const char *path);

/* --- waits.c: handles --- */

struct object;

/* The event behind a handle, with a reference that only event_done takes back; NULL if it is none. */
struct object *event_take(HANDLE handle);
void event_done(struct object *event, bool set);

/* Frees the mutexes that a thread has at its end: the next wait for each returns WAIT_ABANDONED. */
void mutexes_abandon(DWORD thread);

/* A thread's object, made unsignaled with one reference for the thread. NULL without memory. */
struct object *thread_object(HANDLE *handle);
void thread_object_done(struct object *thread, DWORD code);
bool thread_object_code(HANDLE handle, DWORD *code);

/* --- threads.c --- */

/* Runs a function on a thread of its own, which the library is told of. */
bool thread_run(void (*run)(void *), void *argument);

/* --- registry.c --- */

/* Reads the registry's file; a fault in it ends the process. */
void registry_load(const char *path);

#endif
