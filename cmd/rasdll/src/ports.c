/*
 * ports.c: the transactions, and the functions that RASMAN.DLL has for them. The rules that are named here are those of rasshost.h as
 * docs/conformance.md lists them.
 */
#include "rasdll.h"

#define RASSHOST_NO_HPORT_SIZE
#include <raserror.h>
#include <rasshost.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define QUARANTINE 256 /* closed transactions whose buffers stay mapped, for workers that still write */

/* A buffer of BUFFER_SIZE bytes that ends where a page ends, between two pages that nobody may touch. */
struct lent {
    uint8_t *map;
    uint8_t *at;
    size_t size; /* of map */
};

/* Where a transaction stands. A Complete that comes while End runs, or after it was put off, is the one that is owed (rule E3). */
enum stage { DIALOG, ENDING, PAID, DEFERRED, CLOSED };

struct port {
    struct port *next;
    uint32_t hport;
    enum stage stage;
    struct lent send, recv;
    DWORD send_size, recv_size;
    char device_name[MAX_DEVICE_NAME + 1];

    /* The last Receive: what GetInfo tells. */
    DWORD last_error, bytes;
    /* The one in progress, while last_error is PENDING. */
    BYTE *to;
    WORD *length;
    WORD wanted;
    struct object *event; /* NULL if there is none */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all ports */
static pthread_mutex_t begin_lock = PTHREAD_MUTEX_INITIALIZER; /* one Begin after the other, as on Windows */
static struct port *ports; /* open and closed, the last one first */

/* --- Buffers --- */

static bool lend(struct lent *b)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t room = (BUFFER_SIZE + page - 1) / page * page;

    b->size = room + 2 * page;
    b->map = mmap(NULL, b->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->map == MAP_FAILED) {
        b->map = NULL;
        return false;
    }
    b->at = b->map + page + room - BUFFER_SIZE;
    return mprotect(b->map + page, room, PROT_READ | PROT_WRITE) == 0;
}

static void take_back(struct lent *b)
{
    if (b->map != NULL)
        munmap(b->map, b->size);
}

static void free_port(struct port *p)
{
    take_back(&p->send);
    take_back(&p->recv);
    free(p);
}

static struct port *new_port(const struct opening *o)
{
    struct port *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->hport = o->hport;
    p->send_size = min(o->send_size, BUFFER_SIZE);
    p->recv_size = min(o->recv_size, BUFFER_SIZE);
    memcpy(p->device_name, o->device_name, sizeof(p->device_name));
    if (!lend(&p->send) || !lend(&p->recv)) {
        free_port(p);
        return NULL;
    }
    return p;
}

/* The open port of that number, or NULL. lock is held. */
static struct port *find(uint32_t hport)
{
    struct port *p;

    for (p = ports; p != NULL && (p->hport != hport || p->stage == CLOSED); p = p->next)
        ;
    return p;
}

/* Forgets the Receive in progress: nothing is written, no event is set (rule C7). lock is held. */
static void cancel_receive(struct port *p)
{
    if (p->event != NULL)
        event_done(p->event, false);
    p->event = NULL;
    p->to = NULL;
    if (p->last_error == PENDING)
        p->last_error = ERROR_PORT_DISCONNECTED;
}

/* Closes a port. What its buffers hold is gone, but they stay mapped for a while: a worker may still write to them (rule B2). */
static void close_port(uint32_t hport)
{
    struct port *p, **place;
    int closed = 0;

    pthread_mutex_lock(&lock);
    p = find(hport);
    if (p != NULL) {
        cancel_receive(p);
        p->stage = CLOSED;
        madvise(p->send.map, p->send.size, MADV_DONTNEED);
        madvise(p->recv.map, p->recv.size, MADV_DONTNEED);
    }
    for (place = &ports; (p = *place) != NULL;) {
        if (p->stage == CLOSED && ++closed > QUARANTINE) {
            *place = p->next;
            free_port(p);
        } else {
            place = &p->next;
        }
    }
    pthread_mutex_unlock(&lock);
}

/* --- What the library calls. An HPORT that is a DWORD leaves the upper half of its register undefined. --- */

static uint32_t number_of(uintptr_t hport)
{
    if (library.hport == HPORT_DWORD)
        return (uint32_t)hport;
    return hport <= UINT32_MAX ? (uint32_t)hport : 0;
}

