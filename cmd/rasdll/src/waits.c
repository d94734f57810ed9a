/*
 * waits.c: handles, and the objects that one waits for. One lock and one condition serve them all: a process has few threads, and a wait
 * for several objects is then no more than a loop.
 */
#include "rasdll.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum kind { EVENT_AUTO, EVENT_MANUAL, THREAD, MUTEX, SEMAPHORE };

struct object {
    enum kind kind;
    unsigned references; /* handles and uses */
    LONG count; /* events: set; threads: ended; semaphores: what is left; mutexes: how often the owner has it */
    LONG limit; /* semaphores */
    DWORD owner; /* mutexes: id of the thread, 0 for nobody */
    bool abandoned; /* mutexes: the last owner's thread has ended without a release */
    struct object *next_mutex; /* mutexes: the rest of the list */
    DWORD exit_code; /* threads */
};

/* A handle is a place in a table and how often the place was used before, so that a closed handle is not that of another object soon. */
#define PLACE_BITS 14
#define USES_MASK 0x7fffu
#define PLACES (1u << PLACE_BITS)

static struct {
    struct object *object;
    uint32_t uses;
} table[PLACES];

static struct object *mutexes; /* all of them, those too whose handle is closed while a thread waits; guarded by lock */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_condition(void)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void enter(void)
{
    pthread_once(&once, make_condition);
    pthread_mutex_lock(&lock);
}

static void leave(void)
{
    pthread_mutex_unlock(&lock);
}

/* The place of an open handle in the table, or -1. lock is held. */
static long place_of(HANDLE handle)
{
    uintptr_t number = (uintptr_t)handle;
    uint32_t place, uses;

    if (number == 0 || number > UINT32_MAX || number % 4 != 0)
        return -1;
    number = number / 4 - 1;
    place = number % PLACES;
    uses = (uint32_t)(number >> PLACE_BITS);
    return table[place].object != NULL && table[place].uses == uses ? (long)place : -1;
}

/* The object of a handle, or NULL and LastError. lock is held. */
static struct object *object_of(HANDLE handle)
{
    long place = place_of(handle);

    if (place < 0) {
        SetLastError(ERROR_INVALID_HANDLE);
        return NULL;
    }
    return table[place].object;
}

/* Gives a reference back. lock is held. */
static void release(struct object *o)
{
    struct object **link = &mutexes;

    if (--o->references > 0)
        return;
    if (o->kind == MUTEX) {
        while (*link != o)
            link = &(*link)->next_mutex;
        *link = o->next_mutex;
    }
    free(o);
}

/* Makes an object with a handle; NULL and LastError if there is no room. */
static struct object *make(enum kind kind, HANDLE *handle)
{
    static uint32_t next; /* guarded by lock: places are taken in turn */
    struct object *o = calloc(1, sizeof(*o));

    if (o == NULL) {
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
        return NULL;
    }
    o->kind = kind;
    o->references = 1;
    enter();
    for (uint32_t i = 0; i < PLACES; i++, next++) {
        uint32_t place = next % PLACES;

        if (table[place].object == NULL) {
            table[place].object = o;
            *handle = (HANDLE)(uintptr_t)(((table[place].uses << PLACE_BITS | place) + 1) * 4);
            next++;
            if (kind == MUTEX) {
                o->next_mutex = mutexes;
                mutexes = o;
            }
            leave();
            return o;
        }
    }
    leave();
    free(o);
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return NULL;
}

BOOL WINAPI CloseHandle(HANDLE handle)
{
    long place;

    enter();
    place = place_of(handle);
    if (place >= 0) {
        release(table[place].object);
        table[place].object = NULL;
        table[place].uses = (table[place].uses + 1) & USES_MASK;
    }
    leave();
    if (place < 0)
        SetLastError(ERROR_INVALID_HANDLE);
    return place >= 0;
}

/* --- Waits --- */

/* Whether a wait for o by a thread is over. lock is held. */
static bool signaled(const struct object *o, DWORD thread)
{
    if (o->kind == MUTEX)
        return o->owner == 0 || o->owner == thread;
    return o->count > 0;
}

