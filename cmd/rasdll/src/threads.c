/* threads.c: threads, their storage, critical sections and interlocked operations. */
#include "rasdll.h"

#include <process.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A thread's begin: one of the two functions is set. */
struct start {
    DWORD (WINAPI *with_result)(LPVOID);
    void (*without_result)(void *);
    LPVOID argument;
    DWORD id;
    struct object *object; /* NULL for threads of rasdll */
    HANDLE closes; /* the handle that goes with the thread (_beginthread), or NULL */
};

static atomic_uint ids;
static _Thread_local DWORD own_id;
static _Thread_local DWORD exit_code;
static _Thread_local DWORD last_error;

DWORD WINAPI GetLastError(void)
{
    return last_error;
}

VOID WINAPI SetLastError(DWORD code)
{
    last_error = code;
}

DWORD WINAPI GetCurrentThreadId(void)
{
    if (own_id == 0)
        own_id = ++ids;
    return own_id;
}

DWORD WINAPI GetCurrentProcessId(void)
{
    return (DWORD)getpid();
}

VOID WINAPI ExitProcess(UINT code)
{
    library_detach(true);
    fflush(NULL);
    _exit((int)code);
}

/* Runs at every end of a thread, that of ExitThread too. */
static void thread_ends(void *argument)
{
    struct start *s = argument;

    library_thread(DLL_THREAD_DETACH);
    mutexes_abandon(s->id);
    if (s->object != NULL)
        thread_object_done(s->object, exit_code);
    if (s->closes != NULL)
        CloseHandle(s->closes);
    free(s);
}

static void *thread_begins(void *argument)
{
    struct start *s = argument;

    own_id = s->id;
    pthread_cleanup_push(thread_ends, s);
    library_thread(DLL_THREAD_ATTACH);
    if (s->with_result != NULL)
        exit_code = s->with_result(s->argument);
    else
        s->without_result(s->argument);
    pthread_cleanup_pop(1);
    return NULL;
}

/* Starts a thread from a copy of s; false and LastError if there is none to be had. */
static bool start_thread(const struct start *s, size_t stack)
{
    struct start *copy = malloc(sizeof(*copy));
    pthread_attr_t attributes;
    pthread_t thread;
    int error = -1;

    if (copy != NULL) {
        *copy = *s;
        pthread_attr_init(&attributes);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        if (stack > (size_t)8 << 20) /* less than the usual is never needed: it is address space, not memory */
            pthread_attr_setstacksize(&attributes, stack);
        error = pthread_create(&thread, &attributes, thread_begins, copy);
        pthread_attr_destroy(&attributes);
    }
    if (error != 0) {
        free(copy);
        SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    }
    return error == 0;
}

bool thread_run(void (*run)(void *), void *argument)
{
    struct start s = {.without_result = run, .argument = argument, .id = ++ids};

    return start_thread(&s, 0);
}

/* Starts a thread that has a handle, which is NULL if it could not be done. */
static HANDLE start_with_handle(struct start *s, size_t stack, bool closes)
{
    HANDLE handle;

    s->id = ++ids;
    s->object = thread_object(&handle);
    if (s->object == NULL)
        return NULL;
    s->closes = closes ? handle : NULL;
    if (start_thread(s, stack))
        return handle;
    thread_object_done(s->object, 0);
    CloseHandle(handle);
    return NULL;
}

HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES attributes, SIZE_T stack, LPTHREAD_START_ROUTINE function, LPVOID parameter, DWORD flags,
                           LPDWORD id)
{
    struct start s = {.with_result = function, .argument = parameter};
    HANDLE handle;

    UNREFERENCED_PARAMETER(attributes);
    if (function == NULL || flags != 0) { /* nothing is created suspended */
        SetLastError(ERROR_INVALID_PARAMETER);
        return NULL;
    }
    handle = start_with_handle(&s, stack, false);
    if (handle != NULL && id != NULL)
        *id = s.id;
    return handle;
}

uintptr_t __cdecl _beginthreadex(void *security, unsigned stack, unsigned (__stdcall *function)(void *), void *argument, unsigned flags,
                                 unsigned *id)
{
    return (uintptr_t)CreateThread((LPSECURITY_ATTRIBUTES)security, stack, function, argument, flags, id);
}