static DWORD WINAPI dialog_send(uintptr_t handle, const BYTE *buffer, WORD size)
{
    char params[BASE64_SIZE(BUFFER_SIZE) + 64];
    uint8_t bytes[BUFFER_SIZE];
    uint32_t hport = number_of(handle);
    struct port *p;
    DWORD code = NO_ERROR;
    int n;

    if (link_is_fork())
        return ERROR_INVALID_PORT_HANDLE;
    pthread_mutex_lock(&lock);
    p = find(hport);
    if (p == NULL)
        code = ERROR_INVALID_PORT_HANDLE;
    else if (buffer == NULL || size > p->send_size)
        code = ERROR_BUFFER_INVALID; /* rule T2 */
    pthread_mutex_unlock(&lock);
    if (code != NO_ERROR)
        return code;
    memcpy(bytes, buffer, size); /* rule T1 */
    n = snprintf(params, sizeof(params), "\"hport\":%" PRIu32 ",\"data\":\"", hport);
    base64_write(params + n, bytes, size);
    strcat(params, "\"");
    code = link_ask("DialogSend", params, strlen(params));
    explicit_bzero(params, sizeof(params));
    explicit_bzero(bytes, sizeof(bytes));
    return code;
}

static DWORD WINAPI dialog_receive(uintptr_t handle, BYTE *buffer, WORD *length, DWORD timeout, HANDLE event)
{
    char params[96];
    uint32_t hport = number_of(handle);
    struct object *signal = NULL;
    struct port *p;
    DWORD before, code = NO_ERROR;
    int n;

    if (link_is_fork())
        return ERROR_INVALID_PORT_HANDLE;
    if (buffer == NULL || length == NULL || *length == 0)
        return ERROR_BUFFER_INVALID; /* rule R4 */
    if (event != NULL && (signal = event_take(event)) == NULL) /* rule R3: the reference outlives the handle */
        return ERROR_EVENT_INVALID;
    pthread_mutex_lock(&lock);
    p = find(hport);
    if (p == NULL)
        code = ERROR_INVALID_PORT_HANDLE;
    else if (p->last_error == PENDING)
        code = ERROR_ASYNC_REQUEST_PENDING; /* rule R5 */
    if (code != NO_ERROR) {
        pthread_mutex_unlock(&lock);
        if (signal != NULL)
            event_done(signal, false);
        return code;
    }
    before = p->last_error;
    p->last_error = PENDING;
    p->to = buffer;
    p->length = length;
    p->wanted = min(*length, (WORD)p->recv_size);
    p->event = signal;
    n = snprintf(params, sizeof(params), "\"hport\":%" PRIu32 ",\"size\":%u,\"timeout\":%" PRIu32, hport, (unsigned)p->wanted, timeout);
    pthread_mutex_unlock(&lock);

    code = link_ask("DialogReceive", params, (size_t)n);
    if (code != PENDING) { /* then no ReceiveDone comes */
        pthread_mutex_lock(&lock);
        if ((p = find(hport)) != NULL) {
            cancel_receive(p);
            p->last_error = before;
        }
        pthread_mutex_unlock(&lock);
    }
    return code;
}

static DWORD WINAPI dialog_get_info(uintptr_t handle, RAS_SECURITY_INFO *info)
{
    DWORD code = NO_ERROR;
    struct port *p;

    if (link_is_fork())
        return ERROR_INVALID_PORT_HANDLE;
    pthread_mutex_lock(&lock);
    p = find(number_of(handle));
    if (p == NULL) {
        code = ERROR_INVALID_PORT_HANDLE; /* rule G2 */
    } else if (info == NULL) {
        code = ERROR_INVALID_PARAMETER; /* rule G3 */
    } else {
        memset(info, 0, sizeof(*info));
        info->LastError = p->last_error;
        info->BytesReceived = p->bytes;
        memcpy(info->DeviceName, p->device_name, sizeof(info->DeviceName));
    }
    pthread_mutex_unlock(&lock);
    return code;
}

/* SECURITY_MESSAGE of a library whose HPORT is a DWORD. */
struct dword_message {
    DWORD id, hport, error;
    CHAR user[UNLEN + 1], domain[DNLEN + 1];
};
_Static_assert(sizeof(struct dword_message) == 288 && offsetof(struct dword_message, domain) == 269, "the old layout");
_Static_assert(sizeof(SECURITY_MESSAGE) == 296 && offsetof(SECURITY_MESSAGE, Domain) == 277, "the layout");