/* What the end of a wait does to o; true if o was an abandoned mutex. lock is held. */
static bool consume(struct object *o, DWORD thread)
{
    bool abandoned = o->abandoned;

    o->abandoned = false;
    switch (o->kind) {
    case EVENT_AUTO:
        o->count = 0;
        break;
    case SEMAPHORE:
        o->count--;
        break;
    case MUTEX:
        o->owner = thread;
        o->count++;
        break;
    case EVENT_MANUAL:
    case THREAD:
        break;
    }
    return abandoned;
}

static struct timespec deadline_in(DWORD milliseconds)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(milliseconds / 1000);
    t.tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Takes what the wait is for, if it is there: what the wait returns then, or WAIT_TIMEOUT. lock is held. */
static DWORD try_wait(struct object **objects, DWORD count, BOOL all, DWORD thread)
{
    DWORD i, ready = 0;
    bool abandoned = false;

    for (i = 0; i < count; i++) {
        if (!signaled(objects[i], thread))
            continue;
        ready++;
        if (!all)
            return (consume(objects[i], thread) ? WAIT_ABANDONED_0 : WAIT_OBJECT_0) + i;
    }
    if (!all || ready < count)
        return WAIT_TIMEOUT;
    for (i = 0; i < count; i++)
        abandoned |= consume(objects[i], thread);
    return abandoned ? WAIT_ABANDONED_0 : WAIT_OBJECT_0;
}

/* Finds the objects of handles; false and LastError if one is closed, or, for a wait for all, there twice. lock is held. */
static bool objects_of(const HANDLE *handles, DWORD count, BOOL all, struct object **objects)
{
    DWORD i, j;

    for (i = 0; i < count; i++) {
        objects[i] = object_of(handles[i]);
        if (objects[i] == NULL)
            return false;
    }
    for (i = 1; all && i < count; i++) {
        for (j = 0; j < i; j++) {
            if (objects[i] == objects[j]) {
                SetLastError(ERROR_INVALID_PARAMETER);
                return false;
            }
        }
    }
    return true;
}

DWORD WINAPI WaitForMultipleObjects(DWORD count, const HANDLE *handles, BOOL all, DWORD milliseconds)
{
    struct object *objects[MAXIMUM_WAIT_OBJECTS];
    struct timespec deadline = deadline_in(milliseconds == INFINITE ? 0 : milliseconds);
    DWORD i, result, thread = GetCurrentThreadId();
    int error = 0;

    if (count == 0 || count > MAXIMUM_WAIT_OBJECTS || handles == NULL) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return WAIT_FAILED;
    }
    enter();
    if (!objects_of(handles, count, all, objects)) {
        leave();
        return WAIT_FAILED;
    }
    for (i = 0; i < count; i++)
        objects[i]->references++; /* the handle may be closed meanwhile */
    while ((result = try_wait(objects, count, all, thread)) == WAIT_TIMEOUT && error != ETIMEDOUT && milliseconds != 0)
        error = milliseconds == INFINITE ? pthread_cond_wait(&changed, &lock) : pthread_cond_timedwait(&changed, &lock, &deadline);
    for (i = 0; i < count; i++)
        release(objects[i]);
    leave();
    return result;
}

DWORD WINAPI WaitForSingleObject(HANDLE handle, DWORD milliseconds)
{
    return WaitForMultipleObjects(1, &handle, FALSE, milliseconds);
}

VOID WINAPI Sleep(DWORD milliseconds)
{
    struct timespec deadline = deadline_in(milliseconds);

    while (milliseconds == INFINITE)
        nanosleep(&(struct timespec){86400, 0}, NULL);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) == EINTR)
        ;
}

/* --- Events --- */

/* Names are for objects that processes share: there are none, and a name changes nothing. */
HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES attributes, BOOL manual, BOOL initial, LPCSTR name)
{
    HANDLE handle;
    struct object *o = make(manual ? EVENT_MANUAL : EVENT_AUTO, &handle);

    UNREFERENCED_PARAMETER(attributes);
    UNREFERENCED_PARAMETER(name);
    if (o == NULL)
        return NULL;
    enter();
    o->count = initial != 0;
    leave();
    SetLastError(NO_ERROR);
    return handle;
}

/* The object of a handle if it is an event, otherwise NULL and LastError. lock is held. */
static struct object *event_of(HANDLE handle)
{
    struct object *o = object_of(handle);

    if (o != NULL && o->kind != EVENT_AUTO && o->kind != EVENT_MANUAL) {
        SetLastError(ERROR_INVALID_HANDLE);
        return NULL;
    }
    return o;
}