uintptr_t __cdecl _beginthread(void (__cdecl *function)(void *), unsigned stack, void *argument)
{
    struct start s = {.without_result = function, .argument = argument};
    HANDLE handle = function != NULL ? start_with_handle(&s, stack, true) : NULL;

    return handle != NULL ? (uintptr_t)handle : (uintptr_t)-1;
}

VOID WINAPI ExitThread(DWORD code)
{
    exit_code = code;
    pthread_exit(NULL);
}

void __cdecl _endthread(void)
{
    ExitThread(0);
}

void __cdecl _endthreadex(unsigned code)
{
    ExitThread(code);
}

BOOL WINAPI GetExitCodeThread(HANDLE handle, LPDWORD code)
{
    if (thread_object_code(handle, code))
        return TRUE;
    SetLastError(ERROR_INVALID_HANDLE);
    return FALSE;
}

/* --- Storage of threads: a new index is NULL everywhere --- */

DWORD WINAPI TlsAlloc(void)
{
    pthread_key_t key;

    if (pthread_key_create(&key, NULL) == 0)
        return (DWORD)key;
    SetLastError(ERROR_NOT_ENOUGH_MEMORY);
    return TLS_OUT_OF_INDEXES;
}

LPVOID WINAPI TlsGetValue(DWORD index)
{
    SetLastError(NO_ERROR);
    return pthread_getspecific((pthread_key_t)index);
}

BOOL WINAPI TlsSetValue(DWORD index, LPVOID value)
{
    if (pthread_setspecific((pthread_key_t)index, value) == 0)
        return TRUE;
    SetLastError(ERROR_INVALID_PARAMETER);
    return FALSE;
}

BOOL WINAPI TlsFree(DWORD index)
{
    if (pthread_key_delete((pthread_key_t)index) == 0)
        return TRUE;
    SetLastError(ERROR_INVALID_PARAMETER);
    return FALSE;
}

/* --- Critical sections --- */

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(CRITICAL_SECTION), "a CRITICAL_SECTION holds a mutex");

static pthread_mutex_t *mutex_of(LPCRITICAL_SECTION section)
{
    return (pthread_mutex_t *)(void *)section;
}

VOID WINAPI InitializeCriticalSection(LPCRITICAL_SECTION section)
{
    pthread_mutexattr_t attributes;

    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(mutex_of(section), &attributes);
    pthread_mutexattr_destroy(&attributes);
}

VOID WINAPI EnterCriticalSection(LPCRITICAL_SECTION section)
{
    pthread_mutex_lock(mutex_of(section));
}

BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION section)
{
    return pthread_mutex_trylock(mutex_of(section)) == 0;
}

VOID WINAPI LeaveCriticalSection(LPCRITICAL_SECTION section)
{
    pthread_mutex_unlock(mutex_of(section));
}

VOID WINAPI DeleteCriticalSection(LPCRITICAL_SECTION section)
{
    pthread_mutex_destroy(mutex_of(section));
}

/* --- Interlocked operations --- */

LONG WINAPI InterlockedIncrement(LONG volatile *addend)
{
    return __atomic_add_fetch(addend, 1, __ATOMIC_SEQ_CST);
}

LONG WINAPI InterlockedDecrement(LONG volatile *addend)
{
    return __atomic_sub_fetch(addend, 1, __ATOMIC_SEQ_CST);
}

LONG WINAPI InterlockedExchange(LONG volatile *target, LONG value)
{
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}

LONG WINAPI InterlockedExchangeAdd(LONG volatile *addend, LONG value)
{
    return __atomic_fetch_add(addend, value, __ATOMIC_SEQ_CST);
}

LONG WINAPI InterlockedCompareExchange(LONG volatile *destination, LONG exchange, LONG comparand)
{
    __atomic_compare_exchange_n(destination, &comparand, exchange, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return comparand;
}

PVOID WINAPI InterlockedExchangePointer(PVOID volatile *target, PVOID value)
{
    return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}

PVOID WINAPI InterlockedCompareExchangePointer(PVOID volatile *destination, PVOID exchange, PVOID comparand)
{
    __atomic_compare_exchange_n(destination, &comparand, exchange, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return comparand;
}