/* The function whose pointer Begin is given, the same on every call. Names go out as bytes: nothing says that they are UTF-8 (rule C5). */
static void WINAPI dialog_complete(const void *message)
{
    char params[BASE64_SIZE(UNLEN + 1) + BASE64_SIZE(DNLEN + 1) + 128], user[BASE64_SIZE(UNLEN + 1)], domain[BASE64_SIZE(DNLEN + 1)];
    struct dword_message m;
    struct port *p;
    bool last = false;
    int n;

    if (link_is_fork() || message == NULL)
        return;
    if (library.hport == HPORT_DWORD) {
        memcpy(&m, message, sizeof(m));
    } else {
        const SECURITY_MESSAGE *wide = message;

        m.id = wide->dwMsgId;
        m.hport = number_of((uintptr_t)wide->hPort);
        m.error = wide->dwError;
        memcpy(m.user, wide->UserName, sizeof(m.user));
        memcpy(m.domain, wide->Domain, sizeof(m.domain));
    }
    pthread_mutex_lock(&lock);
    if ((p = find(m.hport)) != NULL) {
        cancel_receive(p);
        last = p->stage == DEFERRED;
        if (p->stage == ENDING)
            p->stage = PAID;
    }
    pthread_mutex_unlock(&lock);
    if (p == NULL)
        return; /* rule C1 */
    base64_write(user, (uint8_t *)m.user, strnlen(m.user, sizeof(m.user)));
    base64_write(domain, (uint8_t *)m.domain, strnlen(m.domain, sizeof(m.domain)));
    n = snprintf(params, sizeof(params),
                 "\"hport\":%" PRIu32 ",\"msgid\":%" PRIu32 ",\"error\":%" PRIu32 ",\"user64\":\"%s\",\"domain64\":\"%s\"", m.hport, m.id,
                 m.error, user, domain);
    link_ask("DialogComplete", params, (size_t)n); /* once it is answered, no ReceiveDone is on its way */
    if (last)
        close_port(m.hport);
}

FARPROC port_function(const char *name)
{
    static const struct {
        const char *name;
        void (*function)(void);
    } all[] = {
        {"RasSecurityDialogSend", (void (*)(void))dialog_send},
        {"RasSecurityDialogReceive", (void (*)(void))dialog_receive},
        {"RasSecurityDialogGetInfo", (void (*)(void))dialog_get_info},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i].name, name) == 0)
            return (FARPROC)all[i].function;
    return NULL;
}

/* --- What the host calls --- */

bool port_received(uint32_t hport, DWORD code, const uint8_t *data, size_t size)
{
    struct object *event;
    struct port *p;

    pthread_mutex_lock(&lock);
    p = find(hport);
    if (p == NULL || p->to == NULL) { /* it was cancelled meanwhile */
        pthread_mutex_unlock(&lock);
        return true;
    }
    if (size > p->wanted || code == PENDING || (code == NO_ERROR) != (size > 0)) {
        pthread_mutex_unlock(&lock);
        return false;
    }
    if (code == NO_ERROR)
        memcpy(p->to, data, size);
    else if (code == ERROR_PORT_DISCONNECTED)
        p->to[0] = 0; /* rule R7: no stale key */
    *p->length = (WORD)size;
    p->bytes = (DWORD)size;
    p->last_error = code;
    p->to = NULL;
    event = p->event;
    p->event = NULL;
    if (event != NULL)
        event_done(event, true); /* rule R2: last of all, once */
    pthread_mutex_unlock(&lock);
    return true;
}

DWORD port_begin(const struct opening *o)
{
    typedef DWORD (WINAPI *begin_handle)(HANDLE, BYTE *, DWORD, BYTE *, DWORD, void (WINAPI *)(const void *));
    typedef DWORD (WINAPI *begin_dword)(DWORD, BYTE *, DWORD, BYTE *, DWORD, void (WINAPI *)(const void *));
    struct port *p = new_port(o);
    DWORD code;

    if (p == NULL)
        return ERROR_NOT_ENOUGH_MEMORY;
    pthread_mutex_lock(&lock);
    if (find(o->hport) != NULL)
        die("the host opened hport %" PRIu32 " twice", o->hport);
    p->next = ports;
    ports = p;
    pthread_mutex_unlock(&lock);

    pthread_mutex_lock(&begin_lock);
    if (library.hport == HPORT_DWORD)
        code = ((begin_dword)library.begin)(o->hport, p->send.at, p->send_size, p->recv.at, p->recv_size, dialog_complete);
    else
        code = ((begin_handle)library.begin)((HANDLE)(uintptr_t)o->hport, p->send.at, p->send_size, p->recv.at, p->recv_size, dialog_complete);
    pthread_mutex_unlock(&begin_lock);
    if (code != NO_ERROR)
        close_port(o->hport);
    return code;
}

/* Moves a port from one stage to another; false if it was not in the first. */
static bool move(uint32_t hport, enum stage from, enum stage to)
{
    struct port *p;
    bool moved;

    pthread_mutex_lock(&lock);
    p = find(hport);
    moved = p != NULL && p->stage == from;
    if (moved)
        p->stage = to;
    pthread_mutex_unlock(&lock);
    return moved;
}

DWORD port_end(uint32_t hport)
{
    typedef DWORD (WINAPI *end_handle)(HANDLE);
    typedef DWORD (WINAPI *end_dword)(DWORD);
    DWORD code;

    if (!move(hport, DIALOG, ENDING))
        die("the host ended hport %" PRIu32 ", which is not open", hport);
    if (library.hport == HPORT_DWORD)
        code = ((end_dword)library.end)(hport);
    else
        code = ((end_handle)library.end)((HANDLE)(uintptr_t)hport);
    if (code != NO_ERROR || !move(hport, ENDING, DEFERRED))
        close_port(hport);
    return code;
}
