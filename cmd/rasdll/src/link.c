/* link.c: the protocol of external plugins, version 1 (docs/plugins.md): JSON-RPC 2.0, one message a line. */
#include "rasdll.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FRAME_MAX 4096 /* bytes of what rasdll writes; a full send buffer needs 2,100 */
#define OUT_OF_THE_WAY 100 /* where the two descriptors are put, beyond what a library closes in passing */

/* A request of ours that waits for its answer; it lives on the stack of whoever asks. */
struct question {
    struct question *next;
    uint32_t id;
    bool answered;
    DWORD code;
    pthread_cond_t changed;
};

/* A request of the host that calls the library. */
struct job {
    uint32_t id;
    bool begin;
    struct opening opening; /* of an end, hport alone */
};

static int in_fd, out_fd;
static volatile sig_atomic_t forked;
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static struct question *questions;
static uint32_t last_id;

static int move_away(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, OUT_OF_THE_WAY);

    if (moved < 0)
        moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (moved < 0)
        die("standard input or output is not open");
    return moved;
}

static void in_child(void)
{
    forked = 1;
    close(in_fd);
    close(out_fd);
}

bool link_is_fork(void)
{
    return forked != 0;
}

void link_open(void)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    in_fd = move_away(STDIN_FILENO);
    out_fd = move_away(STDOUT_FILENO);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        die("standard input and output cannot be replaced: %s", strerror(errno));
    close(null);
    signal(SIGPIPE, SIG_IGN); /* Windows has none: writing to what is closed is an error, no death */
    if (pthread_atfork(NULL, NULL, in_child) != 0)
        die("out of memory");
}

/* Writes one whole message. A host that does not listen any more is the end. */
static void send_line(const char *line, size_t size)
{
    pthread_mutex_lock(&write_lock);
    while (size > 0) {
        ssize_t n = write(out_fd, line, size);

        if (n < 0 && errno != EINTR)
            die("the host does not listen: %s", strerror(errno));
        if (n > 0) {
            line += n;
            size -= (size_t)n;
        }
    }
    pthread_mutex_unlock(&write_lock);
}

static void send_code(uint32_t id, DWORD code)
{
    char line[96];
    int n = snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%" PRIu32 ",\"result\":{\"code\":%" PRIu32 "}}\n", id, code);

    send_line(line, (size_t)n);
}

DWORD link_ask(const char *method, const char *params, size_t size)
{
    char line[FRAME_MAX];
    struct question q = {.next = NULL};
    struct question **place;
    int n;

    pthread_cond_init(&q.changed, NULL);
    pthread_mutex_lock(&lock);
    q.id = ++last_id;
    q.next = questions;
    questions = &q;
    pthread_mutex_unlock(&lock);

    n = snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%" PRIu32 ",\"method\":\"%s\",\"params\":{%.*s}}\n", q.id, method,
                 (int)size, params);
    if (n < 0 || (size_t)n >= sizeof(line))
        die("a message of %d bytes does not fit", n);
    send_line(line, (size_t)n);
    explicit_bzero(line, sizeof(line)); /* what the library sends may be secret */

    pthread_mutex_lock(&lock);
    while (!q.answered)
        pthread_cond_wait(&q.changed, &lock);
    for (place = &questions; *place != &q; place = &(*place)->next)
        ;
    *place = q.next;
    pthread_mutex_unlock(&lock);
    pthread_cond_destroy(&q.changed);
    return q.code;
}

/* Hands an answer of the host to whoever waits for it. */
static void take_answer(uint32_t id, struct json result)
{
    struct question *q;
    uint32_t code;

    if (!json_number(json_member(result, "code"), &code))
        die("the host answered without a code");
    pthread_mutex_lock(&lock);
    for (q = questions; q != NULL && (q->id != id || q->answered); q = q->next)
        ;
    if (q == NULL)
        die("the host answered a request that was never made");
    q->code = code;
    q->answered = true;
    pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&lock);
}

static void run_job(void *argument)
{
    struct job *job = argument;

    send_code(job->id, job->begin ? port_begin(&job->opening) : port_end(job->opening.hport));
    free(job);
}