static BOOL put_event(HANDLE handle, LONG count)
{
    struct object *o;

    enter();
    o = event_of(handle);
    if (o != NULL) {
        o->count = count;
        pthread_cond_broadcast(&changed);
    }
    leave();
    return o != NULL;
}

BOOL WINAPI SetEvent(HANDLE handle)
{
    return put_event(handle, 1);
}

BOOL WINAPI ResetEvent(HANDLE handle)
{
    return put_event(handle, 0);
}

struct object *event_take(HANDLE handle)
{
    struct object *o;

    enter();
    o = event_of(handle);
    if (o != NULL)
        o->references++;
    leave();
    return o;
}

void event_done(struct object *event, bool set)
{
    enter();
    if (set) {
        event->count = 1;
        pthread_cond_broadcast(&changed);
    }
    release(event);
    leave();
}

/* --- Mutexes and semaphores --- */

HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES attributes, BOOL owned, LPCSTR name)
{
    HANDLE handle;
    struct object *o = make(MUTEX, &handle);

    UNREFERENCED_PARAMETER(attributes);
    UNREFERENCED_PARAMETER(name);
    if (o == NULL)
        return NULL;
    enter();
    if (owned)
        consume(o, GetCurrentThreadId());
    leave();
    SetLastError(NO_ERROR);
    return handle;
}

BOOL WINAPI ReleaseMutex(HANDLE handle)
{
    struct object *o;
    DWORD error = NO_ERROR;

    enter();
    o = object_of(handle);
    if (o == NULL || o->kind != MUTEX) {
        error = ERROR_INVALID_HANDLE;
    } else if (o->owner != GetCurrentThreadId()) {
        error = ERROR_NOT_OWNER;
    } else if (--o->count == 0) {
        o->owner = 0;
        pthread_cond_broadcast(&changed);
    }
    leave();
    if (error != NO_ERROR)
        SetLastError(error);
    return error == NO_ERROR;
}

void mutexes_abandon(DWORD thread)
{
    enter();
    for (struct object *o = mutexes; o != NULL; o = o->next_mutex) {
        if (o->owner != thread)
            continue;
        o->owner = 0;
        o->count = 0;
        o->abandoned = true;
        pthread_cond_broadcast(&changed);
    }
    leave();
}

HANDLE WINAPI CreateSemaphoreA(LPSECURITY_ATTRIBUTES attributes, LONG initial, LONG maximum, LPCSTR name)
{
    HANDLE handle;
    struct object *o;

    UNREFERENCED_PARAMETER(attributes);
    UNREFERENCED_PARAMETER(name);
    if (maximum <= 0 || initial < 0 || initial > maximum) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    if ((o = make(SEMAPHORE, &handle)) == NULL)
        return NULL;
    enter();
    o->count = initial;
    o->limit = maximum;
    leave();
    SetLastError(NO_ERROR);
    return handle;
}

BOOL WINAPI ReleaseSemaphore(HANDLE handle, LONG count, LPLONG previous)
{
    struct object *o;
    DWORD error = NO_ERROR;

    enter();
    o = object_of(handle);
    if (o == NULL || o->kind != SEMAPHORE) {
        error = ERROR_INVALID_HANDLE;
    } else if (count <= 0) {
        error = ERROR_INVALID_PARAMETER;
    } else if (count > o->limit - o->count) {
        error = ERROR_TOO_MANY_POSTS;
    } else {
        if (previous != NULL)
            *previous = o->count;
        o->count += count;
        pthread_cond_broadcast(&changed);
    }
    leave();
    if (error != NO_ERROR)
        SetLastError(error);
    return error == NO_ERROR;
}

/* --- Threads --- */

struct object *thread_object(HANDLE *handle)
{
    struct object *o = make(THREAD, handle);

    if (o == NULL)
        return NULL;
    enter();
    o->references++;
    o->exit_code = STILL_ACTIVE;
    leave();
    return o;
}

void thread_object_done(struct object *thread, DWORD code)
{
    enter();
    thread->count = 1;
    thread->exit_code = code;
    pthread_cond_broadcast(&changed);
    release(thread);
    leave();
}

bool thread_object_code(HANDLE handle, DWORD *code)
{
    struct object *o;

    enter();
    o = object_of(handle);
    if (o != NULL && o->kind == THREAD)
        *code = o->exit_code;
    leave();
    return o != NULL && o->kind == THREAD;
}