/* Calls the library on a thread of its own, so that messages are read meanwhile. */
static void start_job(uint32_t id, bool begin, struct json params)
{
    struct job *job = calloc(1, sizeof(*job));

    if (job == NULL)
        die("out of memory");
    job->id = id;
    job->begin = begin;
    if (!json_number(json_member(params, "hport"), &job->opening.hport) || job->opening.hport == 0)
        die("the host named no hport");
    if (begin && (!json_number(json_member(params, "send_size"), &job->opening.send_size) ||
                  !json_number(json_member(params, "recv_size"), &job->opening.recv_size) || job->opening.send_size == 0 ||
                  job->opening.recv_size == 0))
        die("the host named no sizes");
    if (begin) { /* rule G4: cut to 128 bytes */
        struct json device = json_member(params, "device_name");
        char name[1024] = "";

        if (device.at != NULL && !json_text(device, name, sizeof(name)))
            die("the host named a device that is no text");
        memcpy(job->opening.device_name, name, strnlen(name, sizeof(job->opening.device_name) - 1));
    }
    if (!thread_run(run_job, job)) {
        free(job);
        if (!begin)
            die("there is no thread for RasSecurityDialogEnd");
        send_code(id, ERROR_NOT_ENOUGH_MEMORY);
    }
}

static void say_hello(uint32_t id, struct json params, const char *name, const char *isolation)
{
    char line[512], quoted[256];
    uint32_t version;
    int n;

    if (!json_number(json_member(params, "version"), &version) || version != 1)
        die("the host does not speak version 1 of the protocol");
    json_escape(quoted, sizeof(quoted), name);
    n = snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%" PRIu32 ",\"result\":{\"version\":1,\"name\":\"%s\",\"isolation\":\"%s\"}}\n",
                 id, quoted, isolation);
    send_line(line, (size_t)n);
}

static void take_received(struct json params)
{
    uint8_t data[BUFFER_SIZE];
    uint32_t hport, code;
    size_t size;

    if (!json_number(json_member(params, "hport"), &hport) || !json_number(json_member(params, "code"), &code) ||
        !json_bytes(json_member(params, "data"), data, sizeof(data), &size) || !port_received(hport, code, data, size))
        die("the host sent a ReceiveDone that is none");
    explicit_bzero(data, sizeof(data)); /* what callers type */
}

static void take_line(const char *line, size_t size, const char *name, const char *isolation)
{
    struct json message, method, params;
    uint32_t id = 0;
    bool has_id;

    if (!json_parse(line, size, &message) || !json_is(json_member(message, "jsonrpc"), "2.0"))
        die("the host sent a line of %zu bytes that is no message", size);
    method = json_member(message, "method");
    params = json_member(message, "params");
    has_id = json_number(json_member(message, "id"), &id);
    if (method.at == NULL && has_id)
        take_answer(id, json_member(message, "result"));
    else if (json_is(method, "ReceiveDone"))
        take_received(params);
    else if (json_is(method, "SecurityDialogBegin") && has_id)
        start_job(id, true, params);
    else if (json_is(method, "SecurityDialogEnd") && has_id)
        start_job(id, false, params);
    else if (json_is(method, "Hello") && has_id)
        say_hello(id, params, name, isolation);
    else
        die("the host sent a message that is none of the protocol");
}

void link_serve(const char *name, const char *isolation)
{
    static char buffer[LINE_MAX_BYTES];
    size_t used = 0;

    for (;;) {
        ssize_t n = read(in_fd, buffer + used, sizeof(buffer) - used);
        char *start = buffer, *end;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            die("cannot read from the host: %s", strerror(errno));
        if (n == 0)
            break;
        used += (size_t)n;
        while ((end = memchr(start, '\n', used - (size_t)(start - buffer))) != NULL) {
            take_line(start, (size_t)(end - start), name, isolation);
            start = end + 1;
        }
        used -= (size_t)(start - buffer);
        memmove(buffer, start, used);
        explicit_bzero(buffer + used, sizeof(buffer) - used);
        if (used == sizeof(buffer))
            die("the host sent a line of more than %d bytes", LINE_MAX_BYTES);
    }
    if (used > 0)
        die("the host broke off within a line");
}
